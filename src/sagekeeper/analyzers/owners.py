"""The rules for owners: which tags name whom, how names are spelled, and what a resource without tags of its own is asked on.

In: settings. Out: `OwnerRules`, and expressions that read a name from a column of tags (a JSON object each). Who owns what on
which day is found by these rules in `whose.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from sagekeeper.core.settings import Fallback, Settings

FALLBACKS: tuple[Fallback, ...] = ("endpoint_config", "model", "endpoint", "parent", "execution_role", "user_profile")
NAMES = ("owner", "team", "project")


@dataclass(frozen=True)
class OwnerRules:
    """Which tags name whom, in order, and how names are spelled. ``same``: name -> other spellings of it."""

    owner: tuple[str, ...] = ("owner", "Owner", "team")
    team: tuple[str, ...] = ("team",)
    project: tuple[str, ...] = ("project",)
    any_case: bool = True
    fold_names: bool = False
    same: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    user_profile_names: bool = True
    fallbacks: tuple[Fallback, ...] = FALLBACKS

    @classmethod
    def of(cls, settings: Settings) -> OwnerRules:
        """As the settings say."""
        told = settings.ownership
        return cls(
            owner=tuple(settings.owner_tags),
            team=tuple(told.team_tags),
            project=tuple(told.project_tags),
            any_case=told.any_case,
            fold_names=told.fold_names,
            same={name: tuple(others) for name, others in told.same.items()},
            roles=told.roles,
            user_profile_names=told.user_profile_names,
            fallbacks=tuple(told.fallbacks),
        )

    def spell(self, name: str | None) -> str | None:
        """One name as `spelled` has it."""
        return pl.select(spelled(pl.lit(name, dtype=pl.String), self)).item() if name else name

    def bill_keys(self, of: str) -> tuple[str, ...]:
        """The same on a bill: some exports write ``user:`` before the customer's own keys."""
        keys = self.keys(of)
        return (*keys, *(f"user:{key}" for key in keys))

    def keys(self, of: str) -> tuple[str, ...]:
        """Tag keys of an owner, a team or a project as they may be spelled."""
        return spellings(getattr(self, of)) if self.any_case else getattr(self, of)


def spellings(keys: tuple[str, ...]) -> tuple[str, ...]:
    """``keys`` as written, in lower case, capitalised and in upper case: owner, Owner, OWNER."""
    return tuple(dict.fromkeys(one for key in keys for one in (key, key.lower(), key.capitalize(), key.upper())))


def owner(tags: str, owner_tags: tuple[str, ...]) -> pl.Expr:
    """The first of ``owner_tags`` that the JSON object in column ``tags`` has, or null."""
    return pl.coalesce(*(tag(tags, key) for key in _askable(owner_tags)), pl.lit(None, dtype=pl.String))


def named_by(tags: str, keys: tuple[str, ...]) -> pl.Expr:
    """Which of ``keys`` that was."""
    found = (pl.when(tag(tags, key).is_not_null()).then(pl.lit(key)) for key in _askable(keys))
    return pl.coalesce(*found, pl.lit(None, dtype=pl.String))


def spelled(name: pl.Expr, rules: OwnerRules) -> pl.Expr:
    """A name as the rules spell it."""
    one_of = {_plain(other): known for known, others in rules.same.items() for other in (known, *others)}
    if not rules.fold_names:
        exact = {other: known for known, others in rules.same.items() for other in others}
        return name.replace(exact) if exact else name
    address = name.str.contains("@", literal=True)
    lower = name.str.strip_chars().str.to_lowercase()
    folded = pl.when(address).then(lower).otherwise(lower.str.replace_all(r"[\s_-]+", "-"))
    return folded.replace(one_of) if one_of else folded


def names_in(tags: pl.Series, rules: OwnerRules, of_bill: bool = False) -> pl.DataFrame:
    """[tags, *NAMES, named_by], a row for each different one of ``tags``: each text is read once, and not asked for
    keys that none of them has.

    Names are as written, not `spelled`. ``named_by`` is the key that named the owner. With ``of_bill`` keys may
    be spelled as on bills.
    """
    texts = tags.unique().alias("tags")
    escaped = bool(texts.str.contains(r"\\[u/]").any())
    keys = {name: rules.bill_keys(name) if of_bill else rules.keys(name) for name in NAMES}
    held = {
        key: escaped or bool(texts.str.contains(f'"{key}"', literal=True).any())
        for key in {key for some in keys.values() for key in some}
    }
    asked = {name: tuple(key for key in some if held[key]) for name, some in keys.items()}
    return texts.to_frame().with_columns(
        **{name: owner("tags", asked[name]) for name in NAMES},
        named_by=named_by("tags", asked["owner"]),
    )


def tag(tags: str, key: str) -> pl.Expr:
    """The value of one tag, or null."""
    return pl.col(tags).str.json_path_match(f"$['{key}']")


def _askable(keys: tuple[str, ...]) -> list[str]:
    """A quote in a key would end the path to it."""
    return [key for key in keys if "'" not in key and "\\" not in key]


def _plain(name: str) -> str:
    lower = name.strip().lower()
    return (
        lower if "@" in lower else "-".join(part for part in lower.replace("_", " ").replace("-", " ").split() if part)
    )
