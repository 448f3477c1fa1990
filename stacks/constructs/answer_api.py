"""The one door from the internet: where the links lead."""

import json

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.stages import Stage

# People who answer, and the scanners of their mails, are few; who asks more often guesses.
REQUESTS_PER_SECOND = 50
REQUESTS_AT_ONCE = 100

# Never the path, the query or a header: who has a link can answer.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
_LOGGED = {
    "requestId": "$context.requestId",
    "requestTime": "$context.requestTime",
    "sourceIp": "$context.identity.sourceIp",
    "httpMethod": "$context.httpMethod",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
    "integrationError": "$context.integrationErrorMessage",
}


class AnswerApi(Construct):
    """An HTTP API with one route, throttled, whose log cannot be used to answer."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, page: lambda_.IFunction
    ) -> None:
        """Provision the API.

        Args:
            scope: The parent.
            construct_id: Its id there.
            stage: What differs between deployments.
            page: The alias of the function that answers every request.
        """
        super().__init__(scope, construct_id)
        self._api = apigateway.HttpApi(
            self,
            "Api",
            description=f"Where people answer what durable jobs ask them ({stage.name})",
            # CDK's own default stage has neither throttles nor a log.
            create_default_stage=False,
        )
        self._api.add_routes(
            path="/q/{token}",
            # The page itself knows which methods there are, and what to answer to the others.
            methods=[apigateway.HttpMethod.ANY],
            integration=integrations.HttpLambdaIntegration("Page", page),
        )
        log = logs.LogGroup(
            self, "AccessLog", retention=stage.log_retention, removal_policy=stage.removal_policy
        )
        # The resource itself: CDK's `HttpStage` takes the log's settings as an interface that
        # no class of CDK's implements.
        apigateway.CfnStage(
            self,
            "Stage",
            api_id=self._api.api_id,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=log.log_group_arn, format=json.dumps(_LOGGED)
            ),
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=REQUESTS_PER_SECOND,
                throttling_burst_limit=REQUESTS_AT_ONCE,
            ),
        )

    @property
    def url(self) -> str:
        """Where links begin; without a slash at its end."""
        return self._api.api_endpoint

    def metric(self, name: str, *, statistic: str, period: Duration) -> cloudwatch.Metric:
        """A metric of the API."""
        return self._api.metric(name, statistic=statistic, period=period)
