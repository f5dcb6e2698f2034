"""What the pages stand on, opened once per server: settings, lake, ledger, and the time.

The time is the settings' clock, never the machine's own where another is set; a clock that does not answer must not
take the pages down: then the newest data says what time to speak of, and the page says so.
"""

from __future__ import annotations

import urllib.error
from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st

from sagekeeper.core.clock import day_start, http_clock, system_clock
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.settings import Settings, load_settings
from sagekeeper.reports.views import freshness


@dataclass(frozen=True)
class Opened:
    """Settings, lake and ledger of this server."""

    settings: Settings
    lake: Lake
    ledger: Ledger


@dataclass(frozen=True)
class Moment:
    """The time to speak of, and why it is not the clock's, where it is not."""

    as_of: datetime
    trouble: str | None = None

    @property
    def end_of_day(self) -> datetime:
        """The last instant of the day: what views that are kept for a day are asked for."""
        return day_start(self.as_of.date()) + timedelta(days=1) - timedelta(microseconds=1)

    @property
    def hour(self) -> datetime:
        """The full hour: what views that are kept for an hour are asked for."""
        return self.as_of.replace(minute=0, second=0, microsecond=0)


@st.cache_resource(show_spinner=False)
def opened() -> Opened:
    """Open everything once per server."""
    settings = load_settings()
    return Opened(settings, Lake(settings.lake_root, settings.lake_options), open_ledger(settings.ledger_address))


@st.cache_data(ttl=2, show_spinner=False)
def moment() -> Moment:
    """Now, by the settings' clock; where that does not answer, the time of the newest data."""
    here = opened()
    if here.settings.clock_url is None:
        return Moment(system_clock())
    try:
        return Moment(http_clock(here.settings.clock_url, timeout_s=2.0)())
    except (OSError, urllib.error.URLError, ValueError, KeyError) as error:
        last = freshness.last_collected(here.ledger)
        sentence = (
            f"The clock at {here.settings.clock_url} does not answer ({error}). Figures are as of the last collection."
        )
        return Moment(last or system_clock(), sentence)
