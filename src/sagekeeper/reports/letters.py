"""Template and values -> the HTML and the text of a letter. HTML escapes everything; text loses control characters.

Templates are in ``templates/``, a ``.html`` and a ``.txt`` each; a value that a template names and nobody gave is an
error, not a blank.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sagekeeper.reports import wording as say

TEMPLATES = Path(__file__).with_name("templates")


def render(name: str, **values: Any) -> tuple[str, str]:
    """(html, text) of the template ``name``."""
    html = _environment(as_html=True).get_template(f"{name}.html").render(values)
    text = _environment(as_html=False).get_template(f"{name}.txt").render(values)
    return html, text


@lru_cache(maxsize=2)
def _environment(as_html: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=as_html,  # noqa: S701 (the other half is plain text)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=None if as_html else _one_line,
    )
    environment.filters |= {
        "money": say.money,
        "big_money": say.big_money,
        "percent": say.percent,
        "day": say.day,
        "short_day": say.short_day,
        "moment": say.moment,
    }
    return environment


def _one_line(value: Any) -> Any:
    return say.plain(value) if isinstance(value, str) else value
