"""Leaks of a split from its training to its test pictures, within and across splits."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Catalog, FieldType, Progress, no_progress, shell_word
from artsim.errors import EvaluationError
from artsim.labels import group_codes, groups_of_lists
from artsim.splits.hashes import picture_hashes
from artsim.splits.leaks import WITHIN, Evidence, Leak, LeakKind, find_leaks
from artsim.splits.parts import SAMPLE, TEST, TRAIN, VAL
from artsim.splits.stored import StoredSplit, part_of, read_stored_split
from artsim.store import Store


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A part to test on compared with a part to train on."""

    test_split: str
    test_part: str
    train_split: str
    train_part: str
    test_rows: int  # how many
    train_rows: int
    leaks: tuple[Leak, ...]

    @property
    def counts(self) -> Counter[LeakKind]:
        """Leaking rows, by kind."""
        return Counter(leak.kind for leak in self.leaks)


@dataclass(frozen=True, kw_only=True)
class LeakReport:
    """All parts of some splits compared."""

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
        names: Splits that are stored, or columns.
        group: Label whose values should each be in one part: artist. Of a list any value counts.
        object_: Label with the id of the object that a picture shows.
        pictures: Whether to compare what the pictures look like.
        within: Bits that perceptual hashes of look-alikes may differ by.
        workers: Threads that decode.
        progress: Called while pictures are hashed.

    Raises:
        EvaluationError: If a split or label is not there, or a split has one part.
    """
    splits = [read_stored_split(store, name) for name in names]
    ids, files = (column.to_pylist() for column in store.read(["id", "content_hash"]).columns)
    evidence = Evidence(
        ids=ids,
        files=[value or None for value in files],
        objects=None if object_ is None else _known(group_codes(store, object_)),
        groups=None if group is None else _known(group_codes(store, group)),
        # Last: names are checked before pictures are hashed, which may take minutes.
        hashes=picture_hashes(store, workers=workers, progress=progress) if pictures else None,
    )
    return _audit(splits, evidence, within)


def audit_catalog(
    catalog: Catalog, names: Sequence[str], *, group: str | None = None, object_: str | None = None
) -> LeakReport:
    """Look for leaks between splits of a catalog that is not embedded: by id, object and group.

    Raises:
        EvaluationError: If a column is not there, or a split has one part.
        ReaderError: If the catalog cannot be read.
    """
    grouping = [name for name in (group, object_) if name is not None]
    known = [field for field in catalog.fields if field.type is not FieldType.YEARS]
    single = [field.name for field in known if field.type is not FieldType.LIST]
    for name in names:
        if name not in single:
            raise EvaluationError(
                f"no column {name!r} of one value a picture; choose from {', '.join(single)}"
            )
    for name in grouping:
        if name not in (fields := [field.name for field in known]):
            raise EvaluationError(
                f"no column {name!r} to group by; choose from {', '.join(fields)}"
            )
    columns: dict[str, list[Any]] = {name: [] for name in ("id", *names, *grouping)}
    for batch in catalog.batches():
        for name, values in columns.items():
            values += batch.column(name).to_pylist()
    texts = {name: [None if v is None else str(v) for v in columns[name]] for name in names}
    splits = [StoredSplit(name=name, parts=tuple(map(part_of, texts[name]))) for name in names]
    evidence = Evidence(
        ids=[id_ or "" for id_ in columns["id"]],
        objects=None if object_ is None else _groups(columns[object_]),
        groups=None if group is None else _groups(columns[group]),
    )
    return _audit(splits, evidence, WITHIN)


def refuse_leaks(store: Store, split: str) -> None:
    """Refuse a split whose parts share a file or a picture.

    Raises:
        EvaluationError: If they do.
    """
    comparisons = audit_splits(store, [split]).comparisons
    counts = Counter(leak.kind for each in comparisons for leak in each.leaks)
    if counts:
        kinds = ", ".join(f"{count:,} by {kind}" for kind, count in counts.items())
        raise EvaluationError(
            f"split {split!r} leaks: test pictures are also in the training set ({kinds}); "
            f"list them with 'artsim leaks --split {shell_word(split)}'"
        )


def _groups(values: Sequence[Any]) -> list[Any]:
    """Return what the rows of a group share: their value, or in lists any of their values."""
    if not any(isinstance(value, list) for value in values):
        return list(values)
    return _known(groups_of_lists(values))


def _known(codes: NDArray[np.int64]) -> list[int | None]:
    return [None if code < 0 else code for code in codes.tolist()]


def _audit(splits: Sequence[StoredSplit], evidence: Evidence, within: int) -> LeakReport:
    comparisons = []
    for test_split, test_part, train_split, train_parts in _pairs(splits):
        test, train = test_split.rows(test_part), train_split.rows(*train_parts)
        comparisons.append(
            Comparison(
                test_split=test_split.name,
                test_part=test_part,
                train_split=train_split.name,
                train_part=train_parts[0] if len(train_parts) == 1 else "other folds",
                test_rows=len(test),
                train_rows=len(train),
                leaks=tuple(find_leaks(evidence, train, test, within=within)),
            )
        )
    given = zip(LeakKind, vars(evidence).values(), strict=True)
    return LeakReport(
        ids=tuple(evidence.ids),
        comparisons=tuple(comparisons),
        checked=tuple(kind for kind, values in given if values is not None),
        unhashed=sum(value is None for value in evidence.hashes or ()),
    )


def _pairs(
    splits: Sequence[StoredSplit],
) -> Iterator[tuple[StoredSplit, str, StoredSplit, list[str]]]:
    """Yield a part to test on with parts to train on: within each split, then across."""
    for split in splits:
        parts = [part for part in split.counts if part != SAMPLE]
        if len(parts) < 2:
            found = ", ".join(split.counts) or "none"
            raise EvaluationError(
                f"split {split.name!r} needs two sets, such as train and test; it has {found}"
            )
        # val counts as training too: it chooses what is then tested.
        for test, train in ((VAL, TRAIN), (TEST, TRAIN), (TEST, VAL)):
            if test in parts and train in parts:
                yield split, test, split, [train]
        for fold in parts if split.is_folds else ():
            yield split, fold, split, [other for other in parts if other != fold]
    for one, other in itertools.permutations(splits, 2):
        for test in (VAL, TEST):
            if test in one.counts and TRAIN in other.counts:
                yield one, test, other, [TRAIN]
