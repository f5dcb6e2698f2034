"""Gradient-boosted trees that are really trained, kept in XGBoost's own format, and asked: what house prices are told by.

In: rows of CSV with the label first, with a header or without; a column of text is a category, and its categories are kept
with the model. Out: the model.tar.gz that SageMaker's XGBoost container leaves (``xgboost-model``), and its metrics on both
sets of rows. One thread, so that the same rows give the same model. XGBoost is an extra, imported when it is needed.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.artefacts import packed, unpacked

FILE = "xgboost-model"
ROUNDS = "num_round"
KNOWN = {
    **dict.fromkeys(("max_depth", "max_bin", "max_leaves", "seed"), int),
    **dict.fromkeys(("eta", "gamma", "min_child_weight", "subsample", "colsample_bytree", "alpha", "lambda"), float),
    **dict.fromkeys(("objective", "tree_method", "eval_metric"), str),
}
"""The hyperparameters of the container that are heeded, with their types."""
MOST_CATEGORIES = 100
MISSING = ("", "nan", "NaN", "NA", "null")


class Trained(NamedTuple):
    """What a training job leaves: its model.tar.gz, and its metrics by name."""

    artefact: bytes
    metrics: dict[str, float]


class WrongRows(ValueError):
    """What cannot be trained on, or asked: the message says why."""


@dataclass(frozen=True)
class Trees:
    """A model, with what it calls its columns and the categories of those that are text."""

    booster: Any
    features: tuple[str, ...]
    categories: dict[str, list[str]]

    def predicted(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """One prediction a row. What is no number, or a category that was not trained on, is taken as missing."""
        matrix = np.column_stack([self._encoded(name, np.asarray(columns[name])) for name in self.features])
        rows = _xgboost().DMatrix(
            matrix, feature_names=list(self.features), feature_types=self._types(), enable_categorical=True, nthread=1
        )
        return np.asarray(self.booster.predict(rows), dtype=float)

    def answers(self, lines: list[str]) -> np.ndarray:
        """Predictions for rows of CSV as a client sends them. Raises WrongRows for what the container refuses."""
        cells = [line.split(",") for line in lines]
        for row in cells:
            if len(row) != len(self.features):
                raise WrongRows(f"Feature shape mismatch, expected: {len(self.features)}, got {len(row)}")
        columns = {
            name: np.array([row[number].strip() for row in cells], dtype=object)
            for number, name in enumerate(self.features)
        }
        for name, values in columns.items():
            numbers = name not in self.categories
            wrong = next((value for value in values if numbers and _number(value) is None), None)
            if wrong is not None:
                raise WrongRows(f"could not convert string to float: '{wrong}'")
        return self.predicted(columns)

    def _types(self) -> list[str]:
        return ["c" if name in self.categories else "q" for name in self.features]

    def _encoded(self, name: str, values: np.ndarray) -> np.ndarray:
        if name in self.categories:
            codes = {text: float(code) for code, text in enumerate(self.categories[name])}
            return np.array([codes.get(str(value), np.nan) for value in values], dtype=float)
        if values.dtype != object:
            return values.astype(float)
        return np.array([np.nan if (found := _number(value)) is None else found for value in values], dtype=float)


def trained(train: bytes, validation: bytes | None, told: dict[str, str]) -> Trained:
    """Train on CSV with the container's hyperparameters. Raises WrongRows for rows or settings that cannot be used."""
    xgb = _xgboost()
    names, label, columns = _read(train)
    categories = {
        name: sorted({str(value) for value in columns[name] if value is not None})
        for name in names
        if columns[name].dtype == object
    }
    crowded = next((name for name, found in categories.items() if len(found) > MOST_CATEGORIES), None)
    if crowded is not None:
        raise WrongRows(f"could not convert column {crowded} to float")
    trees = Trees(None, names, categories)
    sets = {"train": _matrix(xgb, trees, columns, label)}
    if validation is not None:
        _, its_label, its_columns = _read(validation)
        if len(its_columns) != len(columns):
            raise WrongRows(f"Feature shape mismatch, expected: {len(columns)}, got {len(its_columns)}")
        renamed = dict(zip(names, its_columns.values(), strict=True))
        sets["validation"] = _matrix(xgb, trees, renamed, its_label)
    settings = {"tree_method": "hist", "seed": 0, "nthread": 1} | _heeded(told)
    try:
        booster = xgb.train(settings, sets["train"], int(told.get(ROUNDS, 100)))
        scored = booster.eval_set([(rows, name) for name, rows in sets.items()])
    except xgb.core.XGBoostError as refused:
        raise WrongRows(str(refused).splitlines()[0]) from refused
    booster.set_attr(categories=json.dumps(categories))
    metrics = dict(part.replace("-", ":", 1).rsplit(":", 1) for part in scored.split("\t")[1:])
    artefact = packed({FILE: bytes(booster.save_raw("ubj"))})
    return Trained(artefact, {name: round(float(value), 6) for name, value in metrics.items()})


@lru_cache(maxsize=16)
def loaded(artefact: bytes) -> Trees | None:
    """The model of a model.tar.gz; None where there is none of XGBoost's in it."""
    files = unpacked(artefact) or {}
    if FILE not in files:
        return None
    xgb = _xgboost()
    booster = xgb.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(files[FILE]))
    except xgb.core.XGBoostError:
        return None
    names = booster.feature_names or [f"f{number}" for number in range(booster.num_features())]
    return Trees(booster, tuple(names), json.loads(booster.attr("categories") or "{}"))


def installed() -> None:
    """Raises BadInput where the extra is not there."""
    _xgboost()


def _xgboost() -> Any:
    try:
        import xgboost
    except ImportError as absent:
        raise BadInput(f"Models are trained with an extra ({absent}): pip install 'sagekeeper[seedling]'") from absent
    return xgboost


def _read(data: bytes) -> tuple[tuple[str, ...], np.ndarray, dict[str, np.ndarray]]:
    """Names, labels and columns. Without a header the columns are called f0, f1 and so on."""
    first = data.split(b"\n", 1)[0].decode(errors="replace").split(",")
    headed = _number(first[0].strip().strip('"')) is None
    try:
        rows = pl.read_csv(io.BytesIO(data), has_header=headed, infer_schema_length=None, null_values=list(MISSING))
    except pl.exceptions.PolarsError as broken:
        raise WrongRows(f"Could not read CSV data: {broken}") from broken
    if rows.width < 2 or rows.is_empty():
        raise WrongRows("Could not determine delimiter on line: " + ",".join(first))
    label, *features = rows.columns
    if not rows[label].dtype.is_numeric() or rows[label].null_count():
        raise WrongRows(f"could not convert label {label} to float")
    names = tuple(features) if headed else tuple(f"f{number}" for number in range(len(features)))
    columns = {
        name: np.array(rows[column].to_list(), dtype=object)
        if rows[column].dtype == pl.String
        else rows[column].cast(pl.Float64).to_numpy()
        for name, column in zip(names, features, strict=True)
    }
    return names, rows[label].cast(pl.Float64).to_numpy(), columns


def _matrix(xgb: Any, trees: Trees, columns: dict[str, np.ndarray], label: np.ndarray) -> Any:
    return xgb.DMatrix(
        np.column_stack([trees._encoded(name, columns[name]) for name in trees.features]),
        label,
        feature_names=list(trees.features),
        feature_types=trees._types(),
        enable_categorical=True,
        nthread=1,
    )


def _heeded(told: dict[str, str]) -> dict[str, Any]:
    try:
        return {name: kind(told[name]) for name, kind in KNOWN.items() if name in told}
    except ValueError as wrong:
        raise WrongRows(f"Hyperparameter: {wrong}") from wrong


def _number(text: Any) -> float | None:
    """None for what is no number; a missing value is one that is not known."""
    if str(text) in MISSING:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None
