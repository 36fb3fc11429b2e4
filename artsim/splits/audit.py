"""Leaks of a split: test pictures that training pictures give away, within and across splits."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from artsim.datatypes import Catalog, FieldType, Progress, no_progress
from artsim.errors import EvaluationError
from artsim.labels import values_of
from artsim.splits.hashes import picture_hashes
from artsim.splits.leaks import WITHIN, Evidence, Leak, LeakKind, find_leaks
from artsim.splits.parts import SAMPLE, TEST, TRAIN, VAL
from artsim.splits.stored import StoredSplit, part_of, read_stored_split
from artsim.store import Store

__all__ = [
    "Comparison",
    "LeakReport",
    "audit_catalog",
    "audit_splits",
    "refuse_leaks",
]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One side to be judged against one side to learn from."""

    held_split: str
    held_side: str
    seen_split: str
    seen_side: str
    held: int  # rows
    seen: int
    leaks: tuple[Leak, ...]

    @property
    def counts(self) -> Counter[LeakKind]:
        """Rows given away, by kind."""
        return Counter(leak.kind for leak in self.leaks)


@dataclass(frozen=True, kw_only=True)
class LeakReport:
    """All sides of some splits compared."""

    ids: tuple[str, ...]  # of the rows that leaks name by number
    comparisons: tuple[Comparison, ...]
    checked: tuple[LeakKind, ...]
    unhashed: int = 0  # pictures that cannot be read or are blank: not compared by look


def audit_splits(
    store: Store,
    names: Sequence[str],
    *,
    group: str | None = None,
    object_: str | None = None,
    pictures: bool = True,
    within: int = WITHIN,
    workers: int = 2,
    progress: Progress = no_progress,
) -> LeakReport:
    """Look for leaks within each split of an index, and from one to another.

    Args:
        store: The index.
        names: Of splits, stored or columns.
        group: Label whose values should be on one side: artist.
        object_: Label that says which object a picture shows.
        pictures: Whether to compare what the pictures look like.
        within: Bits that perceptual hashes of look-alikes may differ by.
        workers: Threads that decode.
        progress: Called while pictures are hashed.

    Raises:
        EvaluationError: If a split or label is not there, or a split has one side.
    """
    splits = [read_stored_split(store, name) for name in names]
    table = store.read(["id", "content_hash"])
    hashes = picture_hashes(store, workers=workers, progress=progress) if pictures else None
    evidence = Evidence(
        ids=table.column("id").to_pylist(),
        files=[value or None for value in table.column("content_hash").to_pylist()],
        hashes=hashes,
        objects=None if object_ is None else values_of(store, object_),
        groups=None if group is None else values_of(store, group),
    )
    return _audit(splits, evidence, within)


def audit_catalog(
    catalog: Catalog,
    names: Sequence[str],
    *,
    group: str | None = None,
    object_: str | None = None,
) -> LeakReport:
    """Look for leaks between splits of a catalog that is not embedded: by id, object and group.

    Raises:
        EvaluationError: If a column is not there, or a split has one side.
        ReaderError: If the catalog cannot be read.
    """
    fields = {field.name: field.type for field in catalog.fields}
    wanted = [*names, *filter(None, (group, object_))]
    for name in wanted:
        if fields.get(name) not in (FieldType.TEXT, FieldType.NUMBER):
            one_value = [each for each, type_ in fields.items() if type_ in ("text", "number")]
            raise EvaluationError(
                f"no column {name!r} of one value a picture; choose from {', '.join(one_value)}"
            )
    columns: dict[str, list[str | None]] = {name: [] for name in ("id", *wanted)}
    for batch in catalog.batches():
        for name, values in columns.items():
            values += (None if v is None else str(v) for v in batch.column(name).to_pylist())
    splits = [StoredSplit(name=name, parts=tuple(map(part_of, columns[name]))) for name in names]
    evidence = Evidence(
        ids=[id_ or "" for id_ in columns["id"]],
        objects=None if object_ is None else columns[object_],
        groups=None if group is None else columns[group],
    )
    return _audit(splits, evidence, WITHIN)


def refuse_leaks(store: Store, split: str, *, within: int = WITHIN, workers: int = 2) -> None:
    """Pass a split whose sides share no file and no picture.

    Raises:
        EvaluationError: If they do.
    """
    report = audit_splits(store, [split], within=within, workers=workers)
    counts = sum((each.counts for each in report.comparisons), Counter[LeakKind]())
    if counts:
        kinds = ", ".join(f"{count:,} by {kind}" for kind, count in counts.items())
        raise EvaluationError(
            f"split {split!r} leaks: pictures to be judged are given away ({kinds}); "
            f"list them with 'artsim leaks --split {split}'"
        )


def _audit(splits: Sequence[StoredSplit], evidence: Evidence, within: int) -> LeakReport:
    comparisons = []
    for held_split, held_sides, seen_split, seen_sides in _pairs(splits):
        held, seen = held_split.rows(*held_sides), seen_split.rows(*seen_sides)
        comparisons.append(
            Comparison(
                held_split=held_split.name,
                held_side=held_sides[0],
                seen_split=seen_split.name,
                seen_side=seen_sides[0] if len(seen_sides) == 1 else "other folds",
                held=len(held),
                seen=len(seen),
                leaks=tuple(find_leaks(evidence, seen, held, within=within)),
            )
        )
    given = {
        LeakKind.ID: evidence.ids,
        LeakKind.FILE: evidence.files,
        LeakKind.PICTURE: evidence.hashes,
        LeakKind.OBJECT: evidence.objects,
        LeakKind.GROUP: evidence.groups,
    }
    return LeakReport(
        ids=tuple(evidence.ids),
        comparisons=tuple(comparisons),
        checked=tuple(kind for kind, values in given.items() if values is not None),
        unhashed=sum(value is None for value in evidence.hashes or ()),
    )


def _pairs(
    splits: Sequence[StoredSplit],
) -> Iterator[tuple[StoredSplit, list[str], StoredSplit, list[str]]]:
    """Yield what is to be judged with what is learned from: within each split, then across."""
    for split in splits:
        sides = [side for side in split.counts if side != SAMPLE]
        if len(sides) < 2:
            found = ", ".join(split.counts) or "none"
            raise EvaluationError(
                f"split {split.name!r} needs two sides, such as train and test, to leak from one "
                f"to the other; it has {found}"
            )
        if split.is_folds:
            for side in sides:
                yield split, [side], split, [other for other in sides if other != side]
            continue
        # val is learned from as well: it chooses what is then judged on test.
        for held, seen in ((VAL, TRAIN), (TEST, TRAIN), (TEST, VAL)):
            if held in sides and seen in sides:
                yield split, [held], split, [seen]
    for one, other in itertools.permutations(splits, 2):
        for held in (VAL, TEST):
            if held in one.counts and TRAIN in other.counts:
                yield one, [held], other, [TRAIN]
