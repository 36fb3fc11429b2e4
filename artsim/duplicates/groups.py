"""Find pairs of works by file, by perceptual hash and by vector, and join them to groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from artsim.datatypes import Progress, no_progress
from artsim.duplicates.crops import cropped
from artsim.duplicates.evidence import DuplicateEvidence, Rows
from artsim.duplicates.look_alikes import WITHIN, linked, look_alikes, transformed
from artsim.duplicates.threshold import Threshold, draw_threshold
from artsim.errors import EvaluationError
from artsim.images import groups_of

NEIGHBORS = 16  # compared with each work, at most
_COMPARED = 1024  # works of a group
_ROUNDING = 1e-6  # of a float32 cosine


class DuplicateKind(StrEnum):
    """What two works share, the most certain first; a series is a group of such pairs only."""

    EXACT = "exact"
    NEAR = "near"
    TRANSFORMED = "transformed"
    SAME_WORK = "same-work"
    SERIES = "series"  # similar pairs in a chain, whose ends are less similar than the threshold


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
    lowest: float | None = None  # cosine of the two least similar works
    highest: float | None = None  # and of the two most similar


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
        turned: Also find mirrored, turned and cropped copies.
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
    crops = cropped(evidence, across=across, device=device, progress=progress) if turned else ()
    for a, b, name in crops:
        add([(a, b)], DuplicateKind.TRANSFORMED)
        transforms.setdefault((a, b), name)
    if drawn is not None:
        similar = _similar(evidence, drawn.same_work, across, device, progress)
        add(similar, DuplicateKind.SAME_WORK)
    return _join(found, transforms, evidence, drawn), drawn


def _by_file(files: Rows) -> Iterator[list[int]]:
    """Yield the rows of each file that several works have."""
    shared = np.flatnonzero((np.bincount(files + 1) > 1)[files + 1] & (files >= 0))
    rows: dict[int, list[int]] = {}
    for row, file in zip(shared.tolist(), files[shared].tolist(), strict=True):
        rows.setdefault(file, []).append(row)
    yield from rows.values()


def _similar(
    evidence: DuplicateEvidence, least: float, across: bool, device: str, progress: Progress
) -> Iterator[tuple[int, int]]:
    """Yield each work with its nearest neighbors that are similar enough."""
    done, works = 0, len(evidence.stores)
    for rows, scores, near in evidence.neighbors(NEIGHBORS, across=across, device=device):
        for place, column in zip(*np.nonzero(scores >= least), strict=True):
            yield int(rows[place]), int(near[place, column])
        done += len(rows)
        progress(done, works, 0)
    progress(works, works, 0)  # also those without a vector


def _join(
    found: Mapping[tuple[int, int], DuplicateKind],
    transforms: Mapping[tuple[int, int], str],
    evidence: DuplicateEvidence,
    drawn: Threshold | None,
) -> list[Group]:
    """Join pairs that share a member; the most certain kind comes first.

    Works joined by their vectors are a series if not all of them are that similar.
    """
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
    groups = []
    for works in whole:
        of, (low, high) = kind_of[works], _extremes(pairs[works], evidence)
        if of is DuplicateKind.SAME_WORK and low is not None and drawn is not None:
            of = DuplicateKind.SERIES if low < drawn.same_work - _ROUNDING else of
        groups.append(Group(of, works, tuple(pairs[works]), low, high))
    return sorted(groups, key=_order)


def _extremes(
    pairs: Sequence[Pair], evidence: DuplicateEvidence
) -> tuple[float | None, float | None]:
    """Return the cosines of the least and the most similar two works of a group.

    A copy in gray need not be similar, to vectors, to what its original is similar to: where works
    are joined by vectors, only these are compared.
    """
    scores = [pair.score for pair in pairs if pair.score is not None]
    if evidence.vectors is None or not scores:
        return None, None
    similar = [pair for pair in pairs if pair.kind is DuplicateKind.SAME_WORK]
    rows = sorted({row for pair in similar for row in (pair.first, pair.second)})
    vectors, lowest = evidence.vectors[rows], min(pair.score or 0.0 for pair in similar or pairs)
    for start in range(0, len(rows), _COMPARED):
        scored = vectors[start : start + _COMPARED] @ vectors.T
        lowest = min(lowest, float(scored.min()))
    return lowest, max(scores)


def _order(group: Group) -> tuple[int, float, tuple[int, ...]]:
    """Sort by the most certain kind, then by the lowest score of a pair, then by row."""
    return list(DuplicateKind).index(group.kind), -round(group.lowest or 0.0, 4), group.works
