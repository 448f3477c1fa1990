"""A bundle is made for the machine that runs it, and again only when something has changed."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from aws_cdk import Stack

from stacks import bundle as bundling
from stacks.bundle import Bundle, BundleError, Interpreter, find_interpreter
from stacks.constructs.function_bundle import function_bundle
from stacks.stages import DEV, LOCAL, BundleTarget
from tests.stacks.synthesis import Templates, new_app
from tests.stacks.test_settings_contract import module_and_variables

THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# The flags word of bytecode that carries its source's hash and never looks at it.
# https://peps.python.org/pep-0552/
UNCHECKED_HASH = (1).to_bytes(4, "little")
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_ZIPPED_MB, MAX_UNZIPPED_MB = 50, 250
# How a compiled module names its processor. https://refspecs.linuxfoundation.org/elf/elf.pdf
ELF_MACHINE = slice(18, 20)
AARCH64 = (183).to_bytes(2, "little")


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the bundles of these tests are kept."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="session")
def local_jobs(bundles: Path) -> Path:
    """The bundle of `functions/jobs` for this machine."""
    return Bundle("jobs", LOCAL.bundle, find_interpreter(LOCAL.bundle.python)).build(bundles)


@pytest.fixture(scope="session")
def bare_bundles(bundles: Path) -> dict[str, Path]:
    """The bundles of other families for this machine, without bytecode, which takes long."""
    return {
        family: Bundle(family, LOCAL.bundle, interpreter=None).build(bundles)
        for family in ("callbacks", "orders", "approvals", "onboarding", "pipelines")
    }


@pytest.fixture(scope="session")
def lambda_alerts(bundles: Path) -> Path:
    """The bundle of `functions/alerts` for Lambda."""
    return Bundle("alerts", DEV.bundle, find_interpreter(DEV.bundle.python)).build(bundles)


@pytest.fixture(scope="session")
def lambda_pipelines(bundles: Path) -> Path:
    """The bundle of `functions/pipelines` for Lambda: the one with a compiled package."""
    return Bundle("pipelines", DEV.bundle, find_interpreter(DEV.bundle.python)).build(bundles)


@pytest.fixture
def tiny(tmp_path: Path) -> Bundle:
    """A family with one module and no packages but botocore's models."""
    functions = tmp_path / "functions"
    for folder in ("shared", "tiny"):
        (functions / folder).mkdir(parents=True)
        (functions / folder / "__init__.py").touch()
    (functions / "__init__.py").touch()
    (functions / "tiny" / "work.py").write_text("def handler() -> None: ...\n")
    (functions / "tiny" / "requirements.txt").touch()
    (functions / "tiny" / "service-models.txt").write_text("# none\n")
    return Bundle("tiny", LOCAL.bundle, find_interpreter(THIS_PYTHON), functions)


def files(bundle: Path) -> dict[str, bytes]:
    return {
        path.relative_to(bundle).as_posix(): path.read_bytes()
        for path in bundle.rglob("*")
        if path.is_file()
    }


def test_a_bundle_holds_its_family_the_shared_code_and_no_other_family(local_jobs: Path) -> None:
    assert {path.name for path in (local_jobs / "functions").iterdir()} >= {"jobs", "shared"}
    assert not (local_jobs / "functions" / "alerts").exists()


@pytest.mark.parametrize(
    ("family", "services"),
    [
        ("jobs", {"dynamodb", "lambda", "s3", "sesv2", "sns", "ssm"}),
        ("callbacks", {"dynamodb", "kms", "lambda", "sesv2", "sns"}),
        ("orders", {"dynamodb", "lambda", "s3"}),
        ("approvals", {"dynamodb", "lambda", "s3"}),
        ("onboarding", {"dynamodb", "lambda", "s3", "sesv2"}),
        ("pipelines", {"dynamodb", "lambda", "s3", "secretsmanager", "ssm"}),
    ],
)
def test_a_bundle_carries_only_the_service_models_of_its_family(
    local_jobs: Path, bare_bundles: dict[str, Path], family: str, services: set[str]
) -> None:
    bundle = {"jobs": local_jobs, **bare_bundles}[family]

    kept = {path.name for path in (bundle / "botocore" / "data").iterdir() if path.is_dir()}

    assert kept == services


@pytest.mark.parametrize(
    ("family", "count"),
    [("callbacks", 4), ("orders", 8), ("approvals", 1), ("onboarding", 1), ("pipelines", 3)],
)
def test_every_function_of_a_family_runs_from_its_bundle_alone(
    bare_bundles: dict[str, Path], dev: Templates, family: str, count: int
) -> None:
    functions = getattr(dev, family).of_type("AWS::Lambda::Function").values()
    modules: list[str] = []
    variables: dict[str, str] = {}
    for function in functions:
        module, its_variables = module_and_variables(function)
        modules.append(module)
        variables |= its_variables
    bundle = str(bare_bundles[family])
    program = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"

    imported = subprocess.run(
        # Without `site`, nothing that is installed here is found.
        [sys.executable, "-S", "-c", program, *modules],
        cwd=bundle,
        env={**variables, "PYTHONPATH": bundle, "AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(modules) == count
    assert imported.returncode == 0, imported.stderr


def test_parquet_is_read_from_the_bundle_alone(
    bare_bundles: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "any.parquet"
    duckdb.execute(f"COPY (SELECT 'tea' AS sku, 3 AS stock) TO '{file}'")
    bundle = str(bare_bundles["pipelines"])
    program = (
        "import pathlib, sys; from functions.pipelines.parquet_rows import rows;"
        "print(list(rows(pathlib.Path(sys.argv[1]))))"
    )

    read = subprocess.run(
        # Without `site`, nothing that is installed here is found; without a home, as in Lambda,
        # nothing that was fetched before.
        [sys.executable, "-S", "-c", program, str(file)],
        cwd=bundle,
        env={"PYTHONPATH": bundle},
        capture_output=True,
        text=True,
        check=False,
    )

    assert read.stdout == "[{'sku': 'tea', 'stock': 3}]\n", read.stderr


def test_a_service_model_carries_no_text_for_people(local_jobs: Path) -> None:
    models = list(local_jobs.glob("botocore/data/*/*/service-2.json"))

    assert models
    assert not [model for model in models if re.search('"documentation":"[^"]', model.read_text())]


def test_a_client_is_made_of_every_model_that_a_bundle_carries(local_jobs: Path) -> None:
    services = [path.name for path in (local_jobs / "botocore" / "data").iterdir() if path.is_dir()]
    # Read with a client's first call, to find its endpoint.
    program = (
        "import sys, boto3\n"
        "for service in sys.argv[1:]:\n"
        "    client = boto3.client(service, region_name='eu-west-1')\n"
        "    client.meta.service_model.client_context_parameters\n"
        "    print(boto3.__file__)\n"
    )

    made = subprocess.run(
        [sys.executable, "-c", program, *services],
        cwd=local_jobs,
        env={
            **os.environ,
            "PYTHONPATH": str(local_jobs),
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert made.returncode == 0, made.stderr
    assert set(made.stdout.splitlines()) == {str(local_jobs / "boto3" / "__init__.py")}


@pytest.mark.parametrize("built", ["local_jobs", "lambda_alerts", "lambda_pipelines"])
def test_bytecode_is_valid_whatever_the_dates_of_the_files(
    built: str, request: pytest.FixtureRequest
) -> None:
    bundle: Path = request.getfixturevalue(built)

    bytecode = list(bundle.rglob("*.pyc"))

    if built != "local_jobs" and find_interpreter(DEV.bundle.python) is None:
        assert not bytecode
        return
    assert len(bytecode) > len(list((bundle / "functions").rglob("*.py")))
    assert {path.read_bytes()[4:8] for path in bytecode} == {UNCHECKED_HASH}


def test_the_largest_bundle_is_one_that_lambda_takes(
    lambda_pipelines: Path, tmp_path: Path
) -> None:
    zipped = Path(shutil.make_archive(str(tmp_path / "bundle"), "zip", lambda_pipelines))

    unzipped = sum(path.stat().st_size for path in lambda_pipelines.rglob("*") if path.is_file())
    assert zipped.stat().st_size < MAX_ZIPPED_MB * 10**6
    assert unzipped < MAX_UNZIPPED_MB * 10**6


def test_what_is_compiled_in_a_bundle_for_lambda_is_for_its_processor(
    lambda_pipelines: Path,
) -> None:
    compiled = list(lambda_pipelines.rglob("*.so*"))

    assert compiled
    assert {path.read_bytes()[ELF_MACHINE] for path in compiled} == {AARCH64}


@pytest.mark.parametrize("package", ["duckdb", "fastjsonschema", "tzdata"])
def test_only_pipelines_carry_what_only_datasets_need(
    local_jobs: Path, bare_bundles: dict[str, Path], package: str
) -> None:
    carrying = {
        family
        for family, bundle in {"jobs": local_jobs, **bare_bundles}.items()
        if (bundle / package).exists()
    }

    assert carrying == {"pipelines"}


def test_a_bundle_for_this_machine_holds_bytecode_that_this_python_reads(
    local_jobs: Path,
) -> None:
    magic = importlib.util.MAGIC_NUMBER

    assert {path.read_bytes()[:4] for path in local_jobs.rglob("*.pyc")} == {magic}


def test_nothing_in_a_bundle_tells_where_it_was_built(local_jobs: Path, bundles: Path) -> None:
    telling = [
        name for name, content in files(local_jobs).items() if str(bundles).encode() in content
    ]

    assert telling == []


def test_the_same_sources_make_the_same_bytes(local_jobs: Path, tmp_path: Path) -> None:
    again = Bundle("jobs", LOCAL.bundle, find_interpreter(LOCAL.bundle.python)).build(tmp_path)

    if again.name != local_jobs.name:
        pytest.skip("functions/ was edited while the tests ran")
    assert files(again) == files(local_jobs)


def test_an_unchanged_bundle_is_not_built_again(
    tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_packages(monkeypatch)
    first = tiny.build(tmp_path / "bundles")
    monkeypatch.setattr(bundling, "_run", _no_run)

    assert tiny.build(tmp_path / "bundles") == first


def test_whatever_shapes_a_bundle_makes_another_one(
    tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_packages(monkeypatch)
    family = tiny.functions / "tiny"
    names = [tiny.build(tmp_path / "bundles").name]

    names += [
        changed.build(tmp_path / "bundles").name
        for changed in (
            replace(tiny, target=BundleTarget("aarch64-manylinux2014", THIS_PYTHON)),
            replace(tiny, interpreter=None),
            replace(tiny, interpreter=Interpreter(sys.executable, "another build")),
        )
    ]
    for name, text in (
        ("work.py", "def handler() -> int: ...\n"),
        ("requirements.txt", "# another pin\n"),
        ("service-models.txt", "sns\n"),
    ):
        (family / name).write_text(text)
        names.append(tiny.build(tmp_path / "bundles").name)

    assert len(set(names)) == len(names)


def test_two_stages_get_two_bundles_in_one_output_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_packages(monkeypatch)
    output = tmp_path / "cdk.out"
    monkeypatch.setattr(Bundle.build, "__defaults__", (tmp_path / "bundles",))

    for stage in (DEV, LOCAL):
        app = new_app(str(output), bundling=True)
        stack = Stack(app, f"Any-{stage.name}")
        function_bundle(stack, "alerts", stage).code.bind(stack)
        app.synth()

    built = [path for path in output.iterdir() if path.name.startswith("asset.")]
    assert len(built) == len({"dev", "local"})
    here = f"cpython-{THIS_PYTHON.replace('.', '')}"
    with_bytecode_of_this_python = [path for path in built if any(path.rglob(f"*.{here}.pyc"))]
    assert len(with_bytecode_of_this_python) == 1


def test_a_killed_build_is_never_taken_for_a_bundle(
    tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_packages(monkeypatch)
    folder = tmp_path / "bundles"

    def killed(_bundle: Bundle, _path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Bundle, "_compile", killed)
        with pytest.raises(KeyboardInterrupt):
            tiny.build(folder)

    assert not list(folder.iterdir())
    assert (tiny.build(folder) / "functions" / "tiny" / "work.py").exists()


def test_packages_that_cannot_be_installed_end_in_one_clear_error(
    tiny: Bundle, tmp_path: Path
) -> None:
    (tiny.functions / "tiny" / "requirements.txt").write_text("six==1.17.0\n")

    with pytest.raises(BundleError, match=r"installing functions/tiny/requirements.txt did not"):
        tiny.build(tmp_path / "bundles")


def test_a_service_that_botocore_does_not_know_is_named(
    tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_packages(monkeypatch)
    (tiny.functions / "tiny" / "service-models.txt").write_text("simple-mail\n")

    with pytest.raises(BundleError, match="names simple-mail, which botocore does not know"):
        tiny.build(tmp_path / "bundles")


def test_an_interpreter_that_does_not_run_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python9.9"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert find_interpreter("9.9") is None


def test_a_missing_interpreter_is_said_in_the_output_of_the_synthesis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack(new_app(bundling=True), "Any")
    monkeypatch.setattr("stacks.constructs.function_bundle.find_interpreter", lambda _python: None)
    monkeypatch.setattr(Bundle, "build", lambda _bundle: tmp_path)

    function_bundle(stack, "jobs", DEV)

    [told] = [entry.data for entry in stack.node.metadata if entry.type == "aws:cdk:info"]
    assert "no Python 3.13 on this machine" in str(told)


def _without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave uv out: what is installed is not what these tests are about."""

    def installed(bundle: Bundle, into: Path) -> None:
        for service in bundle.service_models():
            if service != "simple-mail":
                (into / "botocore" / "data" / service).mkdir(parents=True)
        (into / "botocore" / "data").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(Bundle, "_install_packages", installed)


def _no_run(doing: str, *_args: object, **_kwargs: object) -> None:
    raise AssertionError(f"{doing} again")
