"""A CDK app of one durable function, deployed by the test of the deployment."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns

from local.ministack import INSIDE
from tests.local.deployment_template import DEPLOYED, PACKAGES

app = cdk.App()
stack = cdk.Stack(app, f"Fixture-{app.node.get_context('stage')}")
dead_letters = sns.Topic(stack, "DeadLetters")
function = lambda_.Function(
    stack,
    "Steps",
    code=lambda_.Code.from_asset(str(Path(DEPLOYED))),
    handler="durable.steps",
    runtime=lambda_.Runtime.PYTHON_3_13,
    durable_config=lambda_.DurableConfig(
        execution_timeout=cdk.Duration.minutes(5), retention_period=cdk.Duration.days(1)
    ),
    dead_letter_topic=dead_letters,
    environment={"PYTHONPATH": f"{INSIDE}:{PACKAGES}"},
)
cdk.CfnOutput(stack, "Alias", value=function.add_alias("live").function_arn)
app.synth()
