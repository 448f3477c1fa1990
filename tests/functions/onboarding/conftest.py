"""The account table, and onboardings that use it."""

from collections.abc import Iterator

import pytest

from functions.onboarding import account_service
from tests.functions.job_table_rows import Rows
from tests.functions.onboarding.onboarding_jobs import OnboardingJobs
from tests.functions.question_items import KeyedTable


@pytest.fixture(scope="module")
def _account_table(job_table: Rows) -> KeyedTable:
    return KeyedTable.create(job_table.client, account_service.settings.table_name)


@pytest.fixture
def account_items(_account_table: KeyedTable) -> Iterator[KeyedTable]:
    """The account table, empty."""
    yield _account_table
    _account_table.clear()


@pytest.fixture
def jobs(
    rows: Rows,
    question_items: KeyedTable,
    account_items: KeyedTable,
    monkeypatch: pytest.MonkeyPatch,
) -> OnboardingJobs:
    return OnboardingJobs(rows, question_items, account_items, monkeypatch)
