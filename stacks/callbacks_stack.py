"""The way to the people whom jobs ask, and the one door through which their answers come back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from functions.shared import names
from stacks.alerts_stack import AlertsStack
from stacks.constructs.alert_topic import AlertTopic
from stacks.constructs.answer_api import AnswerApi
from stacks.constructs.function_bundle import function_bundle
from stacks.constructs.link_keys import LinkKeys
from stacks.constructs.mail_channel import MailChannel
from stacks.constructs.plain_function import PlainFunction
from stacks.constructs.service_table import ServiceTable
from stacks.jobs_stack import JobsStack
from stacks.stages import Stage

# The table holds the ledger of mails too, which nobody needs to hear of.
_OF_A_QUESTION = {"sk": {"S": lambda_.FilterRule.begins_with("QUESTION#")}}
_IS_OPEN = {"status": {"S": lambda_.FilterRule.is_equal("open")}}
_IS_DECIDED = {"status": {"S": lambda_.FilterRule.is_equal("decided")}}
_WAS_NOT_DECIDED = {"status": {"S": lambda_.FilterRule.not_equals("decided")}}
_HAS_HEARTBEAT = {"heartbeat_at": {"S": lambda_.FilterRule.exists()}}

# Everything but that it was forgotten: the inviter works out itself what must be told by now.
_ASKED_OR_CHANGED: list[Any] = [
    lambda_.FilterCriteria.filter(
        {
            "eventName": lambda_.FilterRule.or_("INSERT", "MODIFY"),
            "dynamodb": {"Keys": _OF_A_QUESTION},
        }
    )
]
# A filter cannot compare two images: which of the open ones have a new sign of life, the resumer
# sees itself.
_DECIDED_OR_ALIVE: list[Any] = [
    lambda_.FilterCriteria.filter(
        {
            "eventName": lambda_.FilterRule.is_equal("MODIFY"),
            "dynamodb": {
                "Keys": _OF_A_QUESTION,
                "NewImage": _IS_DECIDED,
                "OldImage": _WAS_NOT_DECIDED,
            },
        }
    ),
    lambda_.FilterCriteria.filter(
        {
            "eventName": lambda_.FilterRule.is_equal("MODIFY"),
            "dynamodb": {"Keys": _OF_A_QUESTION, "NewImage": {**_IS_OPEN, **_HAS_HEARTBEAT}},
        }
    ),
]

# A question is read, and written over on the condition that nobody was quicker.
_USE_QUESTIONS = ("dynamodb:GetItem", "dynamodb:PutItem")
# A mail is declared before it is sent, and confirmed after.
_KEEP_LEDGER = ("dynamodb:PutItem", "dynamodb:UpdateItem")


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What every job type that asks people is joined to, whichever stack it is in."""

    questions: ServiceTable
    resumer: PlainFunction
    mails: MailChannel

    def environment(self) -> dict[str, str]:
        """What a job that asks people reads."""
        return {names.QUESTION_TABLE_NAME: self.questions.name}

    def grant_ask(self, role: iam.IRole) -> None:
        """Allow asking, reminding and closing questions."""
        self.questions.grant(role, *_USE_QUESTIONS)

    def grant_send_once(self, role: iam.IRole) -> None:
        """Allow sending mails by the ledger, which makes each go out once."""
        self.mails.grant_send(role)
        self.questions.grant(role, *_KEEP_LEDGER)


class CallbacksStack(Stack):
    """The questions, who tells people of them, and who brings the answers back.

    The record of a question decides what was answered; everything else follows its changes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        alerts: AlertsStack,
        jobs: JobsStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._stage = stage
        self._bundle = function_bundle(self, "callbacks", stage)
        self.questions = ServiceTable(
            self, "Questions", stage=stage, has_stream=True, time_to_live="expires_at"
        )
        self.mails = MailChannel(self, "Mails", stage=stage)
        self._link_keys = LinkKeys(self, "LinkKeys", stage=stage)

        self.answer_page = self._answer_page(jobs)
        self.api = AnswerApi(self, "Answers", stage=stage, page=self.answer_page.alias)
        self.inviter = self._inviter(alerts, jobs)
        self.resumer = self._resumer(alerts)
        self.mail_feedback = self._mail_feedback(alerts)

        self.platform = Callbacks(self.questions, self.resumer, self.mails)
        self._publish_table()
        self._let_operators_answer()
        CfnOutput(self, "AnswerUrl", value=self.api.url)
        CfnOutput(self, "QuestionTableName", value=self.questions.name)

    def _answer_page(self, jobs: JobsStack) -> PlainFunction:
        """What the links open. It changes the record and can resume nothing itself."""
        page = self._function(
            "AnswerPage",
            "answer-page",
            # Within the 30 seconds that the API waits.
            timeout=Duration.seconds(25),
            # People wait for it; memory buys the time that its first page takes.
            memory_mib=1024,
            environment={
                names.STAGE: self._stage.name,
                names.QUESTION_TABLE_NAME: self.questions.name,
                names.JOB_TABLE_NAME: jobs.table.table.table_name,
                names.LINK_KEYS: self._link_keys.as_environment(),
            },
        )
        self.questions.grant(page.role, *_USE_QUESTIONS)
        # Strangers reach it: what jobs were given and what came of them is not for this function.
        jobs.table.grant_look_at_status(page.role)
        self._link_keys.grant_verify(page.role)
        return page

    def _inviter(self, alerts: AlertsStack, jobs: JobsStack) -> PlainFunction:
        """What tells people of a question, by mail and in the channel, once each."""
        inviter = self._function(
            "Inviter",
            "inviter",
            timeout=Duration.minutes(2),
            environment={
                names.STAGE: self._stage.name,
                names.QUESTION_TABLE_NAME: self.questions.name,
                names.JOB_TABLE_NAME: jobs.table.table.table_name,
                names.LINK_KEYS: self._link_keys.as_environment(),
                names.LINK_BASE_URL: self.api.url,
                names.REQUEST_TOPIC_ARN: alerts.requests.topic.topic_arn,
                names.DEAD_LETTER_TOPIC_ARN: alerts.dead_letters.topic.topic_arn,
                **self.mails.environment(),
            },
        )
        # A query finds the mails that a job's people have had.
        self.questions.grant(inviter.role, *_USE_QUESTIONS, *_KEEP_LEDGER, "dynamodb:Query")
        jobs.table.grant_look_at_status(inviter.role)
        self._link_keys.grant_sign(inviter.role)
        # No link is signed by a new key before the page knows that key.
        inviter.alias.node.add_dependency(self.answer_page.alias)
        self.mails.grant_send(inviter.role)
        alerts.requests.grant_publish(inviter.role)
        self._follow_questions(inviter, _ASKED_OR_CHANGED, alerts.dead_letters, batch_size=10)
        return inviter

    def _resumer(self, alerts: AlertsStack) -> PlainFunction:
        """What wakes a job; each stack whose jobs ask people lets it wake those."""
        resumer = self._function(
            "Resumer",
            "resumer",
            timeout=Duration.minutes(1),
            environment={names.DEAD_LETTER_TOPIC_ARN: alerts.dead_letters.topic.topic_arn},
        )
        self._follow_questions(resumer, _DECIDED_OR_ALIVE, alerts.dead_letters, batch_size=100)
        return resumer

    def _mail_feedback(self, alerts: AlertsStack) -> PlainFunction:
        """What hears that a mail has left, has bounced, or was complained of."""
        feedback = self._function(
            "MailFeedback",
            "mail-feedback",
            timeout=Duration.minutes(1),
            environment={names.QUESTION_TABLE_NAME: self.questions.name},
            dead_letters=alerts.dead_letters,
        )
        self.questions.grant(feedback.role, *_USE_QUESTIONS, "dynamodb:UpdateItem")
        self.mails.tell(feedback.alias)
        return feedback

    def _follow_questions(
        self,
        function: PlainFunction,
        filters: Sequence[Any],
        dead_letters: AlertTopic,
        *,
        batch_size: int,
    ) -> None:
        """Bring a function the changes of questions, those of one in their order."""
        dead_letters.grant_publish(function.role)
        function.alias.add_event_source(
            event_sources.DynamoEventSource(
                self.questions.table,
                # A question asked while the mapping is being made reaches people all the same.
                starting_position=lambda_.StartingPosition.TRIM_HORIZON,
                filters=filters,
                batch_size=batch_size,
                # A mail that waits to be sure must not keep everybody else waiting.
                parallelization_factor=10,
                bisect_batch_on_error=True,
                report_batch_item_failures=True,
                retry_attempts=-1,
                # As long as the stream itself keeps a change. People may have 30 days to answer,
                # and a job waits until it is woken: late is better than never.
                max_record_age=Duration.hours(24),
                on_failure=event_sources.SnsDlq(dead_letters.topic),
            )
        )

    def _publish_table(self) -> None:
        """Let `jobctl` find the questions."""
        ssm.StringParameter(
            self,
            "QuestionTable",
            parameter_name=names.question_table_parameter(self._stage.name),
            string_value=self.questions.name,
        )

    def _let_operators_answer(self) -> None:
        """What a person needs to look at questions and to answer them without a link."""
        operators = iam.ManagedPolicy(
            self, "OperatorPolicy", description="Look at what jobs ask people, and answer for them"
        )
        self.questions.grant(operators, *_USE_QUESTIONS, "dynamodb:Query")
        operators.add_statements(
            iam.PolicyStatement(
                actions=["ssm:GetParameter"],
                resources=[
                    self.format_arn(
                        service="ssm",
                        resource="parameter",
                        resource_name=names.question_table_parameter(self._stage.name).removeprefix(
                            "/"
                        ),
                    )
                ],
            )
        )
        CfnOutput(self, "OperatorPolicyArn", value=operators.managed_policy_arn)

    def _function(
        self,
        construct_id: str,
        name: str,
        *,
        timeout: Duration,
        environment: dict[str, str],
        memory_mib: int = 512,
        dead_letters: AlertTopic | None = None,
    ) -> PlainFunction:
        return PlainFunction(
            self,
            construct_id,
            stage=self._stage,
            name=name,
            bundle=self._bundle,
            timeout=timeout,
            memory_mib=memory_mib,
            environment=environment,
            dead_letters=dead_letters,
        )
