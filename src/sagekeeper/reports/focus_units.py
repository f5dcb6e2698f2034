"""Units as FOCUS writes them: AWS bills "Hrs" and "GB-Mo", FOCUS 1.2 (UnitFormat) has "Hours" and "GB-Months".

In: a unit as a Cost and Usage Report states it, or a usage type of a bill that states none (Cost Explorer). Out: the unit
in FOCUS's format. A unit that is not known here keeps its words; what FOCUS cannot write (a second hyphen) becomes a space.
"""

from __future__ import annotations

import polars as pl

PARTS = {
    r"(?i)\bhrs?\b": "Hours",
    r"(?i)\bmo\b": "Months",
    r"(?i)\bhour\b": "Hours",
    r"(?i)\bmonth\b": "Months",
    r"(?i)\bseconds?\b": "Seconds",
    r"(?i)\bsec\b": "Seconds",
    r"(?i)\bminutes?\b": "Minutes",
    r"(?i)\bdays?\b": "Days",
    r"(?i)^bytes$": "B",
    r"(?i)^gigabytes?$": "GB",
    r"(?i)^count$": "Units",
}
"""What AWS's price lists write, and FOCUS's word for it."""
IN_TIME = r"^(.*)-(Years|Months|Days|Hours|Minutes|Seconds)$"

OF_USAGE_TYPE = (
    (r"(?i)VolumeUsage|TimedStorage|StorageUsage|Storage-ByteHrs|ByteHrs|-Storage$", "GB-Months"),
    (r"(?i)GB-Second", "GB-Seconds"),
    (r"(?i)GB-Hours", "GB-Hours"),
    (r"(?i)BoxUsage|SpotUsage|HeavyUsage|InstanceUsage|NodeUsage|LoadBalancerUsage", "Hours"),
    (r"ml\.[a-z0-9-]+\.[0-9a-z-]+|-Hours?:|Hours$", "Hours"),
    (r"(?i)Bytes", "GB"),
    (r"(?i)Request", "Requests"),
)  # fmt: skip
"""Cost Explorer says how much but not of what: the usage type does (aws-facts 4, usage types). The first that fits."""


def focus_unit(unit: pl.Expr) -> pl.Expr:
    """A unit of an AWS price list in FOCUS's format."""
    written = unit.str.strip_chars()
    for pattern, word in PARTS.items():
        written = written.str.replace_all(pattern, word)
    counted = written.str.extract(IN_TIME, 1)
    plain = (
        pl.when(counted.is_not_null())
        .then(pl.concat_str(_words(counted), written.str.extract(IN_TIME, 2), separator="-"))
        .otherwise(_words(written))
    )
    # A unit with a slash or a number in front is FOCUS's own way of writing already.
    kept = pl.when(written.str.contains(r"^[0-9]+ |/")).then(written).otherwise(plain)
    return pl.when(kept != "").then(kept)


def unit_of_usage_type(usage_type: pl.Expr) -> pl.Expr:
    """The unit that the quantity of a usage type is counted in; null where it does not say."""
    found: pl.Expr = pl.lit(None, pl.String)
    for pattern, unit in reversed(OF_USAGE_TYPE):
        found = pl.when(usage_type.str.contains(pattern)).then(pl.lit(unit)).otherwise(found)
    return found


def _words(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(r"[^A-Za-z0-9]+", " ").str.strip_chars()
