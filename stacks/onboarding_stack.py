"""New users, from the first mail to the welcome."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from functions.shared import names
from stacks.callbacks_stack import Callbacks
from stacks.constructs.durable_job import DurableJob
from stacks.constructs.function_bundle import function_bundle
from stacks.constructs.service_table import ServiceTable
from stacks.jobs_stack import JobsStack
from stacks.stages import Stage

# A user may be given 7 days to verify the address; a day is left for what comes after.
RUN_TIMEOUT = Duration.days(8)


class OnboardingStack(Stack):
    """The accounts, and `user-onboarding`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        jobs: JobsStack,
        callbacks: Callbacks,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.accounts = ServiceTable(self, "Accounts", stage=stage)
        operators = iam.ManagedPolicy(
            self, "OperatorPolicy", description="Look at onboardings of users and stop them"
        )
        self.user_onboarding = DurableJob(
            self,
            "UserOnboarding",
            stage=stage,
            job_type="user-onboarding",
            bundle=function_bundle(self, "onboarding", stage),
            platform=jobs.platform,
            operators=operators,
            run_timeout=RUN_TIMEOUT,
            environment={
                names.ACCOUNT_TABLE_NAME: self.accounts.name,
                **callbacks.environment(),
                **callbacks.mails.environment(),
            },
            resumer=callbacks.resumer,
        )
        role = self.user_onboarding.role
        # A query finds the parts of a profile; the account itself is what its writes return.
        self.accounts.grant(role, "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query")
        callbacks.grant_ask(role)
        callbacks.grant_send_once(role)
        self.job_types = [self.user_onboarding]
        CfnOutput(self, "OperatorPolicyArn", value=operators.managed_policy_arn)
        CfnOutput(self, "AccountTableName", value=self.accounts.name)
