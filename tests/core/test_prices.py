"""The price book: each price says where it is from; what is not known is not guessed silently."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import UNCERTAINTY, PriceBook

BOOK = PriceBook.bundled()


def test_a_listed_price_names_its_source_and_date() -> None:
    price = BOOK.hourly("ml.g5.2xlarge", "Training", "us-east-1")
    assert (price.usd, price.quality, price.unit) == (1.515, "list", "Hrs")
    assert "Price List" in price.source
    assert price.as_of.isoformat() == "2026-07-31"


def test_a_price_made_from_ec2_is_marked_estimated_and_widens_savings() -> None:
    price = BOOK.hourly("ml.c7g.xlarge", "Hosting", "us-east-1")
    assert price.usd == pytest.approx(0.145 * 1.20)
    assert (price.quality, price.uncertainty) == ("estimated", UNCERTAINTY["estimated"])


def test_another_region_is_estimated_by_the_ratio_seen_on_a_bill() -> None:
    price = BOOK.hourly("ml.m5.xlarge", "Hosting", "eu-west-1")
    assert price.usd == pytest.approx(0.257, abs=0.001)
    assert price.quality == "estimated"


@pytest.mark.parametrize(("instance_type", "region"), [("ml.x9.huge", "us-east-1"), ("ml.m5.xlarge", "moon-1")])
def test_an_unknown_price_is_an_error_and_never_zero(instance_type: str, region: str) -> None:
    with pytest.raises(PriceUnknown, match="shown as unknown"):
        BOOK.hourly(instance_type, "Hosting", region)


def test_every_price_has_a_positive_amount_a_source_and_a_specification() -> None:
    for name in BOOK.instance_types():
        price = BOOK.hourly(name, "Hosting", "us-east-1")
        assert price.usd > 0, name
        assert price.source, name
        assert BOOK.spec(name) is not None, name


def test_the_uncertainty_of_an_estimate_covers_the_family_ratios_of_known_prices(shared_data: Path) -> None:
    """Price over EC2's price: that of every known type lies within the stated error of the estimates in its family."""
    with (shared_data / "prices" / "instance_specs.csv").open() as handle:
        ec2 = {
            row["ml_type"]: float(row["ec2_on_demand_usd"])
            for row in csv.DictReader(handle)
            if row["ec2_on_demand_usd"]
        }
    ratios: dict[tuple[str, bool], dict[str, list[float]]] = {}
    for name in set(ec2) & set(BOOK.instance_types()):
        price = BOOK.hourly(name, "Hosting", "us-east-1")
        group = (name.split(".")[1], name.endswith(".xlarge"))
        ratios.setdefault(group, {}).setdefault(price.quality, []).append(price.usd / ec2[name])
    compared = [
        (known / estimate, group)
        for group, found in ratios.items()
        for known in found.get("list", []) + found.get("published", [])
        for estimate in found.get("estimated", [])
    ]
    assert len(compared) > 20
    assert all(abs(ratio - 1) <= UNCERTAINTY["estimated"] for ratio, _ in compared), compared


def test_specifications_agree_with_the_shared_table(shared_data: Path) -> None:
    with (shared_data / "prices" / "instance_specs.csv").open() as handle:
        for row in csv.DictReader(handle):
            spec = BOOK.spec(row["ml_type"])
            assert spec is not None
            assert (spec.vcpu, spec.gpus) == (int(row["vcpu"] or 0), int(row["gpus"] or 0)), row["ml_type"]
