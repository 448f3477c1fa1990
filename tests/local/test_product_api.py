"""The API of products: pages, a rate limit by the platform's clock, and records taken once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from local.product_api import KEY_HEADER, ProductApi
from local.products import Products

Client = TestClient[web.Request, web.Application]
API = "/_local/product-api/any"
PRODUCTS, RECORDS = f"{API}/products", f"{API}/records"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 31, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(clock: Clock) -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes(ProductApi(clock.now).routes())
    async with TestClient(TestServer(application)) as client:
        yield client


async def settle(client: Client, **settings: Any) -> int:
    async with client.put(API, json=settings) as answer:
        return answer.status


async def post(client: Client, ids: list[str], run: str = "run") -> int:
    records = [{"key": f"{run}-{record_id}", "record": {"id": record_id}} for record_id in ids]
    headers = {KEY_HEADER: "any"}
    async with client.post(RECORDS, json={"records": records}, headers=headers) as answer:
        return answer.status


async def seen(client: Client) -> dict[str, Any]:
    async with client.get(API) as answer:
        told: dict[str, Any] = await answer.json()
        return told


async def test_links_lead_from_page_to_page_to_the_last_product(client: Client) -> None:
    await settle(client, products=601, page=250)
    found: list[Any] = []
    following: str | None = PRODUCTS

    while following is not None:
        async with client.get(following) as answer:
            found += await answer.json()
            link = answer.links.get("next")
            following = URL(str(link["url"])).path_qs if link else None

    assert found == list(Products(601).records())
    assert (await seen(client))["pages_served"] == 3


async def test_cursors_lead_from_page_to_page_to_the_last_product(client: Client) -> None:
    await settle(client, products=500, page=250, style="cursor")
    found: list[Any] = []
    cursor: str | None = "0"

    while cursor is not None:
        async with client.get(PRODUCTS, params={"cursor": cursor}) as answer:
            page = await answer.json()
            found += page["items"]
            cursor = page["next"]

    assert found == list(Products(500).records())


async def test_calls_over_the_limit_are_refused_until_the_time_is_over(
    client: Client, clock: Clock
) -> None:
    await settle(client, calls=2, per_seconds=30)
    statuses = []

    for after in (0, 1, 2, 28):
        clock.time += timedelta(seconds=after)
        async with client.get(PRODUCTS) as answer:
            statuses.append((answer.status, answer.headers.get("Retry-After")))

    assert statuses == [(200, None), (200, None), (429, "27"), (200, None)]
    assert (await seen(client))["throttled"] == 1


async def test_an_api_that_counts_down_says_with_the_last_call_when_there_are_more(
    client: Client,
) -> None:
    await settle(client, calls=2, per_seconds=30, limit="reset")
    told = []

    for _ in range(2):
        async with client.get(PRODUCTS) as answer:
            told.append(
                (answer.headers["X-RateLimit-Remaining"], answer.headers["X-RateLimit-Reset"])
            )

    assert told == [("1", "30"), ("0", "30")]


async def test_a_record_is_taken_once_for_each_key(client: Client) -> None:
    await post(client, ["a", "b"])
    await post(client, ["b", "c"])

    told = await seen(client)

    assert (told["posts"], told["repeated"]) == (2, 1)
    assert (told["records"], told["records_taken_twice"]) == (3, 0)


async def test_a_record_that_comes_under_another_key_is_taken_twice(client: Client) -> None:
    await post(client, ["a", "b"], run="one")
    await post(client, ["b"], run="another")

    assert (await seen(client))["records_taken_twice"] == 1


async def test_a_lost_answer_is_of_records_that_were_taken(client: Client) -> None:
    await settle(client, lost_every=2)

    statuses = [await post(client, [record_id]) for record_id in ("a", "b", "b")]

    assert statuses == [HTTPStatus.OK, HTTPStatus.BAD_GATEWAY, HTTPStatus.OK]
    assert (await seen(client))["records"] == 2


async def test_a_batch_with_a_record_that_is_refused_is_not_taken(client: Client) -> None:
    await settle(client, refuses="9")

    assert await post(client, ["18", "19"]) == HTTPStatus.UNPROCESSABLE_ENTITY
    assert (await seen(client))["records"] == 0


async def test_an_api_with_a_token_knows_who_has_it(client: Client) -> None:
    await settle(client, token="open-sesame")  # noqa: S106  # no secret

    async with client.get(PRODUCTS) as refused:
        pass
    async with client.get(PRODUCTS, headers={"Authorization": "Bearer open-sesame"}) as let_in:
        pass

    assert (refused.status, let_in.status) == (HTTPStatus.UNAUTHORIZED, HTTPStatus.OK)
    assert await post(client, ["a"]) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"pages": 1}, "pages"),
        ({"page": "1"}, "page"),
        ({"style": "xml"}, "style"),
        ({"limit": "soft"}, "limit"),
    ],
)
async def test_settings_that_are_none_are_refused_by_name(
    client: Client, settings: dict[str, Any], named: str
) -> None:
    async with client.put(API, json=settings) as answer:
        told = await answer.json()

    assert answer.status == HTTPStatus.BAD_REQUEST
    assert told["error"].startswith(named)


async def test_each_name_is_an_api_of_its_own(client: Client) -> None:
    await post(client, ["a"])

    async with client.get("/_local/product-api/other") as answer:
        assert (await answer.json())["records"] == 0
