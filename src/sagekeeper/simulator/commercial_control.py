"""What a control request says of the organisation's commercial terms: people agree on these outside of any API.

In: JSON with ``credits``, ``refunds``, ``corrections``, ``discounts`` (lists that are added to what there is) and
``tax_rate`` (a number in its place). Done: `World.commercial` has them, and every bill is made anew. Out of it again: the
terms as plain values. Savings Plans are bought through their own API.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.commercial import Commercial, Correction, Credit, PrivateDiscount, Refund
from sagekeeper.simulator.operations import House
from sagekeeper.simulator.world import PAYER, REGIONS, World

DISCOUNTS = ("PrivateRateDiscount", "EdpDiscount", "BundledDiscount")


def set_terms(house: House, given: dict[str, Any], at: datetime) -> None:
    """Take over what is given. Raises BadInput, and then nothing has changed."""
    unknown = set(given) - {*READ, "tax_rate"}
    if unknown or not given:
        raise BadInput(
            f"Commercial terms are {', '.join(READ)} (lists) and tax_rate, not {', '.join(sorted(unknown))}."
        )
    made = {name: [_read(name, item, at) for item in given[name]] for name in READ if name in given}
    rate = given.get("tax_rate", house.world.commercial.tax_rate)
    if not isinstance(rate, int | float) or not 0 <= rate < 1:
        raise BadInput("tax_rate is a share of the charges, such as 0.2.")
    terms = house.world.commercial
    for name, items in made.items():
        getattr(terms, name).extend(items)
    terms.tax_rate = float(rate)
    changed(house.world)
    house.journal.write("commercial", at, given=given)


def changed(world: World) -> None:
    """Whatever was kept of bills is stale."""
    world.commercial.version += 1
    world.at(PAYER, REGIONS[0]).version += 1


def terms_of(terms: Commercial) -> dict[str, Any]:
    """The terms as plain values."""
    plain: dict[str, Any] = _plain(asdict(terms))
    del plain["version"]
    return plain


def _read(name: str, item: Any, at: datetime) -> Any:
    try:
        return READ[name](dict(item), at)
    except (KeyError, TypeError, ValueError) as wrong:
        raise BadInput(f"An entry of {name} cannot be read ({type(wrong).__name__}: {wrong}): {item}") from wrong


def _credit(item: dict[str, Any], at: datetime) -> Credit:
    begins = _day(item.pop("begins", at.date().isoformat()))
    told = Credit(
        str(item.pop("name")),
        _positive(item.pop("amount")),
        begins,
        _day(item.pop("expires")),
        str(item.pop("account", PAYER)),
        _texts(item.pop("services", ())),
    )
    return _whole(told, item)


def _refund(item: dict[str, Any], at: datetime) -> Refund:
    told = Refund(
        str(item.pop("account", PAYER)),
        str(item.pop("service")),
        _positive(item.pop("amount")),
        _day(item.pop("day")),
        _moment(item.pop("posted", at.isoformat())),
        str(item.pop("reason", Refund.reason)),
    )
    return _whole(told, item)


def _correction(item: dict[str, Any], at: datetime) -> Correction:
    told = Correction(
        str(item.pop("usage_type")),
        _day(item.pop("first")),
        _day(item.pop("last")),
        _positive(item.pop("factor")),
        _moment(item.pop("posted", at.isoformat())),
        item.pop("account", None),
    )
    return _whole(told, item)


def _discount(item: dict[str, Any], at: datetime) -> PrivateDiscount:
    kind, share, until = item.pop("kind"), float(item.pop("share")), item.pop("until", None)
    if kind not in DISCOUNTS or not 0 < share < 1:
        raise ValueError(f"kind is one of {', '.join(DISCOUNTS)}, share between 0 and 1")
    told = PrivateDiscount(
        kind,
        share,
        _day(item.pop("since", at.date().isoformat())),
        None if until is None else _day(until),
        _texts(item.pop("services", ())),
        _texts(item.pop("usage_types", ())),
    )
    return _whole(told, item)


READ: dict[str, Callable[[dict[str, Any], datetime], Any]] = {
    "credits": _credit,
    "refunds": _refund,
    "corrections": _correction,
    "discounts": _discount,
}


def _whole(told: Any, left: dict[str, Any]) -> Any:
    if left:
        raise ValueError(f"unknown: {', '.join(sorted(left))}")
    return told


def _positive(given: Any) -> float:
    amount = float(given)
    if not 0 <= amount < float("inf"):
        raise ValueError("amounts and factors are not negative")
    return amount


def _texts(given: Any) -> tuple[str, ...]:
    if isinstance(given, str):
        raise TypeError("services and usage types are lists")
    return tuple(str(item) for item in given)


def _day(given: Any) -> date:
    return date.fromisoformat(str(given))


def _moment(given: Any) -> datetime:
    moment = datetime.fromisoformat(str(given).replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
