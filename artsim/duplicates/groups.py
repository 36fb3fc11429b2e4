"""Find pairs of works by file, by perceptual hash and by vector, and join them to groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from artsim.datatypes import Progress, no_progress
from artsim.duplicates.evidence import DuplicateEvidence
from artsim.duplicates.look_alikes import WITHIN, linked, look_alikes, transformed
from artsim.duplicates.threshold import Threshold, draw_threshold
from artsim.errors import EvaluationError
from artsim.images import groups_of
from artsim.metrics.neighbors import nearest_inner

NEIGHBORS = 16  # compared with each work, at most
_BLOCK = 16_384  # works compared at a time


class DuplicateKind(StrEnum):
    """What two works share, the most certain first."""

    EXACT = "exact"
    NEAR = "near"
    TRANSFORMED = "transformed"
    SAME_WORK = "same-work"


@dataclass(frozen=True)
class Pair:
    """Two works that are probably the same."""

    first: int  # row, the lower
    second: int
    kind: DuplicateKind
    bits: int | None  # by which their hashes differ
    score: float | None  # cosine
    transform: str | None = None  # what makes the second of the first, such as "mirrored"


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
    turned: bool = False,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> tuple[list[Group], Threshold | None]:
    """Find works that are probably the same.

    Args:
        evidence: What they are compared by.
        within: Bits that the hashes of near copies may differ by.
        threshold: Cosine from which two are the same work; estimated from the works if None.
        across: Only pairs of works of different indexes.
        turned: Also find mirrored and turned copies.
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
            least = min(threshold, drawn.confirming)
            drawn = replace(drawn, same_work=threshold, confirming=least)
    found: dict[tuple[int, int], DuplicateKind] = {}
    transforms: dict[tuple[int, int], str] = {}

    def add(pairs: Iterable[tuple[int, int]], kind: DuplicateKind) -> None:
        for a, b in pairs:
            found.setdefault((min(a, b), max(a, b)), kind)

    # Two works may be a pair if their sources differ.
    sources = evidence.stores if across else np.arange(len(evidence.stores))
    for works in _by_file(evidence.files):
        add(linked(evidence, sources, works), DuplicateKind.EXACT)
    confirming = None if drawn is None else drawn.confirming
    add(look_alikes(evidence, sources, within, confirming), DuplicateKind.NEAR)
    for a, b, name in transformed(evidence, sources, within) if turned else ():
        add([(a, b)], DuplicateKind.TRANSFORMED)
        transforms.setdefault((a, b), name)
    if drawn is not None:
        similar = _similar(evidence, drawn.same_work, across, device, progress)
        add(similar, DuplicateKind.SAME_WORK)
    return _join(found, transforms, evidence), drawn


def _by_file(files: Sequence[str | None]) -> Iterator[list[int]]:
    """Yield the rows of each file."""
    rows: dict[str, list[int]] = {}
    for row, file in enumerate(files):
        if file is not None:
            rows.setdefault(file, []).append(row)
    yield from rows.values()


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
    found: Mapping[tuple[int, int], DuplicateKind],
    transforms: Mapping[tuple[int, int], str],
    evidence: DuplicateEvidence,
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
        kind, score = found[a, b], evidence.score(a, b)
        if kind is DuplicateKind.TRANSFORMED:
            pair = Pair(a, b, kind, None, score, transforms[a, b])
        else:
            pair = Pair(a, b, kind, evidence.bits(a, b), score)
        pairs[group_of[a]].append(pair)
    groups = [Group(kind_of[works], works, tuple(pairs[works])) for works in whole]
    return sorted(groups, key=_order)


def _order(group: Group) -> tuple[int, float, tuple[int, ...]]:
    """Sort by the most certain kind, then by the lowest score of a pair, then by row."""
    loosest = min((pair.score for pair in group.pairs if pair.score is not None), default=0.0)
    return list(DuplicateKind).index(group.kind), -round(loosest, 4), group.works
