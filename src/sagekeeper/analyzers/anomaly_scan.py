"""One pass over the days, all series at once: surprise, what was expected, and the spells of unusual days.

In: amounts (days x series), days, which cells are known or set aside. Out: matrices of the same shape. Whatever is said of a day
rests on that day and the ones before it, and on the series itself and no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_levels import DENSE as DENSE_SHARE
from sagekeeper.analyzers.anomaly_levels import FEW, Day, Levels
from sagekeeper.analyzers.anomaly_runs import Runs
from sagekeeper.analyzers.anomaly_spells import Spells
from sagekeeper.analyzers.anomaly_tails import Tail
from sagekeeper.analyzers.anomaly_windows import MARGIN, NOTHING_NEW, RECENT, Creep, Window

FRESH_DAYS = 21
"""Days from its first cost on in which a series is only learned."""


@dataclass(frozen=True)
class Scan:
    """Matrices (days x series). ``surprise`` -log10 of the chance, ``expected`` and ``high`` amounts, ``view`` what saw it."""

    surprise: Array
    expected: Array
    high: Array
    spell: Array
    begun: Array
    elevated: Array
    view: Array


def scan(amounts: Array, days: Array, set_aside: Array, accept_after: int) -> Scan:  # noqa: PLR0915
    """See the module. ``set_aside``: cells that are neither judged nor learned; ``accept_after``: elevated days."""
    length, series = amounts.shape
    levels, runs, tail = Levels(length, series), Runs(length, series), Tail(series)
    windows, creep, spells = (Window(3, length, series), Window(7, length, series)), Creep(series), Spells(series)
    evened = np.zeros((length, series), np.float32)
    highest = np.full((length, series), -np.inf, np.float32)
    surprises, usuals, highs = np.zeros((3, length, series), np.float32)
    spell, begins, raised = np.zeros((3, length, series), bool)
    out = Scan(surprises, usuals, highs, spell, begins, raised, np.zeros((length, series), np.int8))
    since, calm_days = np.zeros(series, np.int32), np.zeros(series, np.int32)
    weekdays, months = (days.astype(np.int64) + 3) % 7, same_day_before(days)
    for at in range(length):
        known = ~np.isnan(amounts[at]) & ~set_aside[at]
        amount = np.where(known, amounts[at], 0).astype(np.float32)
        on = amount > 0
        log = np.log(np.maximum(amount, 1e-30)).astype(np.float32)
        live = on | (levels.count > 0)
        day = Day(at, int(weekdays[at]), months[at], amount, known, on, log, runs.share() > DENSE_SHARE, live)
        expected = levels.expect(day)
        plain = log - expected.week
        evened[at] = np.where(on, np.exp(np.maximum(plain, -60)), 0)

        chance_on = runs.chance_on(day)
        single = tail.log_chance((expected.residual - expected.monthly) / expected.error) + np.log(chance_on)
        recent = highest[max(0, at - RECENT) : at]
        news = (plain > (recent.max(0) if at else -np.inf) + MARGIN) & (levels.count >= FEW)
        single = np.where(on, np.where(news, single, np.maximum(single, NOTHING_NEW)), 0)
        looks = [(single, expected.log + expected.monthly - expected.week)]
        looks.append((runs.log_chance(day, chance_on, levels.count), expected.log - expected.week + np.log(chance_on)))
        looks.extend(window.judge(day, evened) for window in windows)
        looks.append(creep.judge(day, windows[-1], calm_days))
        chances = np.stack([chance for chance, _ in looks])
        view = chances.argmin(0)
        level = np.stack([base for _, base in looks])[view, levels.every]
        judged = known & live & (since >= FRESH_DAYS)
        surprise = np.where(judged, np.maximum(chances.min(0) / -np.log(10), 0), 0)

        begun, elevated = spells.step(day, surprise, level, expected.week)
        usual = expected.log + expected.monthly
        out.surprise[at], out.view[at] = surprise, view
        out.expected[at] = np.exp(np.where(spells.on, spells.base + expected.week, usual))
        out.high[at] = np.exp(np.minimum(usual + 3 * expected.error, 60))
        out.spell[at], out.begun[at], out.elevated[at] = spells.on, begun, elevated

        free = known & live & ~spells.on
        tail.learn((expected.residual - expected.monthly) / expected.error, free & on)
        levels.learn(day, expected, free & on)
        runs.learn(day, free)
        runs.step(day)
        for window in windows:
            window.learn(day, free)
        creep.learn(free)
        highest[at] = np.where(free & on, plain, -np.inf)
        since += live & known
        calm_days = np.where(free, calm_days + 1, 0)

        accepted, over = spells.usual(elevated, accept_after), spells.over()
        if accepted.any():
            mean = np.log(np.maximum(evened[max(0, at - accept_after + 1) : at + 1].mean(0), 1e-30))[accepted]
            levels.restart(accepted, mean)
            for window in windows:
                window.restart(at, accepted, mean)
            highest[at, accepted] = plain[accepted]
        if over.any():
            lately = slice(max(0, at - 13), at + 1)
            part = evened[lately]
            part[:, over] = np.where(out.elevated[lately][:, over], np.exp(spells.base[over]), part[:, over])
        spells.end(accepted | over)
    return out


def same_day_before(days: Array, months: int = 3) -> list[tuple[int, ...]]:
    """Per day the lines of the same day of the last months, where there is such a day in the calendar."""
    month = days.astype("datetime64[M]")
    of_month = (days - month.astype("datetime64[D]")).astype(np.int64)
    lines = []
    for back in range(1, months + 1):
        before = (month - back).astype("datetime64[D]") + of_month
        there = (before.astype("datetime64[M]") == month - back) & (before >= days[0])
        lines.append(np.where(there, (before - days[0]).astype(np.int64), -1))
    return [tuple(int(line) for line in row if line >= 0) for row in np.stack(lines, 1)]
