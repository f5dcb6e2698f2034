"""AWS Cost and Usage Reports to the lake's costs: legacy names (``lineItem/UnblendedCost``), the Athena spelling and
CUR 2.0.

In: text rows of a CUR. Out: costs rows with FOCUS meaning. Billed is the unblended cost, so that every row of the
invoice counts once; effective follows the line item type by `RULES` (aws-facts 4.4, which is the rule of AWS's own
CUR queries); list is the public on-demand cost; contracted is not stated by a CUR and stays unknown. Rows of split
cost allocation repeat what their parent rows bill and are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial

import polars as pl

from sagekeeper.collector.bill_file import ROW, BillFile, utc_times
from sagekeeper.collector.bill_format import (
    NO_OBJECT,
    BillFormat,
    Turn,
    TurnedRows,
    empty,
    no_numbers,
    no_object,
    no_times,
    quantity,
)
from sagekeeper.collector.cur_rules import (
    DISCOUNTS,
    LISTED,
    NET,
    NETS,
    NOTHING,
    RESERVATION_FEE,
    RULES,
    UNBLENDED,
    UNKNOWN_TYPE,
    ZERO,
    Rule,
)
from sagekeeper.collector.exact import negated

Text = Callable[[str], pl.Expr]
"""A CUR column by its legacy name; null where the file has no such column."""

IN_MAP = "product_name"
"""The product's name, within the map."""
START, END = "lineItem/UsageStartDate", "lineItem/UsageEndDate"
INTERVAL = "identity/TimeInterval"
"""``start/end``: where an export leaves out the two columns, it says the same."""
NEEDED = (UNBLENDED, "lineItem/LineItemType", START, "lineItem/CurrencyCode")
NULLS = ("NULL", "null", "None")
"""Texts that programs write for nothing into amounts, times and ARNs. In a tag they may be what somebody wrote."""
AMOUNTS = (
    LISTED,
    *NETS,
    *NETS.values(),
    "savingsPlan/TotalCommitmentToDate",
    "savingsPlan/UsedCommitment",
    "lineItem/UsageAmount",
)
TIMES = {
    "ChargePeriodStart": START,
    "ChargePeriodEnd": END,
    "BillingPeriodStart": "bill/BillingPeriodStartDate",
    "BillingPeriodEnd": "bill/BillingPeriodEndDate",
}
TEXTS: dict[str, tuple[str, ...]] = {
    "BillingAccountId": ("bill/PayerAccountId",),
    "SubAccountId": ("lineItem/UsageAccountId",),
    "SubAccountName": ("lineItem/UsageAccountName",),
    "ChargeDescription": ("lineItem/LineItemDescription",),
    "InvoiceIssuerName": ("bill/InvoicingEntity", "lineItem/LegalEntity"),
    "PublisherName": ("lineItem/LegalEntity",),
    "ServiceName": ("product/ProductName", IN_MAP, "product/servicename", "lineItem/ProductCode"),
    "ServiceCategory": ("product/productFamily",),
    "RegionId": ("product/regionCode", "product/region"),
    "ResourceId": ("lineItem/ResourceId",),
    "SkuId": ("product/sku",),
    "PricingUnit": ("pricing/unit",),
    "BillingCurrency": ("lineItem/CurrencyCode",),
    "CommitmentDiscountId": ("savingsPlan/SavingsPlanARN", "reservation/ReservationARN"),
    "x_UsageType": ("lineItem/UsageType",),
    "x_Operation": ("lineItem/Operation",),
    "x_RecordType": ("lineItem/LineItemType",),
}
"""A costs column and where it comes from: the first that has a value."""

PRODUCT_NAMES = {
    "AmazonSageMaker": "Amazon SageMaker",
    "MachineLearningSavingsPlans": "Savings Plans for AWS Machine Learning",
}
"""Product codes, for reports that have no product columns, and the names that Cost Explorer and other reports use."""
TAGS = ("resourcetags", "notags")
PRODUCT = "product"
"""CUR 2.0's map of what legacy names ``product/ProductName`` and so on."""
OTHERS = (PRODUCT, INTERVAL, "bill/InvoiceId", "pricing/term", "splitLineItem/ParentResourceId")
BLANKED = (
    *AMOUNTS,
    *TIMES.values(),
    INTERVAL,
    "bill/InvoiceId",
    "savingsPlan/SavingsPlanARN",
    "reservation/ReservationARN",
    "splitLineItem/ParentResourceId",
)
"""Columns in which `NULLS` mean nothing."""
_READ = tuple(
    dict.fromkeys((*NEEDED, *AMOUNTS, *TIMES.values(), *(name for of in TEXTS.values() for name in of), *OTHERS))
)


def _folded(name: str) -> str:
    """One spelling for ``lineItem/UnblendedCost`` and ``line_item_unblended_cost``."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _known(columns: Sequence[str]) -> dict[str, str]:
    """Our name -> the file's name."""
    first: dict[str, str] = {}
    for name in columns:
        first.setdefault(_folded(name), name)
    return {name: first[_folded(name)] for name in _READ if _folded(name) in first}


def _tag_columns(columns: Sequence[str]) -> dict[str, str]:
    """The file's name -> the tag's key. The customer's own keys without AWS's ``user:``; CUR 2.0's map has no key."""
    keys = {}
    for name in columns:
        kind = next((kind for kind in TAGS if _folded(name).startswith(kind)), None)
        if kind:
            key = re.sub(r"^(resource_?tags|no_?tags)[/_]?", "", name, flags=re.IGNORECASE)
            keys[name] = re.sub(r"^user[:_]", "", key)
    return keys


def _missing(columns: Sequence[str]) -> list[str]:
    """As the file would spell them."""
    known = _known(columns)
    missing = [name for name in NEEDED if name not in known and not (name == START and INTERVAL in known)]
    legacy = any("/" in name for name in known.values())
    return missing if legacy or not known else [_athena(name) for name in missing]


def _athena(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("/", "_").lower()


def _cleaned(rows: pl.DataFrame) -> pl.DataFrame:
    """Without texts that mean nothing, and with the start and end that only an interval may state."""
    known = _known(rows.columns)
    rows = rows.with_columns(
        pl.when(~pl.col(known[name]).is_in(NULLS)).then(known[name]).alias(known[name])
        for name in BLANKED
        if name in known
    )
    if START in known or INTERVAL not in known:
        return rows
    ends = pl.col(known[INTERVAL]).str.split_exact("/", 1)
    return rows.with_columns(
        ends.struct.field(field).alias(name)
        for name, field in ((START, "field_0"), (END, "field_1"))
        if name not in known
    )


def _wanted(columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys((*_known(columns).values(), *_tag_columns(columns))))


def _turner(files: Sequence[BillFile]) -> Turn:
    return partial(_turn, nets=_states_nets(files))


def _states_nets(files: Sequence[BillFile]) -> bool:
    """Whether the bill, in whichever of its files and rows, states net costs. CUR 2.0 has their columns also for accounts
    without discounts, and nothing in them; and what a discount's own line means cannot be seen from that line."""
    for bill in files:
        known = _known(bill.columns)
        names = [known[name] for name in NETS.values() if name in known]
        for rows in bill.batches(names, CUR.null_texts) if names else ():
            amounts = (pl.col(name).str.strip_chars().cast(pl.Float64, strict=False) for name in names)
            if any(rows.select((amount != 0).any() for amount in amounts).row(0)):
                return True
    return False


def _turn(bill: BillFile, rows: pl.DataFrame, nets: bool) -> TurnedRows:
    rows = _cleaned(rows)
    known = _known(rows.columns)

    def has(name: str) -> bool:
        return name in known

    def text(name: str) -> pl.Expr:
        if name == IN_MAP and has(PRODUCT):
            return pl.col(known[PRODUCT]).str.json_path_match(f"$.{IN_MAP}")
        if name == "lineItem/ProductCode" and has(name):
            return pl.col(known[name]).replace(PRODUCT_NAMES)
        return pl.col(known[name]) if has(name) else pl.lit(None, pl.String)

    times = {ours: utc_times(rows, known[name]) for ours, name in TIMES.items() if has(name)}
    bill.refuse(
        rows,
        *empty([known[name] for name in NEEDED]),
        *no_numbers([known[name] for name in AMOUNTS if has(name)]),
        *no_times({known[TIMES[ours]]: moment for ours, moment in times.items()}, [known[START]]),
    )
    if not nets:
        known = {name: theirs for name, theirs in known.items() if name not in NETS.values()}
    split = text("splitLineItem/ParentResourceId").is_not_null()
    kind = (
        pl.when((text("lineItem/LineItemType") == "Fee") & text("reservation/ReservationARN").is_not_null())
        .then(pl.lit("Fee of a reservation"))
        .otherwise(text("lineItem/LineItemType"))
    )
    tagged = _tag_columns(rows.columns)
    maps = [name for name, key in tagged.items() if not key]
    unread = {name: int(rows.select(no_object(rows, name).sum()).item()) for name in maps}
    rows = rows.with_columns(pl.when(~no_object(rows, name)).then(name).alias(name) for name in maps)
    whole = rows.with_columns(kind.alias("kind"), split.alias("split"))
    kept = whole.filter(~pl.col("split"))
    rules = RULES | {"Fee of a reservation": RESERVATION_FEE}

    def ruled(value_of: dict[str, str | None], default: str | None) -> pl.Expr:
        return pl.col("kind").replace_strict(value_of, default=default, return_dtype=pl.String)

    def by_rule(term_of: Callable[[Rule], str]) -> pl.Expr:
        chosen = _term(term_of(UNKNOWN_TYPE), text)
        for name, rule in rules.items():
            chosen = pl.when(pl.col("kind") == name).then(_term(term_of(rule), text)).otherwise(chosen)
        return chosen

    def after_discounts(term_of: Callable[[Rule], str]) -> pl.Expr:
        # A discount is in the net costs of what it was given on: its own line adds what its net column says, or nothing.
        alone = pl.coalesce(text(NET), pl.lit("0"))
        whole = by_rule(term_of)
        return pl.when(pl.col("kind").is_in(DISCOUNTS)).then(alone).otherwise(whole) if has(NET) else whole

    turned = kept.select(
        ROW,
        *((times[ours] if ours in times else pl.lit(None, pl.Datetime("us", "UTC"))).alias(ours) for ours in TIMES),
        *(pl.coalesce([text(name) for name in names]).alias(ours) for ours, names in TEXTS.items()),
        ruled({name: rule.category for name, rule in rules.items()}, UNKNOWN_TYPE.category).alias("ChargeCategory"),
        ruled({name: rule.frequency for name, rule in rules.items()}, UNKNOWN_TYPE.frequency).alias("ChargeFrequency"),
        ruled({name: rule.commitment for name, rule in rules.items()}, None).alias("CommitmentDiscountStatus"),
        pl.when(text("savingsPlan/SavingsPlanARN").is_not_null())
        .then(pl.lit("Savings Plan"))
        .when(text("reservation/ReservationARN").is_not_null())
        .then(pl.lit("Reserved Instance"))
        .alias("CommitmentDiscountType"),
        pl.lit("AWS").alias("ProviderName"),
        *(pl.lit(None, pl.String).alias(name) for name in ("ChargeClass", "ResourceName", "ResourceType")),
        _pricing(text).alias("PricingCategory"),
        *_quantities(known, text),
        text(UNBLENDED).alias("billed"),
        after_discounts(lambda rule: rule.effective[0]).alias("effective"),
        by_rule(lambda rule: rule.effective[1] if len(rule.effective) > 1 else NOTHING).alias("effective_more"),
        by_rule(lambda rule: rule.listed).alias("list"),
        after_discounts(lambda rule: rule.contracted).alias("contracted"),
        (_tags(tagged) if tagged else pl.lit(None, pl.String)).alias("Tags"),
        # An open bill has no invoice yet: AWS may still restate it.
        (text("bill/InvoiceId").is_null() if has("bill/InvoiceId") else pl.lit(None, pl.Boolean)).alias("x_Estimated"),
        times["ChargePeriodStart"].dt.date().alias("x_ChargeDate"),
    )
    return TurnedRows(turned, _remarks(whole) | {NO_OBJECT: sum(unread.values())})


def _term(name: str, text: Text) -> pl.Expr:
    if name == NOTHING:
        return pl.lit(None, pl.String)
    if name == ZERO:
        return pl.lit("0")
    gross = text(name.removeprefix("-"))
    column = pl.coalesce(text(NETS[name]), gross) if name in NETS else gross
    return negated(column) if name.startswith("-") else column


def _pricing(text: Text) -> pl.Expr:
    term = text("pricing/term")
    return (
        pl.when(pl.col("kind").is_in(["SavingsPlanCoveredUsage", "DiscountedUsage"]) | (term == "Reserved"))
        .then(pl.lit("Committed"))
        .when(term == "Spot")
        .then(pl.lit("Dynamic"))
        .when(term == "OnDemand")
        .then(pl.lit("Standard"))
    )


def _quantities(known: dict[str, str], text: Text) -> list[pl.Expr]:
    name = known.get("lineItem/UsageAmount")
    amount = quantity(name) if name else pl.lit(None, pl.Float64)
    unit = text("pricing/unit")
    used = pl.col("kind").is_in(["Usage", "SavingsPlanCoveredUsage", "DiscountedUsage"])
    return [
        amount.alias("PricingQuantity"),
        pl.when(used).then(amount).alias("ConsumedQuantity"),
        pl.when(used).then(unit).alias("ConsumedUnit"),
    ]


def _tags(tagged: dict[str, str]) -> pl.Expr:
    """All tags that a row has as one JSON object; CUR 2.0's map already is one."""
    maps = [name for name, key in tagged.items() if not key]
    pairs = [
        pl.when(pl.col(name).is_not_null()).then(
            pl.lit(json.dumps(key) + ":")
            + pl.struct(pl.col(name).alias("v")).struct.json_encode().str.slice(5).str.strip_suffix("}")
        )
        for name, key in tagged.items()
        if key
    ]
    if not pairs:
        # CUR 2.0 writes the customer's own keys with ``user_`` before them; a quote within a text is escaped.
        return pl.col(maps[0]).str.replace_all(r'([{,]\s*)"user[:_]', '${1}"')
    joined = pl.concat_str(pairs, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(pl.lit("{") + joined + pl.lit("}"))


def _remarks(whole: pl.DataFrame) -> dict[str, int]:
    split = int(whole["split"].sum())
    strange = whole.filter(~pl.col("kind").is_in([*RULES, "Fee of a reservation"]) & ~pl.col("split"))["kind"]
    remarks = {"{n} rows of split cost allocation were left out: their parent rows bill the same.": split}
    for name, count in strange.value_counts(sort=True).iter_rows():
        remarks[f"{{n}} rows of line item type {name!r}, which is not known here, are kept as Adjustment."] = count
    return remarks


CUR = BillFormat(
    name="cur",
    source="cur",
    title="AWS Cost and Usage Report",
    null_texts=("",),
    needed=NEEDED,
    missing=_missing,
    wanted=_wanted,
    turner=_turner,
)
