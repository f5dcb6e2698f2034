"""AWS's price list: what is taken from it, what is refused with its reason, and what a second look changes."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from sagekeeper.collector.price_list import Offer, offers_of, price_rows
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import Component, PriceBook
from sagekeeper.core.tables import PRICES
from sagekeeper.simulator.client import Simulator

from .conftest import REGIONS, Collector

PUBLISHED = date(2026, 11, 1)
SPELLED: dict[str, Component] = {"Hosting": "Hosting", "Studio JupyterLab": "studio-jupyterlab"}


def document(usage: str, unit: str, usd: str, sku: str = "SKU1", **attributes: str) -> dict[str, Any]:
    """One element of the list, as AWS writes it."""
    return json.loads(
        json.dumps(
            {
                "product": {"sku": sku, "attributes": {"usagetype": usage, **attributes}},
                "terms": {
                    "OnDemand": {f"{sku}.T": {"priceDimensions": {"r": {"unit": unit, "pricePerUnit": {"USD": usd}}}}}
                },
                "publicationDate": "2026-11-01T00:00:00Z",
            }
        )
    )


def host(usd: str, sku: str = "SKU1", component: str = "Hosting", unit: str = "Hrs") -> dict[str, Any]:
    return document("USE1-Host:ml.m5.xlarge", unit, usd, sku, instanceName="ml.m5.xlarge", component=component)


def taken(*documents: dict[str, Any]) -> list[tuple[str, str, float]]:
    return [(offer.sku, offer.unit, offer.usd) for item in documents for offer in offers_of(item, SPELLED)]


def test_only_hours_of_a_known_component_are_hours() -> None:
    fee = document("USE1-TrainingPlanUpfrontFee:ml.p4d.24xlarge", "Quantity", "13.57", instanceName="ml.p4d.24xlarge")
    assert taken(
        host("0.23"), fee, host("25.91", component="Cluster"), host("13.57", unit="Quantity")
    ) == [("ml.m5.xlarge/Hosting", "Hrs", 0.23)]  # fmt: skip


def test_a_training_plans_fee_is_no_price_even_if_it_says_hosting_and_hours() -> None:
    fee = document(
        "USE1-TrainingPlanUpfrontFee:ml.m5.xlarge", "Hrs", "0.1", instanceName="ml.m5.xlarge", component="Hosting"
    )
    assert taken(fee) == []


def test_a_component_spelled_otherwise_is_the_same_component() -> None:
    assert taken(host("0.23", component="Studio JupyterLab")) == [("ml.m5.xlarge/studio-jupyterlab", "Hrs", 0.23)]


def test_serverless_seconds_of_any_size_and_storage_are_units_of_the_book() -> None:
    assert taken(
        document("USE1-ServerlessInf:Mem-3GB", "Seconds", "0.00006"),
        document("EU-Host:VolumeUsage.gp2", "GB-Mo", "0.154"),
        document("USE1-Host:VolumeUsage.io2", "GB-Mo", "0.2"),
    ) == [("serverless_compute", "GB-s", 0.00002), ("endpoint_storage", "GB-Mo", 0.154)]


def offer(usd: float, sku: str) -> Offer:
    return Offer("ml.m5.xlarge/Hosting", "Hrs", usd, sku, PUBLISHED)


def test_skus_that_agree_are_one_price_and_skus_that_differ_are_none_with_the_reason() -> None:
    (agreed,) = price_rows([offer(0.23, "A"), offer(0.23, "B")], "us-east-1")
    assert (agreed["unit_price"], agreed["quality"], agreed["source"]) == (0.23, "list", "AWS Price List, SKU A, B")
    (refused,) = price_rows([offer(0.23, "A"), offer(0.25, "B")], "us-east-1")
    assert (refused["unit_price"], refused["quality"]) == (None, "refused")
    assert refused["source"] == "AWS Price List, SKU A, B: they cost 0.23 and 0.25 USD"


def test_a_price_of_zero_is_no_price() -> None:
    (refused,) = price_rows([offer(0.0, "A")], "us-east-1")
    assert refused["unit_price"] is None


@pytest.mark.integration
def test_the_list_goes_before_the_bundled_book_and_a_list_that_is_not_published_anew_changes_nothing(
    simulator: Simulator, collector: Collector
) -> None:
    (first,) = collector.collect(collector.clock(), only=["price_list"])
    assert (first.status, first.message) == ("ok", "")
    version = collector.lake.version(PRICES)
    rows = collector.lake.scan(PRICES).collect()
    assert first.rows == rows.height > 1000
    assert set(rows["region"]) == set(REGIONS)
    assert rows["effective_on"].unique().to_list() == [PUBLISHED]
    assert rows["unit_price"].null_count() == 0
    assert "ml.p4d.24xlarge/Cluster" not in set(rows["sku"])

    book = PriceBook.bundled().with_list(rows, PUBLISHED)
    bundled, listed = (one.hourly("ml.m5.xlarge", "Hosting", "eu-west-1") for one in (PriceBook.bundled(), book))
    assert (listed.usd, listed.quality, listed.uncertainty) == (bundled.usd, "list", 0.0)
    assert listed.basis == "AWS Price List, published 2026-11-01"
    assert bundled.uncertainty > 0 and bundled.basis.startswith("bundled price of ")
    assert book.hourly("ml.t3.medium", "studio-jupyterlab", "us-east-1").usd == 0.05
    assert book.unit("serverless_compute", "us-east-1").usd == pytest.approx(0.00002)
    assert book.unit("endpoint_storage", "eu-west-1").bundled is False
    with pytest.raises(PriceUnknown):
        book.hourly("ml.m5.xlarge", "Hosting", "moon-1")

    asked = api_calls(collector)
    (same_day,) = collector.collect(collector.clock() + timedelta(hours=1), only=["price_list"])
    assert (same_day.rows, api_calls(collector)) == (0, asked)
    simulator.advance(days=1)
    (next_day,) = collector.collect(collector.clock(), only=["price_list"])
    assert next_day.rows == first.rows
    assert api_calls(collector) == 2 * asked <= 160
    assert collector.lake.version(PRICES) == version


def api_calls(collector: Collector) -> int:
    from sqlalchemy import func, select

    from sagekeeper.core.ledger.models import ApiUseRow

    with collector.ledger.reading() as session:
        asked = select(func.sum(ApiUseRow.calls)).where(ApiUseRow.service == "pricing")
        return int(session.scalar(asked) or 0)


def test_a_price_that_is_not_there_yet_falls_back_to_the_bundled_one_and_says_so() -> None:
    listed = pl.DataFrame(price_rows([offer(0.2, "A")], "us-east-1"), schema=PRICES.columns)
    before = PriceBook.bundled().with_list(listed, date(2026, 10, 31)).hourly("ml.m5.xlarge", "Hosting", "us-east-1")
    after = PriceBook.bundled().with_list(listed, PUBLISHED).hourly("ml.m5.xlarge", "Hosting", "us-east-1")
    assert (before.usd, before.bundled, after.usd, after.bundled) == (0.23, True, 0.2, False)


def test_a_refused_price_is_unknown_with_its_reason_and_not_the_bundled_one() -> None:
    listed = pl.DataFrame(price_rows([offer(0.23, "A"), offer(0.25, "B")], "us-east-1"), schema=PRICES.columns)
    with pytest.raises(PriceUnknown, match=r"they cost 0\.23 and 0\.25 USD"):
        PriceBook.bundled().with_list(listed, PUBLISHED).hourly("ml.m5.xlarge", "Hosting", "us-east-1")
