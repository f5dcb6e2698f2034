"""Do two sets of rows look alike? drift, of any files; nothing of the lake is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
import typer
from pydantic import ValidationError

from sagekeeper.analyzers.drift_columns import pair
from sagekeeper.analyzers.drift_compare import Rules
from sagekeeper.analyzers.drift_joint import Joint, joint
from sagekeeper.analyzers.drift_verdicts import FeatureDrift, compare, verdicts
from sagekeeper.core.errors import BadInput
from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.drift_files import columns, open_rows

DEFAULT = Rules()
JOINT_ROWS = 5_000
LEAST_AUC = 0.51
LEAST_CORRELATION = 0.05


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(drift)


def drift(
    reference: Annotated[Path, typer.Option(help="parquet or csv: what the model was made for", metavar="FILE")],
    current: Annotated[Path, typer.Option(help="parquet or csv: what it is asked with", metavar="FILE")],
    level: Annotated[
        float, typer.Option(help="false-discovery rate; without drift, the chance of any alarm at all")
    ] = DEFAULT.level,
    least_effect: Annotated[
        float, typer.Option(help="total variation that matters; the lower end of the interval counts")
    ] = DEFAULT.least_effect,
    least_share: Annotated[
        float, typer.Option(help="change that matters of a share: missing, wrong type, new values, out of range")
    ] = DEFAULT.least_share,
    order: Annotated[
        Literal["auto", "shuffled", "ordered"],
        typer.Option(help="of the rows: in time (ordered), in none (shuffled), or found out"),
    ] = "auto",
    dependence: Annotated[
        Literal["positive", "any"], typer.Option(help="among features: Benjamini-Hochberg or Benjamini-Yekutieli")
    ] = DEFAULT.dependence,
    importances: Annotated[
        Path | None, typer.Option(help='JSON {"feature": number}: what the model relies on', metavar="FILE")
    ] = None,
    feature: Annotated[list[str] | None, typer.Option(help="only this column; may be repeated")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two files feature by feature: how far apart, how sure, drifted or not, and what happened."""
    out = Output(as_json)
    try:
        rules = Rules(level=level, least_effect=least_effect, least_share=least_share, dependence=dependence)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"--{str(first['loc'][0]).replace('_', '-')} {first['input']}: {first['msg']}.") from error
    weights = _importances(importances) if importances is not None else None
    before, now = open_rows(reference), open_rows(current)
    unknown = sorted(set(feature or ()) - set(before.columns) - set(now.columns))
    if unknown:
        raise BadInput(f"Neither file has a column {', '.join(unknown)}.")
    wanted = feature or before.columns
    kept: tuple[dict[str, pl.Series], dict[str, pl.Series]] = ({}, {})
    compared = []
    for name, one, other in columns(before, now, wanted):
        pairs = pair(name, one, other, order)
        compared.append(compare(pairs, rules))
        if pairs.type in ("numeric", "boolean", "categorical") and not (
            one.dtype.is_nested() or other.dtype.is_nested()
        ):
            kept[0][name], kept[1][name] = _some(one), _some(other)
    found = verdicts(compared, rules, weights)
    together = joint(*kept, rules.level, LEAST_CORRELATION)
    gone = [name for name in wanted if name not in now.columns]
    added = [name for name in feature or now.columns if name not in before.columns]
    _tell(out, found, gone, added, rules)
    if together is not None:
        _tell_joint(out, together, rules)
    out.give(_document(reference, current, rules, found, gone, added) | {"joint": together})


def _some(column: pl.Series) -> pl.Series:
    """The same rows of every column."""
    if len(column) <= JOINT_ROWS:
        return column.clone()
    return column.gather(np.linspace(0, len(column) - 1, JOINT_ROWS).astype(np.int64))


def _tell_joint(out: Output, together: Joint, rules: Rules) -> None:
    told = together.p_value <= rules.level and together.auc_low > LEAST_AUC
    moved = ", ".join(f"{name} ({drop:.3f})" for name, drop in together.moved.items())
    out.say(
        f"All features together: a classifier tells the two apart with an AUC of {together.auc:.3f} "
        f"({together.auc_low:.3f} to {together.auc_high:.3f} at 95 %, p {together.p_value:.2g}; 0.5 is chance; "
        f"{together.rows[0]:,} and {together.rows[1]:,} rows)"
        + (f", most by {moved}." if told and moved else "." if told else ": no more than may be chance.")
    )
    for one in together.correlations:
        out.say(
            f"Correlation of {one.features[0]} and {one.features[1]}: {one.before:+.2f} before, {one.now:+.2f} now "
            f"(adjusted p {one.adjusted_p_value:.2g})."
        )


def _importances(path: Path) -> dict[str, float]:
    try:
        given = json.loads(path.read_text())
        weights = {str(name): abs(float(value)) for name, value in given.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BadInput(f'{path} is not JSON of the form {{"feature": number}}.') from error
    if not sum(weights.values()) > 0:
        raise BadInput(f"{path} holds no importance above 0.")
    return weights


def _tell(out: Output, found: list[FeatureDrift], gone: list[str], added: list[str], rules: Rules) -> None:
    drifted = [one for one in found if one.status == "drift"]
    out.table(
        f"{len(drifted)} of {len(found)} features drifted",
        ("feature", "type", "effect>", "from>", "to>", "of", "p>", "adjusted p>", "drifted", "what happened"),
        [_row(one) for one in found],
    )
    for names, words in ((gone, "not in the current file"), (added, "only in the current file")):
        if names:
            out.say(f"{words.capitalize()}: {', '.join(names)}.", style="yellow")
    out.say(
        f"Drifted: adjusted p at most {rules.level:g} (false discoveries over all features bounded), and the lower end "
        f"of the 95 % interval above {rules.least_effect:g} of total variation (the share of records that would have to "
        f"be others), or {rules.least_share:g} for shares. Unknown is neither drift nor its absence."
    )


def _row(one: FeatureDrift) -> tuple[str, ...]:
    effect = None if one.lead is None else one.lead.effect
    sizes = ("", "", "") if effect is None else tuple(f"{x:.4f}" for x in (effect.value, effect.low, effect.high))
    p = (
        ("", "")
        if one.p_value is None or one.adjusted_p_value is None
        else (f"{one.p_value:.2g}", f"{one.adjusted_p_value:.2g}")
    )
    said = ", ".join(one.kinds) + (f": {one.detail}" if one.kinds and one.detail else one.detail)
    status = {"drift": "yes", "stable": "no", "unknown": "unknown"}[one.status]
    return (one.feature, one.type, *sizes, "" if one.lead is None else one.lead.name, *p, status, said)


def _document(
    reference: Path, current: Path, rules: Rules, found: list[FeatureDrift], gone: list[str], added: list[str]
) -> dict[str, Any]:
    return {
        "reference": reference,
        "current": current,
        "rules": rules,
        "drift": any(one.status == "drift" for one in found) or bool(gone),
        "drifted": [one.feature for one in found if one.status == "drift"],
        "vanished_columns": gone,
        "new_columns": added,
        "features": [_feature(rank, one) for rank, one in enumerate(found, 1)],
    }


def _feature(rank: int, one: FeatureDrift) -> dict[str, Any]:
    lead = one.lead
    return {
        "feature": one.feature,
        "rank": rank,
        "type": one.type,
        "status": one.status,
        "drifted": one.status == "drift",
        "kind": one.kinds[0] if one.kinds else None,
        "kinds": one.kinds,
        "detail": one.detail,
        "effect": None if lead is None else lead.effect.value,
        "effect_low": None if lead is None else lead.effect.low,
        "effect_high": None if lead is None else lead.effect.high,
        "effect_unit": None if lead is None else lead.effect.unit,
        "effect_of": None if lead is None else lead.name,
        "p_value": one.p_value,
        "adjusted_p_value": one.adjusted_p_value,
        "severity": one.severity,
        "reference_records": one.records[0],
        "current_records": one.records[1],
        "reference_missing": one.missing[0],
        "current_missing": one.missing[1],
        "superiority": None if one.moved is None else one.moved.superiority,
        "superiority_low": None if one.moved is None else one.moved.superiority_low,
        "superiority_high": None if one.moved is None else one.moved.superiority_high,
        "ks_distance": None if one.moved is None else one.moved.distance,
        "median_shift_sd": _or_none(None if one.moved is None else one.moved.shift),
        "spread_ratio": _or_none(None if one.moved is None else one.moved.scale),
        "aspects": [
            {
                "name": aspect.name,
                "effect": aspect.effect.value,
                "effect_low": aspect.effect.low,
                "effect_high": aspect.effect.high,
                "p_value": aspect.p_value,
                "values": list(aspect.names),
            }
            for aspect in one.aspects
        ],
    }


def _or_none(value: float | None) -> float | None:
    """JSON has no NaN."""
    return None if value is None or value != value else value
