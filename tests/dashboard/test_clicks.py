"""Clicks in a real browser: what a person does on the pages becomes exactly one row in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.ledger.incident_models import IncidentEventRow
from sagekeeper.core.ledger.models import ActionRow, AuditRow, RecommendationRow
from sagekeeper.core.types import fingerprint

pytestmark = pytest.mark.browser


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Open an address in a new tab of a screen of 1440 x 900; nothing may be asked of any other machine."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    asked_elsewhere: list[str] = []
    context.on("request", lambda request: asked_elsewhere.append(request.url) if _elsewhere(request.url) else None)

    def open_tab(address: str) -> Page:
        page = context.new_page()
        page.goto(address)
        expect(page.locator("h1")).to_be_visible(timeout=60_000)
        return page

    yield open_tab
    context.close()
    assert not asked_elsewhere


def _elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


@pytest.fixture
def ledger(surroundings: dict[str, str]) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{surroundings['SAGEKEEPER_DATA_DIR']}/ledger.db")
    yield opened
    opened.close()


@pytest.fixture
def idle(sample) -> str:
    """The one-click recommendation of the sample house."""
    return fingerprint("idle_endpoint", sample.endpoint("churn-old-experiment").arn)


def actions_of(ledger: Ledger, recommendation: str) -> list[ActionRow]:
    with ledger.reading() as session:
        return list(session.scalars(select(ActionRow).where(ActionRow.recommendation == recommendation)))


def test_three_clicks_in_two_tabs_are_one_approved_action(serve, tab, ledger, idle) -> None:
    address = f"{serve()}/recommendations?rec={idle}"
    first, second = tab(address), tab(address)
    for page in (first, second):
        page.get_by_role("button", name="Apply …").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Saves $980.00 to $1,029 a month")
        expect(dialog).to_contain_text("Can be brought back")
        expect(page.get_by_role("dialog").get_by_label("Your name")).to_have_value("tester")
    first.get_by_role("button", name="Apply now").dblclick()
    second.get_by_role("button", name="Apply now").click()
    for page in (first, second):
        expect(page.locator("h1")).to_have_text("Activity", timeout=20_000)
        expect(page.get_by_text("asked for and approved; the worker plans and applies it next")).to_be_visible()
    (action,) = actions_of(ledger, idle)
    assert (action.state, action.requested_by, action.approved_by) == ("requested", "tester", "tester")


def test_closing_the_dialog_asks_for_nothing(serve, tab, ledger, idle) -> None:
    page = tab(f"{serve()}/recommendations?rec={idle}")
    page.get_by_role("button", name="Apply …").click()
    expect(page.get_by_role("dialog")).to_be_visible(timeout=20_000)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert actions_of(ledger, idle) == []


def test_undo_asks_first_and_then_writes_one_request(serve, tab, ledger) -> None:
    page = tab(f"{serve()}/activity?action=1")
    page.get_by_role("button", name="Undo …").click()
    expect(page.get_by_role("dialog")).to_contain_text("The saving ends with it", timeout=20_000)
    page.get_by_role("dialog").get_by_label("Your name").fill("ben")
    page.get_by_role("button", name="Undo now").click()
    expect(page.get_by_text("undo asked for").first).to_be_visible(timeout=20_000)
    with ledger.reading() as session:
        action = session.get_one(ActionRow, 1)
        assert (action.state, action.undo_requested_by) == ("undo_requested", "ben")
        events = list(session.scalars(select(AuditRow.event).where(AuditRow.action_id == 1)))
    assert events.count("undo requested") == 1


def test_dismissed_recommendation_leaves_the_list_with_its_reason_and_can_come_back(serve, tab, ledger, idle) -> None:
    page = tab(f"{serve()}/recommendations?rec={idle}")
    page.get_by_role("button", name="Dismiss …").click()
    page.get_by_label("In your words").fill("needed for the audit in December")
    page.get_by_role("dialog").get_by_role("button", name="Dismiss", exact=True).click()
    expect(page.get_by_text("Dismissed (1)")).to_be_visible(timeout=20_000)
    with ledger.reading() as session:
        assert session.get_one(RecommendationRow, idle).state == "dismissed"
    page.get_by_text("Dismissed (1)").click()
    expect(page.get_by_text("needed for the audit in December")).to_be_visible()
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_text("Dismissed (1)")).to_be_hidden(timeout=20_000)
    with ledger.reading() as session:
        assert session.get_one(RecommendationRow, idle).state == "open"


def test_worker_finishing_is_seen_without_touching_the_page(serve, tab, ledger, sample) -> None:
    page = tab(f"{serve()}/activity?action=2")
    expect(page.get_by_text("asked for; the worker makes the plan next")).to_be_visible()
    with ledger.session() as session:
        row = session.get_one(ActionRow, 2)
        row.state, row.message, row.updated_at = "refused", "The endpoint had a request an hour ago.", sample.AS_OF
    expect(page.get_by_text("The endpoint had a request an hour ago.")).to_be_visible(timeout=15_000)


def test_no_page_cuts_a_figure_or_scrolls_sideways(serve, tab) -> None:
    address = serve()
    for name in ("overview", "costs", "incidents", "models", "recommendations", "activity"):
        page = tab(f"{address}/{'' if name == 'overview' else name}")
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=30_000)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        cut = page.evaluate(
            """[...document.querySelectorAll('[data-testid=stMetricValue] *, [data-testid=stMetricDelta] *')]
            .filter(item => item.scrollWidth > item.clientWidth + 1 && item.clientWidth > 0).map(item => item.textContent)"""
        )
        assert cut == [], name


def test_hostile_names_are_shown_letter_by_letter(serve, tab, sample) -> None:
    address = serve()
    subject = fingerprint("idle_endpoint", sample.endpoint("toxicity-filter").arn)
    for name in ("", "costs", "incidents", "models", f"recommendations?rec={subject}", "activity"):
        page = tab(f"{address}/{name}")
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=30_000)
        assert page.locator("a[href*=evil], img[src=x], strong:text-is('bold')").count() == 0, name
        if name.startswith("recommendations"):
            expect(page.get_by_role("button", name="Apply …")).to_be_visible()
            shown = "".join(page.get_by_test_id("stMain").inner_text().split("\u2060"))
            assert "toxicity-filter <script>alert(1)</script> $x$ :red[x]" in shown
            assert sample.HOSTILE_OWNER in shown


def test_an_incident_is_snoozed_once_however_often_it_is_clicked_reopened_and_expected_with_a_reason(
    serve, tab, ledger, sample
) -> None:
    risen = sample.incidents()[0].fingerprint
    page = tab(f"{serve()}/incidents")
    row = page.locator(f".st-key-incident-{risen}")
    row.get_by_role("button", name="Snooze …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Until the beginning of", timeout=20_000)
    dialog.get_by_label("Why, or who is on it").fill("after the sale")
    dialog.get_by_role("button", name="Snooze", exact=True).dblclick()
    expect(row).to_have_count(0, timeout=20_000)
    with ledger.reading() as session:
        events = select(IncidentEventRow.event, IncidentEventRow.by, IncidentEventRow.detail)
        assert [tuple(item) for item in session.execute(events.where(IncidentEventRow.fingerprint == risen))][1:] == [
            ("snoozed", "tester", "until 2026-11-27 00:00 UTC; after the sale")
        ]
    page = tab(page.url.split("?")[0] + f"?incident={risen}")
    row = page.locator(f".st-key-incident-{risen}")
    expect(row).to_contain_text("Snoozed by tester on 20 Nov until 27 Nov 2026 00:00 UTC: after the sale")
    row.get_by_role("button", name="Reopen …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Reopen", exact=True).click()
    expect(row.get_by_role("button", name="Acknowledge …")).to_be_visible(timeout=20_000)
    row.get_by_role("button", name="Expected …").click()
    dialog.get_by_role("button", name="Expected", exact=True).click()
    expect(dialog).to_contain_text("Say why it is expected", timeout=20_000)
    dialog.get_by_label("Why (others will read it next month)").fill("the new ranking needs it")
    dialog.get_by_label("Your name").fill("carl")
    dialog.get_by_role("button", name="Expected", exact=True).click()
    expect(row).to_contain_text("Expected by carl on 20 Nov: the new ranking needs it", timeout=20_000)
    with ledger.reading() as session:
        audited = session.execute(select(AuditRow.actor, AuditRow.event).order_by(AuditRow.id.desc()).limit(3))
        assert [tuple(item) for item in audited] == [
            ("carl", "incident expected"),
            ("tester", "incident open"),
            ("tester", "incident snoozed"),
        ]
