"""Every page in a real browser: axe-core's rules, the policy, a phone, the keyboard."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize

from functions.callbacks.page_html import HEADERS
from functions.shared.question import Language
from tests.browser import browser as browser  # noqa: PLC0414  # a fixture of this module too
from tests.browser import violations
from tests.functions.callbacks.pages import every_page

ADDRESS = "https://links.example.com/q/any"
SMALL_PHONE: ViewportSize = {"width": 320, "height": 568}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}

# The style is the same in both languages: each page is looked at once in each of its colors.
COLORS: dict[Language, Literal["light", "dark"]] = {
    Language.ENGLISH: "light",
    Language.JAPANESE: "dark",
}

# Pages by their address, as the browser asks for them.
Shown = dict[str, str]

PAGES = [
    pytest.param(body, COLORS[language], id=f"{language}: {name}")
    for language in Language
    for name, body in every_page(language).items()
]


@pytest.fixture(scope="module")
def shown() -> Shown:
    return {}


@pytest.fixture(scope="module")
def tab(browser: Browser, shown: Shown) -> Iterator[Page]:
    """A tab to which every address answers with the page shown, under the page's own headers."""
    # axe is put into the page by the browser's own means, which the policy must not hinder.
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()

    def serve(route: Route) -> None:
        route.fulfill(status=200, headers=dict(HEADERS), body=shown["body"])

    page.route("**/*", serve)
    yield page
    context.close()


def open_page(tab: Page, shown: Shown, body: str) -> None:
    shown["body"] = body
    tab.goto(ADDRESS)


@pytest.mark.parametrize(("body", "colors"), PAGES)
def test_a_page_breaks_no_rule_and_fits_a_small_phone(
    tab: Page, shown: Shown, body: str, colors: Literal["light", "dark"]
) -> None:
    tab.set_viewport_size(SMALL_PHONE)
    tab.emulate_media(color_scheme=colors)
    open_page(tab, shown, body)
    # What is folded must be as good as the rest.
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= SMALL_PHONE["width"]
    sizes = tab.evaluate(
        "[...document.querySelectorAll('main *')]"
        ".map(each => parseFloat(getComputedStyle(each).fontSize))"
    )
    assert min(sizes) >= 16
    heights = tab.evaluate(
        "[...document.querySelectorAll('button:not([hidden]), summary, input')]"
        ".filter(each => each.checkVisibility()).map(each => each.offsetHeight)"
    )
    assert min(heights, default=44) >= 44


def test_the_page_is_shown_under_its_policy_without_a_complaint(browser: Browser) -> None:
    body = every_page(Language.ENGLISH)["approval"]
    complaints: list[str] = []
    requests: list[str] = []
    with browser.new_context() as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.route("**/*", lambda route: route.fulfill(headers=dict(HEADERS), body=body))

        page.goto(ADDRESS)

        assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight") == "700"
        assert page.evaluate("getComputedStyle(document.body).margin") == "0px"
    assert complaints == []
    assert requests == [ADDRESS]


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(
    tab: Page, shown: Shown
) -> None:
    tab.set_viewport_size(DESKTOP)
    open_page(tab, shown, every_page(Language.ENGLISH)["approval by the channel"])

    reached = []
    for _ in range(5):
        tab.keyboard.press("Tab")
        reached.append(
            tab.evaluate("document.activeElement.id || document.activeElement.localName")
        )
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    assert reached == ["name", "comment", "approve", "reject", "summary"]


def test_the_enter_key_in_a_field_sends_nothing(tab: Page, shown: Shown) -> None:
    open_page(tab, shown, every_page(Language.ENGLISH)["approval by the channel"])
    sent: list[str] = []
    tab.on("request", lambda request: sent.append(request.method))

    tab.fill("#name", "Eve")
    tab.press("#name", "Enter")
    tab.wait_for_timeout(200)

    assert sent == []


def test_a_link_with_an_answer_in_it_marks_the_button_and_presses_nothing(
    tab: Page, shown: Shown
) -> None:
    shown["body"] = every_page(Language.ENGLISH)["approval"]
    sent: list[str] = []
    tab.on("request", lambda request: sent.append(request.method))

    tab.goto(f"{ADDRESS}-other#reject")

    style = "getComputedStyle(document.querySelector('#reject')).outlineStyle"
    assert tab.evaluate(style) == "solid"
    assert sent == ["GET"]
