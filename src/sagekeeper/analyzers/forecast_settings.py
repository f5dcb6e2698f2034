"""What can be set about forecasts. Defaults were chosen on `benchmarks/forecast.py`, seeds 1 to 99."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LEVELS = (0.025, 0.10, 0.5, 0.90, 0.975)
"""The quantiles of ``low95, low80, median, high80, high95``."""
QUANTILES = ("low95", "low80", "median", "high80", "high95")


class ForecastSettings(BaseModel):
    """How spend is forecast."""

    model_config = ConfigDict(frozen=True)

    horizon: Literal["month-end"] | int = Field(
        "month-end", description="month-end: the month of the origin; a number: so many days after it"
    )
    provisional_days: int | None = Field(
        None,
        ge=0,
        le=7,
        description="last days that AWS may still fill up: what they show is their least; none: as the series look",
    )
    holidays: tuple[str, ...] = Field(
        ("12-24", "12-25", "12-26", "12-27", "12-28", "12-29", "12-30", "12-31", "01-01"),
        description="days on which people are away, month-day or year-month-day: what rests on Sundays rests on them",
    )
    learn_days: int = Field(280, ge=28, le=1100, description="days of history that are looked at")
    pooled_weight: float = Field(
        200.0, ge=0, description="past errors of a kind of series that weigh as much as those of all series alike"
    )
