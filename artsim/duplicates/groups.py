"""Find pairs of works by file, by perceptual hash and by vector, and join them to groups."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from artsim.datatypes import Progress, no_progress
from artsim.duplicates.evidence import DuplicateEvidence, Rows
from artsim.duplicates.threshold import Threshold, draw_threshold
from artsim.errors import EvaluationError
from artsim.images import groups_of, near_pairs
from artsim.metrics.neighbors import nearest_inner
from artsim.splits import WITHIN

NEIGHBORS = 16  # compared with each work, at most
_BLOCK = 16_384  # works compared at a time


class DuplicateKind(StrEnum):
    """What two works share, the most certain first."""

    EXACT = "exact"
    NEAR = "near"
    SAME_WORK = "same-work"


@dataclass(frozen=True)
class Pair:
    """Two works that are probably the same."""

    first: int  # row, the lower
    second: int
    kind: DuplicateKind
    bits: int | None  # by which their hashes differ
    score: float | None  # cosine


@dataclass(frozen=True)
class Group:
    """Works joined by pairs that share a member."""

    kind: DuplicateKind  # the least certain one needed to join them all
    works: tuple[int, ...]
    pairs: tuple[Pair, ...]


def find_groups(
    evidence: DuplicateEvidence,
    *,
    within: int = WITHIN,
    threshold: float | None = None,
    across: bool = False,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> tuple[list[Group], Threshold | None]:
    """Find works that are probably the same.

    Args:
        evidence: What they are compared by.
        within: Bits that the hashes of near copies may differ by.
        threshold: Cosine from which two are the same work; estimated from the works if None.
        across: Only pairs of works of different indexes.
        device: Where vectors are compared.
        progress: Called while they are.

    Returns:
        The groups, the most certain kind first, and the thresholds; None if vectors were not
        compared, or are too few to estimate one.

    Raises:
        EvaluationError: If the threshold is no cosine.
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise EvaluationError(
            f"a threshold is a cosine above 0 and at most 1, got {threshold:g}; leave it out to "
            "have one estimated from the works"
        )
    drawn = None
    if evidence.vectors is not None:
        drawn = draw_threshold(evidence, device=device)
        if threshold is not None:
            drawn = drawn or Threshold(same_work=threshold, confirming=threshold)
            confirming = min(threshold, drawn.confirming)
            drawn = replace(drawn, same_work=threshold, confirming=confirming)
    found: dict[tuple[int, int], DuplicateKind] = {}

    def add(pairs: Iterable[tuple[int, int]], kind: DuplicateKind) -> None:
        for a, b in pairs:
            found.setdefault((min(a, b), max(a, b)), kind)

    # Two works may be a pair if their sources differ.
    sources = evidence.stores if across else np.arange(len(evidence.stores))
    for works in _by_value(evidence.files).values():
        add(_linked(evidence, sources, works), DuplicateKind.EXACT)
    least = -np.inf if drawn is None else drawn.confirming
    look_alikes = _look_alikes(evidence, sources, within)
    add(
        (pair for pair in look_alikes if drawn is None or (evidence.score(*pair) or 0.0) >= least),
        DuplicateKind.NEAR,
    )
    if drawn is not None:
        similar = _similar(evidence, drawn.same_work, across, device, progress)
        add(similar, DuplicateKind.SAME_WORK)
    return _join(found, evidence), drawn


def _by_value(values: Sequence[str | int | None]) -> dict[str | int, list[int]]:
    """Return the rows of each value."""
    rows: dict[str | int, list[int]] = {}
    for row, value in enumerate(values):
        if value is not None:
            rows.setdefault(value, []).append(row)
    return rows


def _look_alikes(
    evidence: DuplicateEvidence, sources: Rows, within: int
) -> Iterator[tuple[int, int]]:
    """Yield enough links to join works whose hashes differ by a few bits."""
    by_hash = _by_value(evidence.hashes)
    members = list(by_hash.values())
    for works in members:
        yield from _linked(evidence, sources, works)
    for a, b in near_pairs(np.array(list(by_hash), dtype=np.uint64), within):
        pairs = itertools.product(_heads(evidence, members[a]), _heads(evidence, members[b]))
        yield from itertools.islice(((x, y) for x, y in pairs if sources[x] != sources[y]), 1)


def _linked(
    evidence: DuplicateEvidence, sources: Rows, members: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Link each work with the first that it may be linked with."""
    heads = [*members[:2], *_heads(evidence, members)]
    for row in members:
        partner = next((head for head in heads if sources[head] != sources[row]), None)
        if partner is not None:
            yield row, partner


def _heads(evidence: DuplicateEvidence, members: Sequence[int]) -> list[int]:
    """Return the first work of each index."""
    return list({int(evidence.stores[row]): row for row in reversed(members)}.values())


def _similar(
    evidence: DuplicateEvidence, least: float, across: bool, device: str, progress: Progress
) -> Iterator[tuple[int, int]]:
    """Yield each work with its nearest neighbors that are similar enough."""
    bank, usable = evidence.comparable()
    stores = evidence.stores[usable] if across else None
    for start in range(0, len(usable), _BLOCK):
        part = np.arange(start, min(start + _BLOCK, len(usable)))
        scores, rows = nearest_inner(
            bank[part],
            bank,
            NEIGHBORS,
            exclude=part,
            query_groups=None if stores is None else stores[part],
            bank_groups=stores,
            device=device,
        )
        for place, column in zip(*np.nonzero(scores >= least), strict=True):
            yield int(usable[part[place]]), int(usable[rows[place, column]])
        progress(int(part[-1]) + 1, len(usable), 0)


def _join(
    found: Mapping[tuple[int, int], DuplicateKind], evidence: DuplicateEvidence
) -> list[Group]:
    """Join pairs that share a member; the most certain groups come first."""
    kinds = list(DuplicateKind)
    whole = {tuple(works) for works in groups_of(found)}
    kind_of: dict[tuple[int, ...], DuplicateKind] = {}
    for number, kind in enumerate(kinds, 1):
        joined = groups_of(pair for pair, each in found.items() if each in kinds[:number])
        for works in whole.intersection(map(tuple, joined)):
            kind_of.setdefault(works, kind)
    group_of = {work: works for works in whole for work in works}
    pairs: dict[tuple[int, ...], list[Pair]] = {works: [] for works in whole}
    for a, b in sorted(found):
        pair = Pair(a, b, found[a, b], evidence.bits(a, b), evidence.score(a, b))
        pairs[group_of[a]].append(pair)
    groups = [Group(kind_of[works], works, tuple(pairs[works])) for works in whole]
    return sorted(groups, key=_order)


def _order(group: Group) -> tuple[int, float, tuple[int, ...]]:
    """Sort by the most certain kind, then by the lowest score of a pair, then by row."""
    loosest = min((pair.score for pair in group.pairs if pair.score is not None), default=0.0)
    return list(DuplicateKind).index(group.kind), -round(loosest, 4), group.works
