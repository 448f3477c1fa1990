"""The HTTP endpoints that operators let jobs read from or call, and the tokens for them.

A payload names an endpoint and never an address: nobody who may submit a job can have the function
call the inside of a network. What an endpoint is for is written down with it: one to read from is
never sent a record, whoever asks for it. Tokens stay in memory for minutes and are in no log and no
error.
"""

import ipaddress
import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from functions.shared.aws_errors import is_transient
from functions.shared.error_name import error_name
from functions.shared.errors import PermanentError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

# On DEBUG these write addresses and answers, the secret's among them.
for noisy in ("urllib3", "botocore.parsers", "botocore.endpoint"):
    logging.getLogger(noisy).setLevel(logging.INFO)

# What was changed or rotated is used after this at the latest.
KEPT_SECONDS = 300.0

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_FIELDS = frozenset({"url", "for", "secret"})
# What may stand in a header or an address.
_VISIBLE = re.compile(r"[!-~]{1,4096}")
_EXAMPLE = '{"url": "https://api.example.com", "for": "source"}'


class Purpose(StrEnum):
    """What operators let jobs do with an endpoint."""

    SOURCE = "source"
    CALL = "call"


class UnknownEndpointError(PermanentError):
    """No operator has added an endpoint of this name."""


class EndpointUnfitError(PermanentError):
    """What operators wrote down about the endpoint cannot be used."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, what it is for, and where its token is."""

    name: str
    url: str
    purpose: Purpose
    secret: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        return origin_of(self.url)

    def check(self, wanted: Purpose) -> None:
        """Let it be used so.

        Raises:
            EndpointUnfitError: It is for something else.
        """
        if self.purpose is not wanted:
            raise EndpointUnfitError(
                f"endpoint {self.name!r} is for '{self.purpose}' and not for '{wanted}': name "
                "another one, or have an operator add one for that"
            )


class Endpoints:
    """Finds endpoints by name; each is looked up once in a few minutes."""

    def __init__(
        self,
        path: str,
        ssm: Callable[[], "SSMClient"],
        secrets: Callable[[], "SecretsManagerClient"],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember whom to ask.

        Args:
            path: Where the parameters are, without a slash at its end.
            ssm: Gives the client; called with the first endpoint that is looked for.
            secrets: Likewise, with the first token.
            clock: Seconds since whenever.
        """
        self._path = path
        self._ssm = ssm
        self._secrets = secrets
        self._clock = clock
        self._kept: dict[str, tuple[float, Endpoint]] = {}
        self._tokens: dict[str, tuple[float, str]] = {}

    def find(self, name: str) -> Endpoint:
        """The endpoint of *name*.

        Raises:
            UnknownEndpointError: There is none.
            EndpointUnfitError: Its parameter does not hold one.
        """
        if not _NAME.fullmatch(name):
            raise UnknownEndpointError(
                "endpoint must be a name of lower-case letters, digits and hyphens, 40 at most"
            )
        read_at, endpoint = self._kept.get(name, (0.0, None))
        if endpoint is None or self._clock() - read_at > KEPT_SECONDS:
            endpoint = _parsed(name, self._parameter(name))
            self._kept[name] = self._clock(), endpoint
        return endpoint

    def token(self, endpoint: Endpoint, *, is_refused: bool = False) -> str | None:
        """The bearer token, where *endpoint* has one; read anew where the last *is_refused*.

        Raises:
            EndpointUnfitError: The secret cannot be read, or holds no token.
        """
        if endpoint.secret is None:
            return None
        read_at, token = self._tokens.get(endpoint.secret, (0.0, None))
        if token is None or is_refused or self._clock() - read_at > KEPT_SECONDS:
            token = self._read_token(endpoint, endpoint.secret)
            self._tokens[endpoint.secret] = self._clock(), token
        return token

    def _parameter(self, name: str) -> str:
        parameter = f"{self._path}/{name}"
        client = self._ssm()
        try:
            return client.get_parameter(Name=parameter)["Parameter"]["Value"]
        except client.exceptions.ParameterNotFound:
            raise UnknownEndpointError(
                f"no endpoint {name!r} is known here; an operator adds it with: aws ssm "
                f"put-parameter --type String --name {parameter} --value '{_EXAMPLE}'"
            ) from None

    def _read_token(self, endpoint: Endpoint, secret: str) -> str:
        try:
            answer = self._secrets().get_secret_value(SecretId=secret)
        except ClientError as error:
            if is_transient(error):
                raise
            raise EndpointUnfitError(
                f"the secret of endpoint {endpoint.name!r} is not readable: {error_name(error)}"
            ) from None
        token = answer.get("SecretString", "").strip()
        if not _VISIBLE.fullmatch(token):
            raise EndpointUnfitError(
                f"the secret of endpoint {endpoint.name!r} must be the bearer token and no more"
            )
        return token


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what a token may be sent to.

    Raises:
        ValueError: *url* has no such thing.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("no address of HTTP")
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, parts.port or default


def _parsed(name: str, text: str) -> Endpoint:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not fields.keys() <= _FIELDS:
        raise EndpointUnfitError(
            f"the parameter of endpoint {name!r} must be JSON with url, for, and secret where it"
            f" needs a token, such as {_EXAMPLE}"
        )
    purpose = fields.get("for")
    if purpose not in list(Purpose):
        raise EndpointUnfitError(
            f"for of endpoint {name!r} must be {Purpose.SOURCE} (jobs read from it) or"
            f" {Purpose.CALL} (jobs send records to it), such as in {_EXAMPLE}"
        )
    secret = fields.get("secret")
    if secret is not None and not (isinstance(secret, str) and secret):
        raise EndpointUnfitError(f"secret of endpoint {name!r} must be the name of a secret")
    return Endpoint(name, _checked_url(name, fields.get("url")), Purpose(purpose), secret)


def _checked_url(name: str, value: Any) -> str:
    url = value if isinstance(value, str) and _VISIBLE.fullmatch(value) else ""
    try:
        scheme, host, _ = origin_of(url)
        parts = urlsplit(url)
    except ValueError:
        raise EndpointUnfitError(f"url of endpoint {name!r} must be an https address") from None
    if scheme != "https" and not _is_loopback(host):
        raise EndpointUnfitError(f"url of endpoint {name!r} must begin with https://")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise EndpointUnfitError(
            f"url of endpoint {name!r} must have no password, no query and no fragment"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
