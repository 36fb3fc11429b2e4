"""Pairs of works that are probably one, joined to groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from artsim.duplicates.evidence import DuplicateEvidence
from artsim.images import groups_of


class DuplicateKind(StrEnum):
    """What two works share, the most certain first."""

    EXACT = "exact"
    NEAR = "near"
    SAME_WORK = "same-work"


@dataclass(frozen=True)
class Pair:
    """Two works that are probably one."""

    first: int  # row, the lower
    second: int
    kind: DuplicateKind
    bits: int | None  # by which their hashes differ
    score: float | None  # cosine


@dataclass(frozen=True)
class Group:
    """Works joined by pairs that share a member."""

    kind: DuplicateKind  # the least sure that it takes to join them all
    works: tuple[int, ...]
    pairs: tuple[Pair, ...]


def join(
    found: Mapping[tuple[int, int], DuplicateKind], evidence: DuplicateEvidence
) -> list[Group]:
    """Join pairs that share a member; a group is of the first kind that joins all of it.

    A pair has the lower row first and the most certain kind. The most certain groups come first.
    """
    kinds = list(DuplicateKind)
    whole = {tuple(works) for works in groups_of(found)}
    kind_of: dict[tuple[int, ...], DuplicateKind] = {}
    for kind in kinds:
        sure = kinds[: kinds.index(kind) + 1]
        joined = groups_of(pair for pair, each in found.items() if each in sure)
        for works in map(tuple, joined):
            if works in whole:
                kind_of.setdefault(works, kind)
    group_of = {work: works for works in whole for work in works}
    pairs: dict[tuple[int, ...], list[Pair]] = {works: [] for works in whole}
    for a, b in sorted(found):
        pair = Pair(a, b, found[a, b], evidence.bits(a, b), evidence.score(a, b))
        pairs[group_of[a]].append(pair)
    groups = [Group(kind_of[works], works, tuple(pairs[works])) for works in whole]
    return sorted(groups, key=_order)


def _order(group: Group) -> tuple[int, float, tuple[int, ...]]:
    """The most certain kind first, then by the score of the loosest pair, then by row."""
    loosest = min((pair.score for pair in group.pairs if pair.score is not None), default=0.0)
    return list(DuplicateKind).index(group.kind), -round(loosest, 4), group.works
