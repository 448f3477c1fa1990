"""A person with a real browser: from the link in the mail to the job that goes on."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from functions.shared.job import JobStatus
from local.platform_file import PROJECT
from tests.browser import browser as browser  # noqa: PLC0414  # a fixture of this module too
from tests.browser import violations
from tests.e2e.deployed_jobs import DeployedJobs, eventually
from tests.e2e.test_people import result

pytestmark = pytest.mark.platform

PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    # axe is put into the page by the browser's own means, which the policy must not hinder.
    with browser.new_context(bypass_csp=True, viewport=PHONE, locale="en-GB") as context:
        yield context.new_page()


def photograph(tab: Page, name: str, folder: Path) -> None:
    """Keep how the page looks, on a phone and on a desk."""
    for device, size in (("phone", PHONE), ("desktop", DESKTOP)):
        tab.set_viewport_size(size)
        tab.screenshot(path=folder / f"{name}-{device}.png", full_page=True)


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where a developer finds what the pages looked like."""
    folder = PROJECT / ".local" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_reviewer_opens_the_mails_link_approves_with_a_comment_and_the_job_completes(
    deployed: DeployedJobs, tab: Page, pictures: Path
) -> None:
    deployed.ask_for_approval("by-browser", title="Contract with Example Ltd")
    [mail] = deployed.mails_to("by-browser")
    # The mail as its reader sees it, and the button in it.
    tab.goto(f"{deployed.endpoint.url}/_local/inbox/mail/{mail['message_id']}")
    photograph(tab, "mail", pictures)
    with tab.context.expect_page() as opened:
        tab.get_by_role("link").first.click()
    page = opened.value
    page.wait_for_load_state()
    photograph(page, "question", pictures)
    before = violations(page)

    page.get_by_label("Comment", exact=False).fill("Fine with me. ✅")
    page.get_by_role("button", name="Approve").click()
    page.wait_for_load_state()
    job = deployed.ended("by-browser")
    photograph(page, "answered", pictures)

    assert before == []
    assert violations(page) == []
    assert result(job)["outcome"] == "approved"
    assert result(job)["comment"] == "Fine with me. ✅"
    assert "Contract with Example Ltd" in page.content()
    assert page.get_by_role("button").count() == 0


def test_a_link_that_is_opened_again_tells_what_was_answered(
    deployed: DeployedJobs, tab: Page
) -> None:
    link = deployed.ask_for_approval("reopened")
    tab.goto(link)
    tab.get_by_role("button", name="Reject").click()
    deployed.ended("reopened")

    again = tab.goto(link)

    assert again is not None
    assert again.status == HTTPStatus.OK
    assert tab.get_by_role("button").count() == 0
    assert re.search("reject", tab.inner_text("main"), re.IGNORECASE)
    assert violations(tab) == []


def test_two_windows_answer_and_the_second_is_told(
    deployed: DeployedJobs, tab: Page, pictures: Path
) -> None:
    link = deployed.ask_for_approval("two-windows")
    other = tab.context.new_page()
    for window in (tab, other):
        window.goto(link)
    tab.get_by_role("button", name="Approve").click()
    tab.wait_for_load_state()

    with other.expect_navigation() as sent:
        other.get_by_role("button", name="Reject").click()
    photograph(other, "second", pictures)

    assert sent.value is not None
    assert sent.value.status == HTTPStatus.CONFLICT
    assert violations(other) == []
    assert result(deployed.ended("two-windows"))["outcome"] == "approved"


def test_a_link_that_was_changed_shows_no_button(
    deployed: DeployedJobs, tab: Page, pictures: Path
) -> None:
    link = deployed.ask_for_approval("broken-link")

    answer = tab.goto(link[:-2] + ("AA" if not link.endswith("AA") else "BA"))
    photograph(tab, "changed", pictures)

    assert answer is not None
    assert answer.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    assert tab.get_by_role("button").count() == 0
    assert violations(tab) == []
    assert deployed.jobs.get("broken-link").status is JobStatus.PROCESSING
    deployed.jobs.stop("broken-link")


def test_a_link_that_was_prefetched_still_waits_for_its_person(
    deployed: DeployedJobs, browser: Browser, tab: Page
) -> None:
    link = deployed.ask_for_approval("prefetched")
    # What a mail scanner does: it opens the page and runs what is in it, and presses nothing.
    with browser.new_context() as scanner:
        for _ in range(3):
            scanner.new_page().goto(link)
            scanner.request.head(link)

    tab.goto(link)
    tab.get_by_role("button", name="Approve").click()

    assert result(deployed.ended("prefetched"))["outcome"] == "approved"


def test_a_new_user_verifies_in_japanese(
    deployed: DeployedJobs, browser: Browser, pictures: Path
) -> None:
    deployed.submit_newcomer("japanese", language="ja")
    link = deployed.link_to("japanese")
    with browser.new_context(locale="ja-JP", viewport=PHONE, bypass_csp=True) as context:
        tab = context.new_page()
        tab.goto(link)
        photograph(tab, "verify-ja", pictures)
        language = tab.get_attribute("html", "lang")
        found = violations(tab)

        tab.get_by_role("button").first.click()
        tab.wait_for_load_state()
        job = deployed.ended("japanese")

    assert (language, found) == ("ja", [])
    assert result(job)["outcome"] == "onboarding_complete"
    eventually(lambda: len(deployed.mails_to("japanese")) == 2 or None, what="the welcome mail")


def test_the_keyboard_is_enough(deployed: DeployedJobs, tab: Page) -> None:
    link = deployed.ask_for_approval("by-keyboard")
    tab.goto(link)

    tab.get_by_label("Comment", exact=False).focus()
    tab.keyboard.type("Typed.")
    while tab.evaluate("document.activeElement.value") != "approve":
        tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")

    assert result(deployed.ended("by-keyboard"))["comment"] == "Typed."
