"""The parts of profiles: each set up once, and found again."""

import pytest

from functions.onboarding.profile_table import ProfileTable
from functions.onboarding.profiles import Part
from tests.functions.question_items import KeyedTable


@pytest.fixture
def profiles(account_items: KeyedTable) -> ProfileTable:
    return ProfileTable(account_items.client, account_items.name)


def documents(account_items: KeyedTable) -> list[str]:
    return [item["document"]["S"] for item in account_items.items()]


def test_what_is_set_up_is_found(profiles: ProfileTable, account_items: KeyedTable) -> None:
    profiles.set_preferences("account-1", {"theme": "dark"})
    profiles.set_welcome_content("account-1", ("first_steps",))

    assert profiles.parts("account-1") == {Part.PREFERENCES, Part.WELCOME_CONTENT}
    assert sorted(documents(account_items)) == ['["first_steps"]', '{"theme":"dark"}']


def test_a_profile_that_nobody_set_up_has_no_parts(profiles: ProfileTable) -> None:
    profiles.set_preferences("account-2", {})

    assert profiles.parts("account-1") == frozenset()


def test_nothing_wanted_is_set_up_too(profiles: ProfileTable) -> None:
    profiles.set_notifications("account-1", {})

    assert profiles.parts("account-1") == {Part.NOTIFICATIONS}


def test_a_part_that_is_set_up_stays_as_it_is(
    profiles: ProfileTable, account_items: KeyedTable
) -> None:
    """A repeated call must not undo what its owner has changed since."""
    profiles.set_preferences("account-1", {"theme": "dark"})

    profiles.set_preferences("account-1", {"theme": "light"})

    assert documents(account_items) == ['{"theme":"dark"}']


def test_the_account_itself_is_no_part_of_its_profile(
    profiles: ProfileTable, account_items: KeyedTable
) -> None:
    account_items.client.put_item(
        TableName=account_items.name,
        Item={"pk": {"S": "ACCOUNT#account-1"}, "sk": {"S": "ACCOUNT"}},
    )

    assert profiles.parts("account-1") == frozenset()
