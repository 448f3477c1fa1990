"""Registrations to onboard."""

from typing import Any

from functions.onboarding.registration import Registration

EMAIL = "ann@example.com"


def any_payload(**fields: Any) -> dict[str, Any]:
    """Ann wants an account, and says what she likes."""
    return {
        "email": EMAIL,
        "name": "Ann Example",
        "preferences": {"theme": "dark", "items_per_page": 50},
        "notifications": {"news": False, "job_failed": True},
        "interests": ["analytics", "knitting"],
    } | fields


def any_registration(**fields: Any) -> Registration:
    return Registration.from_payload(any_payload(**fields))
