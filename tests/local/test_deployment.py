"""The real CDK command line deploys to the platform, as it does to an account."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from local import deployment as deployment_of_local
from local.deployment import CDK, Deployment, DeploymentError
from local.platform import Platform
from local.platform_file import PROJECT

FIXTURE = Path(__file__).parent / "fixture_app"

pytestmark = [
    pytest.mark.platform,
    pytest.mark.skipif(not CDK.exists(), reason="needs `make setup`"),
]


async def test_a_durable_function_deployed_by_the_cdk_runs(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    app = tmp_path / "app"
    app.mkdir()
    shutil.copy(FIXTURE / "cdk.json", app)
    deployment = Deployment(platform.endpoint, app=app, output=tmp_path / "deployment")

    await deployment.bootstrap()
    await deployment.deploy("tested")

    def invoke() -> tuple[str, bytes]:
        cloudformation = platform.endpoint.client("cloudformation")
        [stack] = cloudformation.describe_stacks(StackName="Fixture-tested")["Stacks"]
        [alias] = [output["OutputValue"] for output in stack["Outputs"]]
        answer = platform.endpoint.client("lambda").invoke(
            FunctionName=alias, Payload=b'{"steps": 2}'
        )
        return answer["DurableExecutionArn"], answer["Payload"].read()

    arn, result = await asyncio.to_thread(invoke)
    assert ":1/durable-execution/" in arn
    assert json.loads(result) == {"done": 2}


async def test_a_deployment_that_fails_says_what_the_cdk_said(
    platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / "cdk.json").write_text(json.dumps({"app": "echo this app is broken >&2; false"}))
    deployment = Deployment(platform.endpoint, app=tmp_path, output=tmp_path / "deployment")

    with pytest.raises(DeploymentError, match=r"(?s)^`cdk deploy` did.*app is broken"):
        await deployment.deploy()

    assert "this app is broken" in (tmp_path / "deployment" / "cdk.log").read_text()


async def test_a_missing_cdk_is_told_with_the_command_that_installs_it(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment_of_local, "CDK", tmp_path / "missing")

    with pytest.raises(DeploymentError, match="run `make setup`"):
        await Deployment(platform.endpoint, output=tmp_path).deploy()
