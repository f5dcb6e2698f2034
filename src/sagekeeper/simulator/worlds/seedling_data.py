"""What the seedling world's models are trained on: houses and sentences, real ones where its person has named a folder.

In: a folder with `housing.csv` (California, 1990: the columns of `COLUMNS`) and `hutto_ICWSM_2014.tar.gz` or its
`tweets_GroundTruth.txt`, at any depth; either may be absent. Out: frames. What is absent is made by seed, with the same
columns, and called made. The account keeps a copy of what it was given: it is the same when the folder has gone.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from sagekeeper.core.errors import BadInput

HOUSES, TWEETS, TEXT_ARCHIVE = "housing.csv", "tweets_GroundTruth.txt", "hutto_ICWSM_2014.tar.gz"
LABEL, PLACE = "median_house_value", "ocean_proximity"
FEATURES = (
    *("longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms"),
    *("population", "households", "median_income", PLACE),
)
COLUMNS = (*FEATURES, LABEL)
DOLLARS = 100_000.0
"""The label is counted in these, so that predictions and labels are of the size that other worlds' are."""
MADE_HOUSES, MADE_SENTENCES = 8_000, 2_400
DEAREST = 500_001.0
"""The census capped values there."""
GOOD = ("great", "lovely", "wonderful", "happy", "brilliant", "thanks", "love", "enjoyed", "perfect", "sweet")
BAD = ("awful", "sad", "terrible", "broken", "hate", "annoying", "worst", "sorry", "boring", "angry")
ABOUT = ("the train", "my phone", "this film", "the weather", "our dinner", "the match", "that song", "work today")
REST = ("again", "really", "just", "so", "quite", "a bit", "this morning", "tonight", "as always", "with friends")


class Material(NamedTuple):
    """``houses`` with `COLUMNS`, the label in `DOLLARS`; ``sentences`` with [text, positive]; whether each is real."""

    houses: pl.DataFrame
    sentences: pl.DataFrame
    real_houses: bool
    real_sentences: bool


def keep(given: Path, folder: Path) -> None:
    """Copy what the person named into the account. Raises BadInput where there is nothing of use."""
    found = {name: _find(given, name) for name in (HOUSES, TWEETS, TEXT_ARCHIVE)}
    if not any(found.values()):
        raise BadInput(
            f"{given} holds neither {HOUSES} nor {TEXT_ARCHIVE} nor {TWEETS}: see docs/simulated-account.md."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, place in found.items():
        if place is not None:
            shutil.copyfile(place, folder / name)


def material(folder: Path | None, seed: int) -> Material:
    """Houses and sentences, each in an order that the seed draws."""
    houses = _houses(folder / HOUSES) if folder and (folder / HOUSES).is_file() else None
    told = _tweets(folder) if folder else None
    return Material(
        _shuffled(_made_houses(seed) if houses is None else houses, seed),
        _shuffled(_made_sentences(seed) if told is None else _sentences(told), seed),
        houses is not None,
        told is not None,
    )


def _shuffled(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    return rows[np.random.default_rng((seed, 3)).permutation(rows.height)]


def _find(folder: Path, name: str) -> Path | None:
    return next(iter(sorted(folder.rglob(name))), None) if folder.is_dir() else None


def _houses(file: Path) -> pl.DataFrame:
    """Raises BadInput where a column is absent. Some districts have no number of bedrooms: the pipeline leaves them out."""
    rows = pl.read_csv(file, infer_schema_length=None)
    absent = sorted(set(COLUMNS) - set(rows.columns))
    if absent:
        raise BadInput(f"{file} has no column {', '.join(absent)}.")
    numbers = [pl.col(name).cast(pl.Float64) for name in COLUMNS if name != PLACE]
    return rows.with_columns(numbers).with_columns(pl.col(LABEL) / DOLLARS).select(COLUMNS)


def _tweets(folder: Path) -> str | None:
    if (folder / TWEETS).is_file():
        return (folder / TWEETS).read_text(encoding="utf-8", errors="replace")
    if not (folder / TEXT_ARCHIVE).is_file():
        return None
    with tarfile.open(folder / TEXT_ARCHIVE, "r:gz") as archive:
        member = next((item for item in archive.getmembers() if item.name.endswith(f"/{TWEETS}")), None)
        file = archive.extractfile(member) if member else None
        if file is None:
            raise BadInput(f"{TEXT_ARCHIVE} holds no {TWEETS}.")
        return file.read().decode("utf-8", "replace")


def _sentences(told: str) -> pl.DataFrame:
    """Lines of number, mean of ten people's ratings from -4 to 4, text."""
    rows = [line.split("\t", 2) for line in told.splitlines()]
    good = [(row[2].strip(), float(row[1]) > 0) for row in rows if len(row) == 3]
    return pl.DataFrame(good, schema={"text": pl.String, "positive": pl.Boolean}, orient="row")


def _made_houses(seed: int) -> pl.DataFrame:
    """Districts along a coast: dear near the water, in the cities, and where incomes are high."""
    chance, count = np.random.default_rng((seed, 1)), MADE_HOUSES
    along, inland = chance.beta(1.2, 1.2, count), chance.gamma(1.6, 0.9, count)
    latitude, longitude = 32.6 + 9.0 * along, -117.2 - 6.6 * along + inland
    bay, island = (np.abs(latitude - 37.8) < 0.5) & (inland < 0.8), chance.random(count) < 0.001
    place = np.select(
        [island, bay, inland < 0.25, inland < 1.2], ["ISLAND", "NEAR BAY", "NEAR OCEAN", "<1H OCEAN"], "INLAND"
    )
    households = np.round(chance.lognormal(6.0, 0.6, count))
    rooms = np.round(households * chance.normal(5.3, 0.9, count).clip(2))
    income = chance.gamma(4.0, 0.95, count).clip(0.5, 15).round(4)
    age = chance.integers(2, 53, count).astype(float)
    city = np.exp(-(((latitude - 34.0) / 0.6) ** 2)) + np.exp(-(((latitude - 37.7) / 0.5) ** 2))
    worth = 38_000 * income + 70_000 * np.exp(-inland) + 60_000 * city + 400 * age + 20_000
    value = (worth * chance.lognormal(0.0, 0.2, count)).clip(15_000, DEAREST) / DOLLARS
    columns = {
        "longitude": longitude.round(2),
        "latitude": latitude.round(2),
        "housing_median_age": age,
        "total_rooms": rooms,
        "total_bedrooms": np.round(rooms * 0.205),
        "population": np.round(households * chance.normal(2.9, 0.5, count).clip(1)),
        "households": households,
        "median_income": income,
        PLACE: place,
        LABEL: value.round(5),
    }
    return pl.DataFrame(columns).select(COLUMNS)


def _made_sentences(seed: int) -> pl.DataFrame:
    """Short sentences whose word of feeling tells their side; one in ten has a word of the other side."""
    chance = np.random.default_rng((seed, 2))
    texts, sides = [], []
    for positive in chance.random(MADE_SENTENCES) < 0.6:
        words = GOOD if positive != (chance.random() < 0.1) else BAD
        about, rest, feeling = chance.choice(ABOUT), chance.choice(REST), chance.choice(words)
        texts.append(f"{about} {rest}, {feeling} {chance.choice(REST)}")
        sides.append(bool(positive))
    return pl.DataFrame({"text": texts, "positive": sides})
