"""The job type `user-onboarding`: an account for somebody who shows that its address is theirs."""

from aws_durable_execution_sdk_python import DurableContext

from functions.onboarding.account_steps import (
    COMPLETING,
    CREATING,
    VERIFYING,
    complete_account,
    create_account,
    mark_verified,
)
from functions.onboarding.outcome import AlreadyOnboarded, NotOnboarded, Onboarded
from functions.onboarding.profile_setup import FINDING, find_missing, set_up_profile
from functions.onboarding.profiles import Part
from functions.onboarding.registration import Registration
from functions.onboarding.verification import verification_of
from functions.onboarding.welcome_mail import welcome
from functions.shared.asking import ask
from functions.shared.durable_job import durable_job, job_run


@durable_job
def handler(
    registration: Registration, context: DurableContext
) -> Onboarded | AlreadyOnboarded | NotOnboarded:
    """Have the address verified, set up what the person wants, welcome them, and open the door."""
    run = job_run(context)
    account = context.step(
        create_account(registration, run), name="create-account", config=CREATING
    )
    if account.is_complete:
        return AlreadyOnboarded.as_of(account)

    if account.is_verified:
        # By the mail of an earlier attempt at this job; another job's owner is asked again.
        missing = context.step(find_missing(account), name="find-missing-parts", config=FINDING)
    else:
        decision = ask(verification_of(registration), context)
        if decision is None or not decision.is_yes:
            return NotOnboarded.because(decision, account)
        account = context.step(
            mark_verified(account, registration, run), name="mark-verified", config=VERIFYING
        )
        if account.is_complete:
            # Another job for the same address was verified too, and quicker.
            return AlreadyOnboarded.as_of(account)
        missing = list(Part)

    profile = set_up_profile(account, registration, missing, context)
    welcome(account, registration, profile, context)
    profile.require_complete()

    account = context.step(complete_account(account), name="complete-account", config=COMPLETING)
    return Onboarded.as_of(account)
