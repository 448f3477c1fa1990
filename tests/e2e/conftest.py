"""What the end-to-end tests share: one platform with the real stacks on it, deployed once.

Tests keep apart by job ids. What a test changes for everybody (a fault, Slack's mood) it puts back.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.data_jobs import BATCH, PIPELINE
from local.deployment import Deployment
from local.documents import Documents
from local.endpoint import Endpoint
from local.platform import PlatformSettings, running_platform
from local.platform_file import PROJECT
from local.products import Products
from local.shop import Shop
from tests.e2e.data_runs import DataRuns
from tests.e2e.deployed_jobs import APPROVAL, ONBOARDING, ORDER_TYPES, DeployedJobs, Faults
from tests.privileges.calls import Call


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedJobs]:
    """The stacks of the `local` stage, deployed by the real CDK command line."""
    state: Path = tmp_path_factory.mktemp("end-to-end")
    with running_platform(PlatformSettings(state=state)) as platform:
        asyncio.run(_deploy(platform.endpoint, state))
        Shop(platform.endpoint).open()
        yield DeployedJobs(platform.endpoint, state)


async def _deploy(endpoint: Endpoint, state: Path) -> None:
    deployment = Deployment(endpoint, output=state / "deployment")
    await deployment.bootstrap()
    await deployment.deploy()


@pytest.fixture(scope="session")
def endpoint(deployed: DeployedJobs) -> Endpoint:
    return deployed.endpoint


@pytest.fixture(scope="session", autouse=True)
def abandoned(deployed: DeployedJobs) -> str:
    """A `direct` job whose producer dies before it invokes.

    Made before all others, because the watchdog comes by once a minute.
    """
    producer = [sys.executable, "-m", "tests.e2e.dying_producer", deployed.endpoint.url]
    subprocess.run([*producer, "abandoned", "direct"], cwd=PROJECT, check=False, timeout=120)
    return "abandoned"


@pytest.fixture(scope="session", autouse=True)
def abandoned_orders(deployed: DeployedJobs) -> dict[str, str]:
    """The same for each type of order: job ids by type."""
    job_ids = {job_type: f"abandoned-{job_type}" for job_type in ORDER_TYPES}
    for job_type, job_id in job_ids.items():
        # Of what no other test counts.
        deployed.submit_order(job_type, job_id, sku="pot", dispatch="direct")
    return job_ids


@pytest.fixture(scope="session", autouse=True)
def abandoned_questions(deployed: DeployedJobs) -> dict[str, str]:
    """The same for each type that asks people: job ids by type."""
    deployed.submit_document("abandoned-approval", dispatch="direct")
    deployed.submit_newcomer("abandoned-onboarding", local_part="bounce", dispatch="direct")
    return {APPROVAL: "abandoned-approval", ONBOARDING: "abandoned-onboarding"}


@pytest.fixture(scope="session", autouse=True)
def abandoned_data(deployed: DeployedJobs) -> dict[str, str]:
    """The same for each type that works on datasets: job ids by type."""
    runs = DataRuns(deployed)
    key = runs.put(Products(1_000, refused_every=0), "abandoned.jsonl")
    runs.submit_batch("abandoned-batch", key, dispatch="direct")
    runs.submit_pipeline("abandoned-pipeline", key, {"dataset": "abandoned"}, dispatch="direct")
    return {BATCH: "abandoned-batch", PIPELINE: "abandoned-pipeline"}


@pytest.fixture
def documents(deployed: DeployedJobs) -> Documents:
    return Documents(deployed.endpoint)


@pytest.fixture
def runs(deployed: DeployedJobs) -> DataRuns:
    return DataRuns(deployed)


@pytest.fixture
def faults(deployed: DeployedJobs) -> Iterator[Faults]:
    """Faults that end with the test."""
    faults = Faults(deployed)
    yield faults
    faults.clear()


@pytest.fixture(scope="session")
def recorded_calls(deployed: DeployedJobs) -> list[Call]:
    """Every AWS call that a function made before this fixture was first asked for."""
    # Asking for the latest calls writes out the file, which has them all.
    deployed.control("GET", "calls")
    lines = (deployed.state / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    calls = [json.loads(line) for line in lines]
    return [
        Call(call["app"], call["service"], call["operation"], call["resources"])
        for call in calls
        if call["app"] is not None
    ]


@pytest.fixture(autouse=True)
def _how_long(request: pytest.FixtureRequest) -> Iterator[None]:
    """Show how long each soak took: its closing lines are worth quoting."""
    started = time.monotonic()
    yield
    if request.node.get_closest_marker("soak"):
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"  {request.node.name}: {time.monotonic() - started:.0f} s")
