"""A variable that is missing is a failure at start."""

from datetime import timedelta

import pytest

from functions.onboarding import account_service, welcome_mail
from functions.shared import names

MAIL = {
    names.MAIL_FROM: "jobs@example.com",
    names.MAIL_CONFIGURATION_SET: "mail-events",
    names.MAIL_DOUBT_SECONDS: "2",
}


def test_the_account_table_must_be_named() -> None:
    with pytest.raises(KeyError, match=names.ACCOUNT_TABLE_NAME):
        account_service.Settings.from_environ({})


def test_what_mails_need_is_read() -> None:
    settings = welcome_mail.Settings.from_environ(MAIL)

    assert settings == welcome_mail.Settings(
        "jobs@example.com", "mail-events", timedelta(seconds=2)
    )


@pytest.mark.parametrize("missing", MAIL)
def test_what_mails_need_must_be_there(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        welcome_mail.Settings.from_environ({name: MAIL[name] for name in MAIL if name != missing})
