"""An HTTP API of products with pages and a rate limit, which also takes records.

Below `/_local/product-api/<name>`, as many of them as anybody names. Each is as its settings say
(`PUT /_local/product-api/<name>`), and tells what it has seen (`GET` of the same).
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Self

from aiohttp import web

from local.products import Products

ROOT = "/_local/product-api/{name}"
KEY_HEADER = "Idempotency-Key"
# How it tells where the next page is: RFC 8288, or a cursor in the body.
STYLES = ("link", "cursor")
# How it tells that there were too many calls: when they are refused, or with the last that is not.
LIMITS = ("retry-after", "reset")


class SettingsError(ValueError):
    """The settings are none; the message names the member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """How one API behaves; *calls* per *per_seconds* of the platform's time, 0: any number."""

    products: int = 1_000
    refused_every: int = 100
    page: int = 250
    style: str = "link"
    calls: int = 0
    per_seconds: float = 5
    limit: str = "retry-after"
    # Every so many-th POST of records is answered with a server error after it was taken.
    lost_every: int = 0
    # Records whose `id` ends so are refused; "": none.
    refuses: str = ""
    # The bearer token that every call must have; "": anybody may call.
    token: str = ""

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Read settings; what is not named is as it is by default.

        Raises:
            SettingsError: There is no such setting, or no such value.
        """
        defaults = cls()
        if not isinstance(document, dict):
            raise SettingsError("give an object of settings")
        for name, value in document.items():
            known = {member.name for member in fields(cls)}
            if name not in known:
                raise SettingsError(f"{name} is none of {', '.join(sorted(known))}")
            kind = type(getattr(defaults, name))
            if not isinstance(value, kind) and not (kind is float and isinstance(value, int)):
                raise SettingsError(f"{name} must be of type {kind.__name__}")
        for name, allowed in (("style", STYLES), ("limit", LIMITS)):
            if document.get(name, allowed[0]) not in allowed:
                raise SettingsError(f"{name} must be {' or '.join(allowed)}")
        return cls(**document)


@dataclass(slots=True)
class _Api:
    """One API: its settings, and what it has seen."""

    settings: ApiSettings = field(default_factory=ApiSettings)
    pages_served: int = 0
    throttled: int = 0
    posts: int = 0
    repeated: int = 0
    records: Counter[str] = field(default_factory=Counter)
    known_keys: set[str] = field(default_factory=set)
    window_ends: datetime | None = None
    calls_in_window: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "pages_served": self.pages_served,
            "throttled": self.throttled,
            "posts": self.posts,
            "repeated": self.repeated,
            "records": self.records.total(),
            "records_taken_twice": sum(times > 1 for times in self.records.values()),
        }


class ProductApi:
    """All the APIs of a platform, by name."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._apis: dict[str, _Api] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put(ROOT, self._configure),
            web.get(ROOT, self._tell),
            web.get(ROOT + "/products", self._products),
            web.get(ROOT + "/records", self._list_records),
            web.post(ROOT + "/records", self._take),
        ]

    async def _configure(self, request: web.Request) -> web.Response:
        """Settle how an API behaves from now on; it forgets what it has seen."""
        try:
            settings = ApiSettings.from_json(await request.json())
        except ValueError as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))
        self._apis[request.match_info["name"]] = _Api(settings)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _tell(self, request: web.Request) -> web.Response:
        return web.json_response(self._api(request).as_json())

    async def _products(self, request: web.Request) -> web.Response:
        """One page of products."""
        api = self._api(request)
        settings = api.settings
        if not _may_call(settings, request):
            return _error(HTTPStatus.UNAUTHORIZED, "who are you?")
        headers = self._rate(api)
        if headers is None:
            return self._refuse(api)
        try:
            first = int(request.query.get("cursor", "0"))
        except ValueError:
            return _error(HTTPStatus.BAD_REQUEST, "cursor is none that this API gave")
        api.pages_served += 1
        after = first + settings.page
        items = list(Products(settings.products, settings.refused_every).records(first, after))
        has_next = after < settings.products
        if settings.style == "cursor":
            following = str(after) if has_next else None
            return web.json_response({"items": items, "next": following}, headers=headers)
        if has_next:
            headers["Link"] = f'<{request.path}?cursor={after}>; rel="next"'
        return web.json_response(items, headers=headers)

    async def _take(self, request: web.Request) -> web.Response:
        """Take `{"records": [{"key", "record"}]}`: a record of a key that is known is not new."""
        api = self._api(request)
        if not _may_call(api.settings, request):
            return _error(HTTPStatus.UNAUTHORIZED, "who are you?")
        headers = self._rate(api)
        if headers is None:
            return self._refuse(api)
        given = _records(await request.read())
        if given is None or KEY_HEADER not in request.headers:
            return _error(
                HTTPStatus.BAD_REQUEST, f"give records with keys and ids, and {KEY_HEADER}"
            )
        api.posts += 1
        refuses = api.settings.refuses
        if refuses and any(record_id.endswith(refuses) for record_id in given.values()):
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, "a record is not to my liking")
        new = given.keys() - api.known_keys
        api.repeated += len(given) - len(new)
        api.known_keys |= new
        api.records.update(given[key] for key in new)
        lost_every = api.settings.lost_every
        if lost_every and api.posts % lost_every == 0:
            return _error(HTTPStatus.BAD_GATEWAY, "taken, but who would know")
        return web.json_response({"taken": len(new)}, headers=headers)

    async def _list_records(self, request: web.Request) -> web.Response:
        """How often each record was taken, by its id."""
        return web.json_response(self._api(request).records)

    def _api(self, request: web.Request) -> _Api:
        return self._apis.setdefault(request.match_info["name"], _Api())

    def _rate(self, api: _Api) -> dict[str, str] | None:
        """What the answer says of the rate limit; None where the call is over it."""
        settings, now = api.settings, self._now()
        if not settings.calls:
            return {}
        if api.window_ends is None or now >= api.window_ends:
            api.window_ends = now + timedelta(seconds=settings.per_seconds)
            api.calls_in_window = 0
        api.calls_in_window += 1
        if api.calls_in_window > settings.calls:
            return None
        if settings.limit == "retry-after":
            return {}
        remaining = settings.calls - api.calls_in_window
        return {
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(self._seconds_left(api)),
        }

    def _refuse(self, api: _Api) -> web.Response:
        api.throttled += 1
        answer = _error(HTTPStatus.TOO_MANY_REQUESTS, "too many calls")
        answer.headers["Retry-After"] = str(self._seconds_left(api))
        return answer

    def _seconds_left(self, api: _Api) -> int:
        """Until more calls are allowed, rounded up."""
        if api.window_ends is None:
            return 0
        return max(1, -(-(api.window_ends - self._now()) // timedelta(seconds=1)))


def _may_call(settings: ApiSettings, request: web.Request) -> bool:
    given = request.headers.get("Authorization")
    return not settings.token or given == f"Bearer {settings.token}"


def _records(body: bytes) -> dict[str, str] | None:
    """The ids of the records of a request by their keys; None where they have none."""
    try:
        entries: Any = json.loads(body)["records"]
        given = {entry["key"]: entry["record"]["id"] for entry in entries}
    except (ValueError, TypeError, KeyError):
        return None
    is_text = all(isinstance(text, str) for pair in given.items() for text in pair)
    return given if is_text else None


def _error(status: HTTPStatus, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
