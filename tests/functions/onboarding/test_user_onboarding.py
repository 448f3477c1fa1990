"""Onboardings from the registration to the welcome, and everything that comes in between."""

import json
from collections import Counter
from datetime import timedelta
from itertools import chain, combinations
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.onboarding import account_service
from functions.shared.errors import PermanentError
from functions.shared.mail_sender import (
    MailRejectedError,
    MailThrottledError,
    MailUnconfirmedError,
)
from functions.shared.question import (
    Answer,
    Kind,
    Language,
    Question,
    QuestionRef,
    QuestionStatus,
    Reception,
    answer,
)
from tests.functions.callback_clock import Move, answers, hours, is_unreachable
from tests.functions.executions import Ended
from tests.functions.onboarding.onboarding_jobs import (
    AFTER_REMINDER,
    AT_ONCE,
    DOUBT,
    JOB,
    TIMED_OUT,
    VERIFIED,
    OnboardingJobs,
    all_operations,
)
from tests.functions.onboarding.registrations import any_registration
from tests.functions.question_items import ASKED_AT, any_act

NOMINAL_CALLS = {
    "open": 1,
    "ask": 1,
    "verify": 1,
    "set_preferences": 1,
    "set_notifications": 1,
    "set_welcome_content": 1,
    "complete": 1,
}
# The methods that set up the parts of a profile, and the words for each part in the mail.
PARTS = {"preferences": "theme: dark", "notifications": "news: off", "welcome_content": "Data: "}
SUBSETS = list(chain.from_iterable(combinations(PARTS, number) for number in range(4)))


class ProfileServiceError(PermanentError):
    """The service of profiles does not do it."""


def throttled() -> ClientError:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "PutItem")


def refuse(jobs: OnboardingJobs, *parts: str) -> None:
    for part in parts:
        jobs.profiles.outcomes[f"set_{part}"] = [ProfileServiceError("no")]


def test_somebody_who_verifies_is_onboarded_by_13_operations(jobs: OnboardingJobs) -> None:
    """The execution itself is one; the wait is two, and the parallel four."""
    ended = jobs.run(VERIFIED)

    assert ended.value == {
        "outcome": "onboarding_complete",
        "account_id": jobs.kept["ACCOUNT"]["account_id"],
        "completed_at": "2026-01-31T10:00:00+00:00",
    }
    assert json.loads(jobs.row()["result"]) == ended.value
    assert all_operations(ended) == sorted(AT_ONCE)
    assert 1 + len(AT_ONCE) == 13


def test_each_call_is_made_once_though_the_wait_replays_what_came_before(
    jobs: OnboardingJobs,
) -> None:
    ended = jobs.run(VERIFIED)

    # Without a second invocation nothing was replayed, and the rest would prove nothing.
    assert ended.invocations == 2
    assert jobs.calls == NOMINAL_CALLS
    assert jobs.mail.to == ("ann@example.com",)


def test_what_the_person_wants_is_kept_under_an_account_of_their_own(jobs: OnboardingJobs) -> None:
    jobs.run(VERIFIED)

    kept = jobs.kept
    account_id = kept["ACCOUNT"]["account_id"]
    assert kept == {
        "EMAIL": {"account_id": account_id},
        "ACCOUNT": {
            "account_id": account_id,
            "opened_at": "2026-01-31T09:00:00.000Z",
            "verified_at": "2026-01-31T10:00:00.000Z",
            "verified_by": f"{JOB} of {jobs.row()['created_at']}",
            "completed_at": "2026-01-31T10:00:00.000Z",
            "email": "ann@example.com",
            "name": "Ann Example",
            "language": "en",
        },
        "PROFILE#preferences": {"document": '{"theme":"dark","items_per_page":50}'},
        "PROFILE#notifications": {"document": '{"news":false,"job_failed":true}'},
        "PROFILE#welcome_content": {"document": '["first_steps","data"]'},
    }


def test_one_person_is_asked_whether_the_address_is_theirs(jobs: OnboardingJobs) -> None:
    jobs.run(VERIFIED, language="ja", verify_within_minutes=90)

    question = jobs.questions.read(QuestionRef(JOB, 1, "verification"))
    assert question.kind is Kind.VERIFICATION
    assert question.until - question.asked_at == timedelta(minutes=90)
    assert not question.in_channel
    assert [(each.address, each.name, each.language) for each in question.people] == [
        ("ann@example.com", "Ann Example", Language.JAPANESE)
    ]


def test_somebody_who_verifies_after_the_reminder_costs_two_operations_more(
    jobs: OnboardingJobs,
) -> None:
    ended = jobs.run(answers("p1", Answer.VERIFY, after=hours(30)))

    assert ended.value["outcome"] == "onboarding_complete"
    assert all_operations(ended) == sorted(AFTER_REMINDER)
    assert ended.invocations == 3
    assert jobs.calls == NOMINAL_CALLS | {"change": 1}
    assert len(jobs.post_office.sent) == 1


def test_somebody_who_never_verifies_ends_as_an_outcome_and_no_failure(
    jobs: OnboardingJobs,
) -> None:
    ended = jobs.run()

    account_id = jobs.kept["ACCOUNT"]["account_id"]
    assert ended.value == {"outcome": "verification_timeout", "account_id": account_id}
    assert jobs.row()["status"] == "completed"
    assert all_operations(ended) == sorted(TIMED_OUT)
    assert jobs.questions.read(QuestionRef(JOB, 1, "verification")).status is QuestionStatus.EXPIRED
    assert jobs.post_office.sent == []


def test_an_account_that_nobody_verified_holds_nothing_about_a_person(
    jobs: OnboardingJobs,
) -> None:
    jobs.run()

    assert jobs.kept.keys() == {"EMAIL", "ACCOUNT"}
    assert jobs.kept["ACCOUNT"].keys() == {"account_id", "opened_at"}
    assert "ann" not in json.dumps(jobs.account_items.items())


def test_two_people_get_two_accounts(jobs: OnboardingJobs) -> None:
    ann = jobs.run()
    bob = jobs.run(job_id="onboarding-2", email="bob@example.com")

    assert ann.value["account_id"] != bob.value["account_id"]


def test_a_later_job_goes_on_with_an_account_that_nobody_verified(jobs: OnboardingJobs) -> None:
    before = jobs.run().value["account_id"]

    ended = jobs.run(VERIFIED, job_id="onboarding-2", email="ANN@example.com", name="Ann Other")

    assert ended.value["outcome"] == "onboarding_complete"
    assert ended.value["account_id"] == before
    assert jobs.kept["ACCOUNT"]["name"] == "Ann Other"


@pytest.mark.parametrize("code", ["mail_bounced", "mail_complained", "mail_rejected"])
@pytest.mark.parametrize("when", [hours(0.01), hours(30)], ids=["first mail", "reminder"])
def test_a_mail_that_reaches_nobody_ends_the_wait_with_an_outcome_of_its_own(
    jobs: OnboardingJobs, code: str, when: timedelta
) -> None:
    ended = jobs.run(is_unreachable("p1", code, after=when))

    assert ended.value == {"outcome": code, "account_id": jobs.kept["ACCOUNT"]["account_id"]}
    assert jobs.row()["status"] == "completed"
    assert jobs.clock.now() == ASKED_AT + when
    assert jobs.post_office.sent == []
    assert "verified_at" not in jobs.kept["ACCOUNT"]


def test_somebody_who_is_onboarded_gets_no_mail_and_no_question(jobs: OnboardingJobs) -> None:
    first = jobs.run(VERIFIED)
    jobs.forget_calls()

    again = jobs.run(job_id="onboarding-2", email="Ann@Example.com")

    assert again.value == first.value | {"outcome": "already_onboarded"}
    assert all_operations(again) == ["claim", "create-account", "record-completed"]
    assert jobs.calls == {"open": 1}
    assert len(jobs.post_office.sent) == 1
    assert jobs.questions.of_job("onboarding-2") == []


def test_of_two_jobs_for_one_address_the_slower_finds_that_all_is_done(
    jobs: OnboardingJobs,
) -> None:
    """Both have asked; the other job's mail is answered first."""

    def other_job_is_quicker(question: Question, at: Any) -> tuple[Question, Reception]:
        account = account_service.accounts.open("ann@example.com", "another", at)
        account_service.accounts.verify(account.account_id, any_registration(), "another job", at)
        account_service.accounts.complete(account.account_id, at)
        return answer(question, "p1", Answer.VERIFY, any_act(at=at))

    ended = jobs.run(Move(after=hours(1), how=other_job_is_quicker))

    assert ended.value["outcome"] == "already_onboarded"
    assert "set-up-profile" not in all_operations(ended)
    assert jobs.post_office.sent == []


@pytest.mark.parametrize("part", PARTS)
def test_a_branch_that_stumbles_is_repeated_alone(jobs: OnboardingJobs, part: str) -> None:
    jobs.profiles.outcomes[f"set_{part}"] = [throttled(), throttled()]

    ended = jobs.run(VERIFIED)

    assert ended.value["outcome"] == "onboarding_complete"
    assert jobs.calls == NOMINAL_CALLS | {f"set_{part}": 3}
    assert len(jobs.kept) == 5
    assert PARTS[part] in jobs.mail.text


def test_a_branch_is_given_up_after_six_tries(jobs: OnboardingJobs) -> None:
    jobs.profiles.outcomes["set_preferences"] = [throttled()] * 10

    jobs.run(VERIFIED)

    assert jobs.calls["set_preferences"] == 6
    assert jobs.row()["error"]["message"].startswith("not done: preferences (throttling); ")


@pytest.mark.parametrize("failing", SUBSETS, ids="+".join)
def test_whichever_branches_fail_the_others_are_done_and_welcomed_and_the_failure_is_told(
    jobs: OnboardingJobs, failing: tuple[str, ...]
) -> None:
    refuse(jobs, *failing)

    ended = jobs.run(VERIFIED)

    done = [part for part in PARTS if part not in failing]
    assert {key for key in jobs.kept if key.startswith("PROFILE#")} == {
        f"PROFILE#{part}" for part in done
    }
    assert [part for part, words in PARTS.items() if words in jobs.mail.text] == done
    assert jobs.calls == (
        NOMINAL_CALLS if done == [*PARTS] else _without(NOMINAL_CALLS, "complete")
    )
    if not failing:
        assert ended.value["outcome"] == "onboarding_complete"
        return
    error = jobs.row()["error"]
    assert error["type"] == "profile_incomplete"
    assert error["message"] == (
        f"not done: {', '.join(f'{part} (profile_service)' for part in failing)}; "
        "a retry does only what is missing"
    )
    assert "completed_at" not in jobs.kept["ACCOUNT"]


@pytest.mark.parametrize("failing", SUBSETS[1:], ids="+".join)
def test_a_retry_does_only_what_is_missing_and_mails_nobody_again(
    jobs: OnboardingJobs, failing: tuple[str, ...]
) -> None:
    refuse(jobs, *failing)
    jobs.run(VERIFIED)
    jobs.forget_calls()

    ended = jobs.retry()

    assert ended.value["outcome"] == "onboarding_complete"
    assert jobs.calls == {"open": 1, "parts": 1, "complete": 1} | {
        f"set_{part}": 1 for part in failing
    }
    assert len(jobs.kept) == 5
    assert len(jobs.post_office.sent) == 1
    assert [question.ref.attempt for question in jobs.questions.of_job(JOB)] == [1]
    assert all_operations(ended) == sorted(
        [
            "claim",
            "create-account",
            "find-missing-parts",
            "set-up-profile",
            *(f"set-{part}".replace("_", "-") for part in failing),
            "send-welcome-mail",
            "complete-account",
            "record-completed",
        ]
    )


def test_where_only_the_end_was_missing_a_retry_sets_nothing_up(jobs: OnboardingJobs) -> None:
    jobs.accounts.outcomes["complete"] = [ProfileServiceError("no")]
    jobs.run(VERIFIED)
    jobs.forget_calls()

    ended = jobs.retry()

    assert ended.value["outcome"] == "onboarding_complete"
    assert jobs.calls == {"open": 1, "parts": 1, "complete": 1}
    assert "set-up-profile" not in all_operations(ended)


def test_another_job_may_finish_what_one_left_undone_once_the_owner_agrees(
    jobs: OnboardingJobs,
) -> None:
    refuse(jobs, "notifications")
    jobs.run(VERIFIED)

    ended = jobs.run(VERIFIED, job_id="onboarding-2")

    assert ended.value["outcome"] == "onboarding_complete"
    assert len(jobs.questions.of_job("onboarding-2")) == 1
    assert len(jobs.kept) == 5


def test_a_verified_account_is_not_taken_over_by_a_job_that_its_owner_does_not_know(
    jobs: OnboardingJobs,
) -> None:
    refuse(jobs, "notifications")
    jobs.run(VERIFIED)
    before = jobs.kept

    ended = jobs.run(job_id="onboarding-2", name="Mallory", notifications={"news": True})

    assert ended.value["outcome"] == "verification_timeout"
    assert jobs.kept == before
    assert len(jobs.post_office.sent) == 1


def test_a_retry_of_the_job_that_took_over_asks_nobody_again(jobs: OnboardingJobs) -> None:
    refuse(jobs, "notifications")
    jobs.run(VERIFIED)
    refuse(jobs, "notifications")
    jobs.run(VERIFIED, job_id="onboarding-2")

    ended = jobs.retry(job_id="onboarding-2")

    assert ended.value["outcome"] == "onboarding_complete"
    assert len(jobs.questions.of_job("onboarding-2")) == 1


def submit_again(jobs: OnboardingJobs, *people: Move, **payload: Any) -> Ended:
    """Another job of the same id, long after the row of the first one was forgotten."""
    jobs.rows.clear()
    jobs.forget_questions()
    return jobs.run(*people, created_at="2026-06-30T09:00:00.000Z", **payload)


def test_the_next_job_of_an_id_does_not_speak_for_whom_the_first_one_verified(
    jobs: OnboardingJobs,
) -> None:
    refuse(jobs, "notifications")
    jobs.run(VERIFIED)

    ended = submit_again(jobs)

    assert ended.value["outcome"] == "verification_timeout"


def test_the_next_job_of_an_id_welcomes_its_own_person(jobs: OnboardingJobs) -> None:
    """The ledger of mails remembers longer than the row."""
    jobs.run(VERIFIED)

    ended = submit_again(jobs, VERIFIED, email="bob@example.com")

    assert ended.value["outcome"] == "onboarding_complete"
    assert [mail.to for mail in jobs.post_office.sent] == [
        ("ann@example.com",),
        ("bob@example.com",),
    ]


def test_a_mail_that_waits_for_the_sending_rate_is_sent_once(jobs: OnboardingJobs) -> None:
    jobs.post_office.outcomes = [MailThrottledError("slow down")]

    ended = jobs.run(VERIFIED)

    assert ended.retries["send-welcome-mail"] == 1
    assert len(jobs.post_office.sent) == 1


def test_a_mail_in_doubt_is_sent_again_only_after_its_time(jobs: OnboardingJobs) -> None:
    """SES did not answer, and tells of no mail: it has none."""
    jobs.post_office.outcomes = [MailUnconfirmedError("no answer")]

    ended = jobs.run(VERIFIED)

    # Twice it was too early, by half of the doubt each.
    assert ended.retries["send-welcome-mail"] == 3
    assert jobs.ledger.waited == DOUBT
    assert len(jobs.post_office.sent) == 1


def test_a_welcome_that_is_refused_fails_the_job_and_a_retry_sends_it(
    jobs: OnboardingJobs,
) -> None:
    jobs.post_office.outcomes = [MailRejectedError("no such domain")]

    failed = jobs.run(VERIFIED)
    error = jobs.row()["error"]
    ended = jobs.retry()

    assert not failed.succeeded
    assert (error["type"], error["step"]) == ("mail_rejected", "send-welcome-mail")
    assert ended.value["outcome"] == "onboarding_complete"
    # All of it was there before the retry, and it is mentioned.
    assert all(words in jobs.mail.text for words in PARTS.values())


def test_a_welcome_that_is_refused_does_not_hide_a_branch_that_failed(
    jobs: OnboardingJobs,
) -> None:
    refuse(jobs, "preferences")
    jobs.post_office.outcomes = [MailRejectedError("no such domain")]

    jobs.run(VERIFIED)

    error = jobs.row()["error"]
    assert error["type"] == "profile_incomplete"
    assert error["message"].startswith(
        "not done: preferences (profile_service), the welcome mail (mail_rejected); "
    )


def test_an_account_that_cannot_be_made_now_is_made_a_little_later(jobs: OnboardingJobs) -> None:
    jobs.accounts.outcomes["open"] = [throttled()]

    ended = jobs.run(VERIFIED)

    assert ended.value["outcome"] == "onboarding_complete"
    assert ended.retries["create-account"] == 1


def test_a_payload_that_is_no_registration_touches_nothing(jobs: OnboardingJobs) -> None:
    jobs.run(email="ann")

    assert jobs.row()["error"]["type"] == "malformed_payload"
    assert jobs.calls == Counter()
    assert jobs.kept == {}


def _without(calls: dict[str, int], method: str) -> dict[str, int]:
    return {name: number for name, number in calls.items() if name != method}
