"""The role of one function, and the log group that is all it may write to by default."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.stages import Stage


class ExecutionRole(Construct):
    """A role that may write to its own log group and nothing else.

    The roles CDK makes by itself carry AWS's managed policies, which allow log writing (and,
    for a durable function, checkpoints) on every resource of the account.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            retention=stage.log_retention,
            removal_policy=stage.removal_policy,
        )
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.log_group.grant_write(self.role)
