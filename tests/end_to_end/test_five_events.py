"""A calm account in which five things happen: four are wrong, told once each with cause and money, and one was meant.

Through the collector over HTTP and whole runs of the service, as issue 5 asks for it to be checked.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sagekeeper.core.ledger.incident_models import IncidentRow
from sagekeeper.core.ledger.incidents import mark_told, untold
from sagekeeper.service import pipeline
from sagekeeper.service.house import House
from sagekeeper.simulator.client import Simulator

pytestmark = pytest.mark.integration
WORLD = "calm"
ACCOUNT, REGION = "123456789012", "us-east-1"


def look(house: House) -> dict[str, IncidentRow]:
    """A whole run of the service; the incidents after it by what they are about, without those resolved."""
    now = house.clock()
    assert [item for item in pipeline.collect(house, now) if item.status == "failed"] == []
    assert [part for part in pipeline.analyze(house, now).parts if part.status == "failed"] == []
    with house.ledger.reading() as session:
        there = session.query(IncidentRow).filter(IncidentRow.state != "resolved").all()
    assert len({row.resource_name for row in there}) == len(there), "nothing is told under two kinds"
    return {row.resource_name: row for row in there}


def tell(house: House) -> set[str]:
    """Let people know of what is new to them."""
    with house.ledger.session() as session:
        news = untold(session)
        for row in news:
            mark_told(session, row.fingerprint, row.per_day)
        return {row.resource_name for row in news}


def test_four_incidents_are_told_once_with_cause_and_money_and_the_launch_is_expected(
    house: House, simulator: Simulator
) -> None:
    house.settings.aws.regions, house.settings.aws.accounts = [REGION], house.settings.aws.accounts[:1]
    house.settings.collect.cost_months = 3
    assert look(house) == {}, "a calm account"

    where = {"account": ACCOUNT, "region": REGION}
    simulator.incident("forgotten_endpoint", "try-out", **where)
    simulator.advance(days=7)
    price = simulator.incident("price_change", "Host:ml.m5.4xlarge", **where)
    upsizing = simulator.incident("upsizing", "ranking-gpu", **where)
    simulator.incident("planned_launch", "assistant", **where)
    simulator.advance(days=6)
    found = look(house)
    assert {name: (row.cause, row.state) for name, row in found.items()} == {
        "try-out": ("new_resource", "open"),
        "ranking-gpu": ("resized", "open"),
        "USE1-Host:ml.m5.4xlarge": ("price", "open"),
        "assistant": ("new_resource", "expected"),
    }
    assert tell(house) == {"try-out", "ranking-gpu", "USE1-Host:ml.m5.4xlarge"}

    runaway = simulator.incident("runaway_job", "sweep-9", **where)
    simulator.advance(days=3.5)
    now = house.clock()
    found = look(house)
    assert {name: (row.kind, row.cause) for name, row in found.items() if row.state == "open"} == {
        "sweep-9": ("runaway_job", "ran_long"),
        "try-out": ("idle_endpoint", "forgotten"),
        "ranking-gpu": ("overspend", "resized"),
        "USE1-Host:ml.m5.4xlarge": ("price_change", "price"),
    }
    assert {name: row.reason for name, row in found.items() if row.state != "open"} == {"assistant": "change CHG-2041"}
    assert tell(house) == {"sweep-9"}, "what people know is not told again, under whatever name"

    at = datetime.fromisoformat(upsizing["start"])
    resized = found["ranking-gpu"]
    assert resized.because.startswith(
        f"Endpoint ranking-gpu went from 2 to 8 ml.g5.2xlarge on {at:%A %-d %B %H:%M} UTC by role MLEngineer (dana.weiss)."
    )
    assert found["try-out"].because.startswith("Nobody has called it since")
    assert found["try-out"].because.endswith("It was made by role MLEngineer (dana.weiss).")
    assert (
        ", started by role MLEngineer (dana.weiss): 8 x ml.g5.12xlarge, 56.87 USD an hour." in found["sweep-9"].because
    )
    assert found["USE1-Host:ml.m5.4xlarge"].because.endswith(f"{datetime.fromisoformat(price['start']):%A %-d %B %Y}.")

    # The level as it really is; to date no more than there was, and all but what is not billed yet or of the first day.
    whole = {
        "ranking-gpu": (upsizing["usd_per_day"], at),
        "try-out": (36.36, at - timedelta(days=5)),  # from two days after it was made
        "sweep-9": (runaway["usd_per_day"], datetime.fromisoformat(runaway["start"])),
        "USE1-Host:ml.m5.4xlarge": (2 * 24 * 0.922 * 0.25, datetime.fromisoformat(price["start"])),
    }
    for name, (per_day, since) in whole.items():
        assert float(found[name].per_day) == pytest.approx(per_day, rel=0.05), name
        days = (now - since).total_seconds() / 86400
        assert per_day * (days - 2) < float(found[name].excess) < per_day * (days + 0.1), name

    simulator.advance(days=10)
    later = look(house)
    assert later["ranking-gpu"].since == resized.since, "three weeks later it has not become usual"
    assert "sweep-9" not in later and "sweep" not in later, "its bill comes after its end, and was told"
    assert {name for name, row in later.items() if row.state == "open"} == {
        "try-out",
        "ranking-gpu",
        "USE1-Host:ml.m5.4xlarge",
    }
    assert tell(house) == set()
