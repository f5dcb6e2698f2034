"""Budget alerts and digests over a real SMTP server: what arrives, how often, and what hostile names can do (nothing)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from types import ModuleType

import pytest
from sqlalchemy import select

from sagekeeper.core.errors import BadInput, SourceUnavailable
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import AlertSentRow
from sagekeeper.core.settings import Budget, Mail
from sagekeeper.reports.claims import claim, mark_failed, mark_sent
from sagekeeper.reports.mail import Letter, as_message, send
from sagekeeper.reports.run import send_budget_alerts, send_digest

pytestmark = pytest.mark.integration
House = tuple[Lake, Ledger]
PNG = b"\x89PNG\r\n\x1a\n"


def test_budget_alert_says_how_much_of_what_until_when_and_what_to_do(house, settings, mailbox, sample) -> None:
    lake, ledger = house
    told = send_budget_alerts(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    box = mailbox[0]
    assert {(item.state, item.where) for item in told} == {("sent", "budget@example.com")}
    actual = next(message for _, message in box.taken if "spent in November" in message["Subject"])
    spent = f"${sample.month_total(sample.LAST_DAY):,.0f}"
    assert spent in actual["Subject"] and "$12,000" in actual["Subject"]
    text = actual.get_body(("plain",)).get_content()
    html = actual.get_body(("html",)).get_content()
    for body in (text, html):
        assert "used up on" in body  # when it breaks
        assert "search-ranking-prod" in body  # the driver: 90 % up since 11 November
        assert "Run recs-gpu-large on ml.g5.xlarge" in body  # what to do
        assert "https://sagekeeper.example/recommendations?rec=" in body
    assert 'src="cid:month"' in html
    picture = next(part for part in actual.walk() if part.get_content_type() == "image/png")
    assert picture["Content-ID"] == "<month>" and picture.get_content().startswith(PNG)


def test_each_threshold_is_told_once_and_the_next_one_again(house, settings, mailbox, sample) -> None:
    lake, ledger = house
    for hours in range(3):
        send_budget_alerts(ledger, lake, settings, sample.AS_OF, sample.AS_OF + timedelta(hours=hours))
    subjects = sorted(message["Subject"] for _, message in mailbox[0].taken)
    assert len(subjects) == 2 and "expected by the end" in subjects[1 if "spent in" in subjects[0] else 0]
    settings.budgets[0].amount = Decimal("9000")  # now it is used up
    send_budget_alerts(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    assert len(mailbox[0].taken) == 3
    settings.budgets[0].amount = Decimal("12000")  # restated downwards: 80 % is no news after 100 %
    send_budget_alerts(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    assert len(mailbox[0].taken) == 3


def test_failed_send_is_kept_with_its_reason_and_tried_again_without_a_double(house, settings, mailbox, sample) -> None:
    lake, ledger = house
    mailbox[0].refuse = True
    first = send_digest(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    assert [item.state for item in first] == ["failed"]
    assert "try again later" in (first[0].error or "") and "tried again" in (first[0].error or "")
    with ledger.reading() as session:
        row = session.scalars(select(AlertSentRow)).one()
        assert row.sent_at is None and "451" in (row.error or "")
    mailbox[0].refuse = False
    assert [item.state for item in send_digest(ledger, lake, settings, sample.AS_OF, sample.AS_OF)] == ["sent"]
    assert [item.state for item in send_digest(ledger, lake, settings, sample.AS_OF, sample.AS_OF)] == ["already sent"]
    assert len(mailbox[0].taken) == 1


def test_digest_tells_spend_drivers_findings_savings_and_failed_sources(house, settings, mailbox, sample) -> None:
    lake, ledger = house
    send_digest(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    ((recipients, message),) = mailbox[0].taken
    assert recipients == ["team@example.com"]
    week = sample.daily_rows().filter(sample.pl.col("day") > sample.LAST_DAY - timedelta(days=7))["billed_cost"].sum()
    assert f"${week:,.0f}" in message["Subject"]
    for kind in ("plain", "html"):
        body = message.get_body((kind,)).get_content()
        assert "search-ranking-prod" in body and "fraud-scoring-prod have drifted" in body
        assert "model_monitor" in body and "$494.40" in body and "Delete idle endpoint churn-old-experiment" in body
    assert message["Message-ID"] and any(part.get_content_type() == "image/png" for part in message.walk())


def test_hostile_names_stay_text_in_html_and_cannot_add_headers(house, settings, mailbox, sample) -> None:
    lake, ledger = house
    settings.budgets[0] = Budget(
        name="Team\r\nBcc: everyone@example.com <script>", amount=Decimal("12000"), recipients=["budget@example.com"]
    )
    send_budget_alerts(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    send_digest(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    assert mailbox[0].taken
    for recipients, message in mailbox[0].taken:
        assert message["Bcc"] is None and "everyone@example.com" not in recipients
        html = message.get_body(("html",)).get_content()
        assert "<script" not in html.lower() and "<img src=x" not in html
    digest_html = mailbox[0].taken[-1][1].get_body(("html",)).get_content()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in digest_html


def test_without_a_mail_server_the_letter_becomes_a_file(house, settings, sample, tmp_path) -> None:
    lake, ledger = house
    settings.mail.host = None
    told = send_digest(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    assert [item.state for item in told] == ["written"]
    (path,) = (tmp_path / "reports").glob("*.eml")
    assert b"Subject: ML spend" in path.read_bytes() and told[0].where == str(path)


def test_channel_that_fails_does_not_send_the_mail_again(house, settings, mailbox, sample) -> None:
    lake, ledger = house
    settings.notify = [f"json://127.0.0.1:{mailbox[1]}/secret-token"]  # speaks SMTP, not HTTP: refused
    told = send_digest(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    assert [(item.way, item.state) for item in told] == [("mail", "sent"), ("channel", "failed")]
    assert "secret-token" not in str(told)
    told = send_digest(ledger, lake, settings, sample.AS_OF, sample.AS_OF)
    assert [item.state for item in told] == ["already sent", "failed"]
    assert len(mailbox[0].taken) == 1


def test_of_two_processes_one_gets_the_claim_and_a_dead_ones_claim_is_taken_over(
    ledger: Ledger, sample: ModuleType
) -> None:
    now = sample.AS_OF
    assert claim(ledger, "k", "digest", "s", ["a@b.c"], now)
    assert not claim(ledger, "k", "digest", "s", ["a@b.c"], now + timedelta(minutes=1))
    assert claim(ledger, "k", "digest", "s", ["a@b.c"], now + timedelta(minutes=16))
    mark_failed(ledger, "k", "server down")
    assert claim(ledger, "k", "digest", "s", ["a@b.c"], now + timedelta(minutes=17))
    mark_sent(ledger, "k", now)
    assert not claim(ledger, "k", "digest", "s", ["a@b.c"], now + timedelta(days=9))


LETTER = Letter("key", "Subject", "text", "<p>html</p>")


def test_server_that_is_not_there_or_knows_no_tls_gives_one_sentence(mailbox, sample) -> None:
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:1 did not take 'Subject'"):
        send(Mail(host="127.0.0.1", port=1, tls="none"), ["a@example.com"], LETTER, sample.AS_OF)
    with pytest.raises(SourceUnavailable, match="STARTTLS"):
        send(Mail(host="127.0.0.1", port=mailbox[1], tls="starttls"), ["a@example.com"], LETTER, sample.AS_OF)
    assert not mailbox[0].taken


def test_address_that_is_none_is_said_so(sample) -> None:
    with pytest.raises(BadInput, match="not a mail address"):
        as_message(LETTER, "sagekeeper@example.com", ["a@b.c\r\nBcc: x@y.z, nobody"], sample.AS_OF)
