# `make` lists what it can do. Everything it installs stays in this folder.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
STAGE ?= dev
PY := .venv/bin/python
UV := .venv/bin/uv
CDK := bin/with-node node_modules/.bin/cdk
PYTEST := CDK_VALIDATION=false bin/with-node $(PY) -m pytest
# On two cores; what shares a platform stays together (tests/conftest.py).
SIDE_BY_SIDE := --numprocesses 2 --dist loadscope

# jsii and boto3 start five times faster with bytecode, and nothing here wants Docker.
export UV_COMPILE_BYTECODE := 1
export UV_LINK_MODE := copy
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1

.PHONY: help setup run up test unit unit-stacks soak bench check format snapshot synth deploy destroy redrive-alerts lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: .venv/.ready .venv-ministack/.ready node_modules/.ready ## install what everything else needs

.venv/.ready: requirements-dev.txt requirements-bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@echo "==> Python packages (about a minute the first time)"
	@$(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -m pip --python $(PY) install --quiet --disable-pip-version-check \
	  --no-deps --require-hashes -r requirements-bootstrap.txt
	@$(UV) pip sync --quiet --python $(PY) --require-hashes requirements-dev.txt
	@touch $@

.venv-ministack/.ready: local/requirements-ministack.txt .venv/.ready
	@echo "==> MiniStack, in a virtual environment of its own"
	@$(UV) venv --quiet --allow-existing --python $(PY) .venv-ministack
	@$(UV) pip sync --quiet --python .venv-ministack/bin/python --require-hashes $<
	@touch $@

node_modules/.ready: package-lock.json .venv/.ready
	@echo "==> the CDK command line"
	@bin/with-node npm ci --silent --no-fund --no-audit
	@touch $@

run: setup ## deploy everything to this machine, run jobs, show what became of each
	@bin/with-node $(PY) -m local run

up: setup ## the same platform, left running until Ctrl-C
	@bin/with-node $(PY) -m local up --deploy

test: setup ## all tests, the end-to-end run included (15 minutes at most)
	@$(PYTEST) $(SIDE_BY_SIDE) -m "not soak"

unit: setup ## the quick tests, of units and templates (a minute and a half)
	@$(PYTEST) $(SIDE_BY_SIDE) -q -m "not soak and not platform and not matrix"

unit-stacks: setup
	@$(PYTEST) -q tests/stacks

soak: setup ## what takes longer: every crash point on the platform, a thousand jobs
	@$(PYTEST) -m soak --capture=no

bench: setup ## figures, as ratios measured in one run
	@bin/with-node $(PY) -m tests.bench

check: setup ## lint, format, types, imports
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy .
	@.venv/bin/lint-imports

format: setup ## let the formatter have its way
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

snapshot: setup ## accept the templates as they are now
	@$(PYTEST) tests/stacks --snapshot-update

synth: setup ## write the templates of STAGE (dev) to cdk.out
	@$(CDK) synth --quiet -c stage=$(STAGE)

deploy: setup ## deploy STAGE (dev) to the AWS account of your credentials
	@$(CDK) deploy --all -c stage=$(STAGE)

destroy: setup ## delete STAGE (dev); jobs that still run hold it up (docs/runbook.md)
	@$(CDK) destroy --all -c stage=$(STAGE)

redrive-alerts: setup ## bring alerts back that waited too long for Slack, STAGE (dev)
	@$(PY) -m jobctl --stage $(STAGE) redrive-alerts

lock: setup ## pin what the *.in files ask for
	@for f in requirements-bootstrap requirements requirements-dev local/requirements-ministack; do \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	    --no-header --no-emit-index-url $$f.in -o $$f.txt || exit 1; done
	@for f in functions/*/requirements.in; do \
	  $(UV) pip compile --quiet --python-version 3.13 --generate-hashes --no-annotate --no-header \
	    --no-emit-index-url $$f -o $${f%.in}.txt || exit 1; done

clean: ## remove what was installed and built
	@rm -rf .venv .venv-ministack node_modules cdk.out* .bundles .local .mypy_cache .ruff_cache .pytest_cache
