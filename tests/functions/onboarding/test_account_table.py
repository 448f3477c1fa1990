"""One account for each address, whoever asks for it, how often, and how many at once."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from functions.onboarding.account_table import AccountTable
from functions.onboarding.accounts import (
    Account,
    AccountNotOpenError,
    AccountNotVerifiedError,
)
from tests.functions.onboarding.registrations import EMAIL, any_registration
from tests.functions.question_items import KeyedTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AT = datetime(2026, 1, 31, 9, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
JOB = "onboarding-1 of 2026-01-31T09:00:00Z"
OTHER_JOB = "onboarding-2 of 2026-01-31T09:00:00Z"


@pytest.fixture
def accounts(account_items: KeyedTable) -> AccountTable:
    return AccountTable(account_items.client, account_items.name)


class Turns:
    """Lets threads make their calls in one given order."""

    def __init__(self, order: tuple[str, ...]) -> None:
        self._left = list(order)
        self._changed = threading.Condition()

    def take(self, who: str, call: Callable[[], Any]) -> Any:
        with self._changed:
            assert self._changed.wait_for(lambda: self._left[:1] == [who], 10)
            try:
                return call()
            finally:
                self._left.pop(0)
                self._changed.notify_all()


class ClientInTurn:
    """One of several clients of a table."""

    def __init__(self, client: "DynamoDBClient", who: str, turns: Turns) -> None:
        self._client = client
        self._who = who
        self._turns = turns
        self.exceptions = client.exceptions

    def put_item(self, **request: Any) -> Any:
        return self._turns.take(self._who, lambda: self._client.put_item(**request))


def test_an_address_has_the_account_that_was_opened_first(accounts: AccountTable) -> None:
    first = accounts.open(EMAIL, "account-1", AT)
    second = accounts.open(EMAIL, "account-2", LATER)

    assert first == second == Account("account-1")


def test_two_addresses_have_two_accounts(accounts: AccountTable) -> None:
    accounts.open(EMAIL, "account-1", AT)

    assert accounts.open("bob@example.com", "account-2", AT) == Account("account-2")


# Opening is two writes; every order of the writes of two jobs.
ORDERS = sorted(set(permutations("AABB")))


@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_two_jobs_for_one_address_at_once_get_one_account(
    account_items: KeyedTable, order: tuple[str, ...]
) -> None:
    turns = Turns(order)
    opened: dict[str, Account] = {}

    def open_as(who: str) -> None:
        client: Any = ClientInTurn(account_items.client, who, turns)
        opened[who] = AccountTable(client, account_items.name).open(EMAIL, f"account-{who}", AT)

    threads = [threading.Thread(target=open_as, args=(who,)) for who in "AB"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ORDERS) == 6
    assert opened["A"] == opened["B"] == Account(f"account-{order[0]}")
    assert len(account_items.items()) == 2


def test_who_died_between_the_two_writes_is_made_up_for(account_items: KeyedTable) -> None:
    class DiesError(BaseException):
        pass

    class Dying:
        exceptions = account_items.client.exceptions
        calls = 0

        def put_item(self, **request: Any) -> Any:
            self.calls += 1
            if self.calls > 1:
                raise DiesError
            return account_items.client.put_item(**request)

    client: Any = Dying()
    with pytest.raises(DiesError):
        AccountTable(client, account_items.name).open(EMAIL, "account-1", AT)
    accounts = AccountTable(account_items.client, account_items.name)

    account = accounts.open(EMAIL, "account-2", LATER)

    assert account == Account("account-1")
    assert accounts.verify("account-1", any_registration(), JOB, LATER).is_verified


def test_an_account_is_verified_and_completed_once(accounts: AccountTable) -> None:
    accounts.open(EMAIL, "account-1", AT)

    accounts.verify("account-1", any_registration(), JOB, AT)
    verified = accounts.verify(
        "account-1", any_registration(name="Somebody else"), OTHER_JOB, LATER
    )
    accounts.complete("account-1", AT)
    completed = accounts.complete("account-1", LATER)

    assert verified == Account("account-1", AT, verified_by=OTHER_JOB)
    assert completed == Account("account-1", AT, AT, OTHER_JOB)
    assert accounts.open(EMAIL, "account-2", LATER) == completed


def test_what_is_known_of_the_owner_is_what_the_first_verification_said(
    accounts: AccountTable, account_items: KeyedTable
) -> None:
    accounts.open(EMAIL, "account-1", AT)

    accounts.verify("account-1", any_registration(language="ja"), JOB, AT)
    accounts.verify("account-1", any_registration(name="Somebody else"), OTHER_JOB, LATER)

    [record] = [item for item in account_items.items() if "email" in item]
    assert record["name"] == {"S": "Ann Example"}
    assert record["language"] == {"S": "ja"}


def test_an_account_is_verified_to_the_job_whose_mail_was_answered_and_complete_to_all() -> None:
    verified = Account("account-1", AT, verified_by=JOB)
    complete = Account("account-1", AT, LATER, JOB)

    assert verified.seen_by(JOB) == verified
    assert verified.seen_by(OTHER_JOB) == Account("account-1")
    assert complete.seen_by(OTHER_JOB) == complete


def test_an_account_that_is_not_verified_is_not_completed(accounts: AccountTable) -> None:
    accounts.open(EMAIL, "account-1", AT)

    with pytest.raises(AccountNotVerifiedError):
        accounts.complete("account-1", AT)
    with pytest.raises(AccountNotVerifiedError):
        accounts.complete("account-2", AT)


def test_an_account_that_was_never_opened_is_not_verified(
    accounts: AccountTable, account_items: KeyedTable
) -> None:
    with pytest.raises(AccountNotOpenError):
        accounts.verify("account-1", any_registration(), JOB, AT)

    assert account_items.items() == []


def test_no_key_tells_an_address(accounts: AccountTable, account_items: KeyedTable) -> None:
    accounts.open(EMAIL, "account-1", AT)
    accounts.verify("account-1", any_registration(), JOB, AT)

    keys = json.dumps([[item["pk"], item["sk"]] for item in account_items.items()])
    assert "ann" not in keys
    assert "example.com" not in keys


@pytest.mark.parametrize(
    "account",
    [Account("account-1"), Account("account-1", AT), Account("account-1", AT, LATER, JOB)],
)
def test_an_account_is_kept_in_a_checkpoint_as_it_is(account: Account) -> None:
    assert Account.from_event(json.loads(json.dumps(account.to_event()))) == account
