"""Find the pairs: by file, by perceptual hash, by vector."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from artsim.datatypes import Progress, no_progress
from artsim.duplicates.evidence import DuplicateEvidence
from artsim.duplicates.groups import DuplicateKind, Group, join
from artsim.duplicates.threshold import Threshold, draw_threshold
from artsim.errors import EvaluationError
from artsim.images import near_pairs
from artsim.metrics.neighbors import nearest_inner
from artsim.splits import WITHIN

NEIGHBORS = 16  # of each work that are looked at
_BLOCK = 16_384  # works compared at a time


@dataclass(kw_only=True)
class _Found:
    """Pairs as they are found, each once, by the most certain kind."""

    evidence: DuplicateEvidence
    across: bool  # only between indexes
    pairs: dict[tuple[int, int], DuplicateKind] = field(default_factory=dict)

    def admits(self, a: int, b: int) -> bool:
        """Return whether two works may be a pair."""
        stores = self.evidence.stores
        return a != b and (not self.across or bool(stores[a] != stores[b]))

    def add(self, a: int, b: int, kind: DuplicateKind) -> None:
        self.pairs.setdefault((min(a, b), max(a, b)), kind)


def find_groups(
    evidence: DuplicateEvidence,
    *,
    within: int = WITHIN,
    threshold: float | None = None,
    across: bool = False,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> tuple[list[Group], Threshold | None]:
    """Find works that are probably one.

    Args:
        evidence: What they are compared by.
        within: Bits that the hashes of near copies may differ by.
        threshold: Cosine from which two are the same work; drawn from the works if None.
        across: Only pairs of works of different indexes.
        device: Where vectors are compared.
        progress: Called while they are.

    Returns:
        The groups, the most certain kind first, and the thresholds; None where vectors were not
        compared, or are too few to draw one from.

    Raises:
        EvaluationError: If the threshold is no cosine.
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise EvaluationError(
            f"a threshold is a cosine above 0 and at most 1, got {threshold:g}; leave it out to "
            "have one drawn from the works"
        )
    found = _Found(evidence=evidence, across=across)
    for a, b in _same_files(found):
        found.add(a, b, DuplicateKind.EXACT)
    drawn = None
    if evidence.vectors is not None:
        drawn = draw_threshold(evidence, device=device)
        if threshold is not None:
            drawn = drawn or Threshold(same_work=threshold, confirming=threshold)
            confirming = min(threshold, drawn.confirming)
            drawn = replace(drawn, same_work=threshold, confirming=confirming)
    for a, b in _look_alikes(found, within):
        if drawn is None or (evidence.score(a, b) or 0.0) >= drawn.confirming:
            found.add(a, b, DuplicateKind.NEAR)
    if drawn is not None:
        for a, b in _alike(found, drawn.same_work, device, progress):
            found.add(a, b, DuplicateKind.SAME_WORK)
    return join(found.pairs, evidence), drawn


def _same_files(found: _Found) -> Iterator[tuple[int, int]]:
    """Yield links enough to join the works of each file."""
    by_file: dict[str, list[int]] = {}
    for row, file in enumerate(found.evidence.files):
        if file is not None:
            by_file.setdefault(file, []).append(row)
    for members in by_file.values():
        yield from _linked(found, members)


def _look_alikes(found: _Found, within: int) -> Iterator[tuple[int, int]]:
    """Yield links enough to join the works of hashes a few bits apart."""
    by_hash: dict[int, list[int]] = {}
    for row, each in enumerate(found.evidence.hashes):
        if each is not None:
            by_hash.setdefault(each, []).append(row)
    members = list(by_hash.values())
    for rows in members:
        yield from _linked(found, rows)
    for a, b in near_pairs(np.array(list(by_hash), dtype=np.uint64), within):
        pairs = itertools.product(_heads(found, members[a]), _heads(found, members[b]))
        yield from itertools.islice((pair for pair in pairs if found.admits(*pair)), 1)


def _linked(found: _Found, members: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Link each with the first that it may be linked with."""
    heads = [*members[:2], *_heads(found, members)]
    for row in members:
        partner = next((head for head in heads if found.admits(row, head)), None)
        if partner is not None:
            yield row, partner


def _heads(found: _Found, members: Sequence[int]) -> list[int]:
    """Return the first of each index."""
    return list({int(found.evidence.stores[row]): row for row in reversed(members)}.values())


def _alike(
    found: _Found, least: float, device: str, progress: Progress
) -> Iterator[tuple[int, int]]:
    """Yield each work with its nearest neighbors that are similar enough."""
    bank, usable = found.evidence.comparable()
    stores = found.evidence.stores[usable]
    for start in range(0, len(usable), _BLOCK):
        part = np.arange(start, min(start + _BLOCK, len(usable)))
        groups = (stores[part], stores) if found.across else (None, None)
        scores, rows = nearest_inner(
            bank[part],
            bank,
            NEIGHBORS,
            exclude=part,
            query_groups=groups[0],
            bank_groups=groups[1],
            device=device,
        )
        for place, column in zip(*np.nonzero(scores >= least), strict=True):
            yield int(usable[part[place]]), int(usable[rows[place, column]])
        progress(int(part[-1]) + 1, len(usable), 0)
