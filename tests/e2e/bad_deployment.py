"""A deployment gone wrong: a version of `send-email` that raises when it is imported."""

from functions.shared import names
from tests.e2e.deployed_jobs import DeployedJobs


class BadDeployment:
    """Does by hand what a deployment does: a new version, and the alias on it."""

    def __init__(self, deployed: DeployedJobs) -> None:
        self._lambda = deployed.lambda_
        self._function = deployed.function_name
        self._log = deployed.state / "ministack.log"
        self._good_version: str = self._lambda.get_alias(
            FunctionName=self._function, Name=names.LIVE_ALIAS
        )["FunctionVersion"]

    def deploy_without(self, variable: str) -> None:
        """Publish a version that lacks *variable*, and make it the live one."""
        variables = self._variables()
        self._publish({name: text for name, text in variables.items() if name != variable})
        version = self._lambda.publish_version(FunctionName=self._function)["Version"]
        # As it was, for versions to come; the published one keeps what it was made with.
        self._publish(variables)
        self._point_at(version)

    def roll_back(self) -> None:
        """Make the version live that was live before."""
        self._point_at(self._good_version)

    def crashes(self) -> int:
        """How often a process of the function has died at its import."""
        log = self._log.read_text(encoding="utf-8")
        return sum(
            "Worker init failed" in line and self._function in line for line in log.splitlines()
        )

    def _variables(self) -> dict[str, str]:
        configuration = self._lambda.get_function_configuration(FunctionName=self._function)
        variables: dict[str, str] = configuration["Environment"]["Variables"]
        return variables

    def _publish(self, variables: dict[str, str]) -> None:
        self._lambda.update_function_configuration(
            FunctionName=self._function, Environment={"Variables": variables}
        )

    def _point_at(self, version: str) -> None:
        self._lambda.update_alias(
            FunctionName=self._function, Name=names.LIVE_ALIAS, FunctionVersion=version
        )
