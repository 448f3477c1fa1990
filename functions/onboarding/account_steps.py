"""What an onboarding does to the account, as durable steps."""

from collections.abc import Callable
from uuid import uuid4

from aws_durable_execution_sdk_python import StepContext
from aws_durable_execution_sdk_python.config import StepConfig

from functions.onboarding import account_service
from functions.onboarding.accounts import Account
from functions.onboarding.registration import Registration
from functions.shared.question_table import now
from functions.shared.records import RecordSerDes
from functions.shared.retries import BRIEFLY, PATIENTLY
from functions.shared.start_event import JobRun
from functions.shared.submission import submission_of

_ACCOUNT = RecordSerDes(Account)
CREATING = StepConfig(retry_strategy=BRIEFLY, serdes=_ACCOUNT)
# The person has done their part, and only the record of it is missing.
VERIFYING = StepConfig(retry_strategy=PATIENTLY, serdes=_ACCOUNT)
COMPLETING = StepConfig(retry_strategy=PATIENTLY, serdes=_ACCOUNT)


def create_account(registration: Registration, run: JobRun) -> Callable[[StepContext], Account]:
    def create(_step: StepContext) -> Account:
        # Repeated, the step finds the account under the id that its first try gave it.
        account = account_service.accounts.open(registration.email, str(uuid4()), now())
        return account.seen_by(submission_of(run.job_id)) if account.is_verified else account

    return create


def mark_verified(
    account: Account, owner: Registration, run: JobRun
) -> Callable[[StepContext], Account]:
    def verify(_step: StepContext) -> Account:
        submission = submission_of(run.job_id)
        return account_service.accounts.verify(account.account_id, owner, submission, now())

    return verify


def complete_account(account: Account) -> Callable[[StepContext], Account]:
    def complete(_step: StepContext) -> Account:
        return account_service.accounts.complete(account.account_id, now())

    return complete
