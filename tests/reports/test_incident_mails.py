"""Letters about incidents over a real SMTP server: who is told what, once, and again only when it has grown by half."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_letters import pending_letters
from sagekeeper.core.ledger.incident_models import IncidentLetterRow, IncidentRow
from sagekeeper.core.ledger.incidents import decide_incident, record_incidents, untold
from sagekeeper.core.ledger.models import AlertSentRow
from sagekeeper.core.settings import Mail
from sagekeeper.reports.recipients import of_owner
from sagekeeper.reports.run import send_digest, send_incident_alerts

pytestmark = pytest.mark.integration
KINDS = ["overspend", "idle_endpoint", "runaway_job"]


@pytest.fixture
def send(house, settings, sample):
    """Send what is due, so many hours after the sample's time; what became of it."""
    settings.mail.alert_recipients = ["platform@example.com"]
    settings.mail.owners = {"Search": ["search@example.com"], "growth": ["growth@example.com"]}

    def now(hours: float = 0):
        at = sample.AS_OF + timedelta(hours=hours)
        return send_incident_alerts(house[1], settings, at, at)

    return now


def grow(ledger: Ledger, sample, fingerprint: str, times: str) -> None:
    """A run that sees the excess of an incident as so many times what it was."""
    found = sample.incidents()
    for position, item in enumerate(found):
        if item.fingerprint == fingerprint:
            stake = item.stake.model_copy(update={"per_day": item.stake.per_day * Decimal(times)})
            found[position] = item.model_copy(update={"stake": stake})
    with ledger.session() as session:
        record_incidents(session, KINDS, found, sample.AS_OF + timedelta(hours=1))


def letters(mailbox) -> list[tuple[str, str]]:
    return [(",".join(to), message["Subject"]) for to, message in mailbox[0].taken]


def test_each_reader_gets_all_that_is_new_in_one_letter_and_quiet_ones_are_in_none(send, mailbox) -> None:
    told = send()
    assert [item.state for item in told] == ["sent", "sent"]
    (platform, first), (owner, second) = letters(mailbox)
    assert platform == "platform@example.com" and owner == "search@example.com"
    # search-ranking-prod and toxicity-filter are open; the others are acknowledged, snoozed, expected, resolved
    assert first == "2 incidents, the largest $86.58 a day: search-ranking-prod costs 90 % more a day since 11 Nov"
    assert second == "Incident: search-ranking-prod costs 90 % more a day since 11 Nov ($779.22 too much so far)"
    for kind in ("plain", "html"):
        body = mailbox[0].taken[1][1].get_body((kind,)).get_content()
        assert "search-ranking-prod went from 2 to 4 x ml.m5.xlarge" in body and "Resized" in body
        assert "$86.58" in body and "billed cost, derived" in body and "By the end of November" in body
        assert "https://sagekeeper.example/incidents?incident=" in body


def test_hostile_names_of_an_incident_stay_text(send, mailbox) -> None:
    send()
    html = mailbox[0].taken[0][1].get_body(("html",)).get_content()
    assert "<img src=x" not in html and "&lt;img src=x&gt; asks nobody" in html


def test_nobody_is_told_twice_and_again_only_of_what_has_grown_by_half(house, send, mailbox, sample) -> None:
    risen = sample.incidents()[0].fingerprint
    send()
    assert send(1) == []
    grow(house[1], sample, risen, "1.4")
    assert send(2) == []
    grow(house[1], sample, risen, "1.6")
    send(3)
    assert [subject[:18] for _, subject in letters(mailbox)[2:]] == ["Incident has grown"] * 2
    assert "told of $86.58 a day" in mailbox[0].taken[2][1].get_body(("plain",)).get_content()
    assert send(4) == []


def test_what_was_acknowledged_and_grows_by_half_is_told(house, send, mailbox, sample) -> None:
    send()
    idle = sample.incidents()[1].fingerprint  # acknowledged by anna before anybody was told
    grow(house[1], sample, idle, "1.6")
    send(2)
    assert {to for to, _ in letters(mailbox)[2:]} == {"platform@example.com", "growth@example.com"}


def test_a_crash_between_sending_and_marking_sends_the_same_letter_under_the_same_id_and_no_other(
    house, send, mailbox, sample
) -> None:
    ledger = house[1]
    send()
    with ledger.session() as session:  # as if the process had died when the server had taken the first letter
        session.execute(update(AlertSentRow).values(sent_at=None))
        session.execute(update(IncidentLetterRow).values(done_at=None))
    extra = sample.incidents()[4]
    other = extra.model_copy(update={"fingerprint": "new-in-the-meantime"})
    with ledger.session() as session:
        record_incidents(session, KINDS, [*sample.incidents(), other], sample.AS_OF)
    again = send(0.1)  # its claim is not abandoned yet: only what is new since is told
    assert sorted(item.state for item in again) == ["elsewhere", "elsewhere", "sent"]
    send(1)
    ids = [message["Message-ID"] for _, message in mailbox[0].taken]
    assert len(ids) == 5 and ids[0] == ids[3] and ids[1] == ids[4] and len(set(ids)) == 3
    assert send(2) == []


def test_a_letter_that_failed_is_tried_again_and_only_to_whom_it_failed(send, mailbox) -> None:
    mailbox[0].refuse = True
    assert [item.state for item in send()] == ["failed", "failed"]
    mailbox[0].refuse = False
    assert [item.state for item in send(1)] == ["sent", "sent"]
    assert send(2) == []
    assert len(mailbox[0].taken) == 2


def test_what_was_settled_before_the_letter_went_out_is_not_told(house, send, mailbox, sample) -> None:
    mailbox[0].refuse = True
    send()
    mailbox[0].refuse = False
    with house[1].session() as session:
        for fingerprint in session.scalars(select(IncidentRow.fingerprint).where(IncidentRow.state == "open")).all():
            decide_incident(session, fingerprint, "resolved", "anna", sample.AS_OF)
    assert send(1) == [] and mailbox[0].taken == []
    with house[1].reading() as session:
        assert pending_letters(session, sample.AS_OF + timedelta(hours=1)) == []


def test_without_any_address_nothing_is_marked_as_told(house, settings, sample) -> None:
    settings.mail.digest_recipients = []
    assert send_incident_alerts(house[1], settings, sample.AS_OF, sample.AS_OF) == []
    with house[1].reading() as session:
        assert len(untold(session)) == 2


def test_an_address_in_a_tag_is_written_to_only_at_an_allowed_domain() -> None:
    mail = Mail(
        alert_recipients=["Boss@example.com"],
        owner_domains=["example.com"],
        owners={"risk": ["r@x.org", "boss@example.com"]},
    )
    assert of_owner(mail, "anna@example.com") == ("anna@example.com",)
    assert of_owner(mail, "anna@evil.example") == ()
    assert of_owner(mail, "a@evil.example@example.com") == ()
    assert of_owner(mail, " RISK ") == ("r@x.org",)
    assert of_owner(mail, "boss@example.com") == () and of_owner(mail, None) == ()


def test_the_digest_lists_open_incidents_with_their_money_and_does_not_repeat_them(
    house, settings, mailbox, sample
) -> None:
    send_digest(house[1], house[0], settings, sample.AS_OF, sample.AS_OF)
    text = mailbox[0].taken[0][1].get_body(("plain",)).get_content()
    assert "Incidents, money that should not be spent: 3 open or acknowledged" in text
    assert (
        "$779.22 too much since 11 Nov, $86.58 a day, $1,731.60 by the end of November (billed cost, derived)" in text
    )
    assert text.count("search-ranking-prod costs 90 % more a day since 11 Nov") == 1
