"""Who keeps accounts and profiles; to plug in a service of your own, change the last lines."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from functions.onboarding.account_table import AccountTable
from functions.onboarding.accounts import Accounts
from functions.onboarding.profile_table import ProfileTable
from functions.onboarding.profiles import Profiles
from functions.shared import names
from functions.shared.durable_job import dynamodb


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    table_name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(table_name=environ[names.ACCOUNT_TABLE_NAME])


settings = Settings.from_environ(os.environ)
accounts: Accounts = AccountTable(dynamodb, settings.table_name)
profiles: Profiles = ProfileTable(dynamodb, settings.table_name)
