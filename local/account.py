"""What a newcomer's AWS account would already have: a sender of mail, a secret, an endpoint."""

import json

from functions.shared import names
from local.endpoint import Endpoint

# The same name and address as the `local` stage expects (`stacks/stages.py`).
SLACK_SECRET_NAME = "durable-jobs/local/slack-webhook"  # noqa: S105  # a name, not the secret
MAIL_FROM = "jobs@example.com"
STAGE = "local"
# The HTTP API that payloads may name, and only by this name.
PRODUCT_API = "products"


def furnish(ministack: Endpoint, *, slack_webhook: str, product_api: str) -> None:
    """Do what README.md asks an operator to do by hand before the first deployment."""
    ses = ministack.client("sesv2")
    ses.create_email_identity(EmailIdentity=MAIL_FROM)
    # A new account's SES is in the sandbox: only verified addresses and those of the
    # mailbox simulator get mail, all others are declined.
    ses.put_account_details(
        MailType="TRANSACTIONAL",
        WebsiteURL="https://example.com",
        ProductionAccessEnabled=False,
    )
    ministack.client("secretsmanager").create_secret(
        Name=SLACK_SECRET_NAME, SecretString=slack_webhook
    )
    register_endpoint(ministack, PRODUCT_API, product_api, purpose="source")


def register_endpoint(
    there: Endpoint, name: str, url: str, *, purpose: str, token: str | None = None
) -> None:
    """Let jobs read from *url* ("source") or send records to it ("call") under *name*.

    It may want a bearer token.
    """
    endpoint = {"url": url, "for": purpose}
    if token is not None:
        endpoint["secret"] = f"{names.endpoints_path(STAGE).removeprefix('/')}/{name}"
        there.client("secretsmanager").create_secret(Name=endpoint["secret"], SecretString=token)
    there.client("ssm").put_parameter(
        Name=f"{names.endpoints_path(STAGE)}/{name}",
        Type="String",
        Value=json.dumps(endpoint),
        Overwrite=True,
    )
