"""How values are said to people, and how foreign text is made harmless on the way.

In: numbers, times, names from AWS. Out: short strings. Unknown is the word "unknown", never a zero. Names and tags
are text that strangers can write: each place they go to (Markdown, plotly's labels, CSV cells, mail headers) has one
function here that takes their meaning away.
"""

from __future__ import annotations

import html
import re
from datetime import date, datetime
from decimal import Decimal

import polars as pl

SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
UNKNOWN = "unknown"

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>&$^=\"'/])")
_SHORTCODE = re.compile(r":(?=[\w/+-]+:|[a-z-]+\\?\[)")
_LINK_START = re.compile(r"(?i)(:(?=\\?/\\?/)|www(?=\\?\.)|@)")
_WORD_JOINER = "\u2060"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")


def money(amount: Decimal | float | None, currency: str = "USD", decimals: int = 2) -> str:
    """An amount with its currency.

    >>> money(Decimal("1234.5")), money(-3.456), money(12, "CHF"), money(None)
    ('$1,234.50', '-$3.46', '12.00 CHF', 'unknown')
    """
    if amount is None:
        return UNKNOWN
    rounded = Decimal(str(amount)).quantize(Decimal(1).scaleb(-decimals))
    sign, figure = ("-" if rounded < 0 else ""), f"{abs(rounded):,.{decimals}f}"
    return f"{sign}{SIGNS[currency]}{figure}" if currency in SIGNS else f"{sign}{figure} {currency}"


def big_money(amount: Decimal | float | None, currency: str = "USD") -> str:
    """An amount for a headline: no cents where they are noise.

    >>> big_money(18904.4), big_money(99.5)
    ('$18,904', '$99.50')
    """
    return money(amount, currency, 0 if amount is not None and abs(Decimal(str(amount))) >= 1000 else 2)


def money_range(low: Decimal | float, high: Decimal | float, currency: str = "USD") -> str:
    """From low to high; one figure where they are the same.

    >>> money_range(10, 2000), money_range(5, 5)
    ('$10.00 to $2,000', '$5.00')
    """
    first, last = big_money(low, currency), big_money(high, currency)
    return first if first == last else f"{first} to {last}"


def percent(share: float | None, decimals: int = 0) -> str:
    """A share as a percentage; a small one is not rounded to nothing.

    >>> percent(0.254), percent(0.0004), percent(None)
    ('25 %', '0.04 %', 'unknown')
    """
    if share is None:
        return UNKNOWN
    if share and abs(share) < 0.005 and decimals == 0:
        decimals = 2
    return f"{share * 100:.{decimals}f} %"


def change(now: float | Decimal | None, before: float | Decimal | None) -> str | None:
    """By how much more or less; None where there is nothing to compare with.

    >>> change(112, 100), change(99.9, 100), change(1, None)
    ('+12 %', '±0 %', None)
    """
    if now is None or not before:
        return None
    share = round((float(now) / float(before) - 1) * 100)
    return f"{share:+d} %" if share else "±0 %"


def day(value: date | datetime | None) -> str:
    """A day: ``20 Nov 2026``."""
    return UNKNOWN if value is None else f"{value.day} {value:%b %Y}"


def short_day(value: date | datetime | None) -> str:
    """A day of a year that is plain from the context: ``20 Nov``."""
    return UNKNOWN if value is None else f"{value.day} {value:%b}"


def moment(value: datetime | None) -> str:
    """A time, UTC and said so."""
    return UNKNOWN if value is None else f"{value.day} {value:%b %Y %H:%M} UTC"


def ago(then: datetime | None, now: datetime) -> str:
    """How long since.

    >>> ago(datetime(2026, 1, 1, 8), datetime(2026, 1, 1, 11, 20))
    '3 hours ago'
    """
    if then is None:
        return "never"
    seconds = (now - then).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "finding"), count(3, "finding"), count(2, "proxy", "proxies")
    ('1 finding', '3 findings', '2 proxies')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def plain(text: str) -> str:
    """One line without control or direction-changing characters: for mail headers, CSV cells, everything.

    >>> plain("fraud\\r\\nBcc: all@example.com")
    'fraud Bcc: all@example.com'
    """
    return _CONTROL.sub(" ", text)


def in_markdown(text: str) -> str:
    """Text that Markdown shows exactly as it is: no link, picture, formula, colour or emoji can hide in it.

    Addresses and emoji codes are recognised in plain text too, after escapes are gone; an invisible joiner keeps them apart.

    >>> in_markdown("[pay](x) *now*")
    '\\\\[pay\\\\]\\\\(x\\\\) \\\\*now\\\\*'
    """
    escaped = _MARKDOWN.sub(r"\\\1", plain(text))
    return _LINK_START.sub(r"\1" + _WORD_JOINER, _SHORTCODE.sub(":" + _WORD_JOINER, escaped))


def in_code(text: str) -> str:
    """Text as a Markdown code span, whatever backticks it has."""
    shown = plain(text)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def in_figure(text: str, longest: int = 48) -> str:
    """Text for a plotly label: its few HTML tags are taken literally, long names keep their ends.

    >>> in_figure("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    """
    shown = plain(text)
    if len(shown) > longest:
        half = (longest - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    return html.escape(shown, quote=False)


def in_cell(text: str) -> str:
    """Text for a CSV cell that no spreadsheet runs as a formula (a leading apostrophe makes it text).

    >>> in_cell("=HYPERLINK(1)"), in_cell("fraud")
    ("'=HYPERLINK(1)", 'fraud')
    """
    shown = plain(text)
    return f"'{shown}" if text.lstrip(" ").startswith(_FORMULA_START) or shown.startswith(_FORMULA_START) else shown


def in_cells(column: str) -> pl.Expr:
    """A text column as `in_cell` writes each of its cells, for bills of any length."""
    text = pl.col(column)
    shown = text.str.replace_all(_CONTROL.pattern, " ")
    start = f"^[{re.escape(''.join(_FORMULA_START))}]"
    formula = text.str.strip_chars_start(" ").str.contains(start) | shown.str.contains(start)
    return pl.when(formula).then(pl.lit("'") + shown).otherwise(shown).alias(column)


def probability(chance: float) -> str:
    """A chance of something to come, which is never certain.

    >>> probability(0.9999), probability(0.634), probability(0.001)
    ('over 99 %', '63 %', 'under 1 %')
    """
    if chance > 0.99:
        return "over 99 %"
    return "under 1 %" if chance < 0.01 else f"{100 * chance:.0f} %"
