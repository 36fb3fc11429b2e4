"""The published data of the Rijksmuseum's types: one of five classes a picture, 972/15/72."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from artsim.errors import TrainingError
from artsim.labels import LabelKind, multiclass, read_label
from artsim.splits import Split, SplitChoice, read_source
from artsim.store import Store
from artsim.training import TrainingTask

TYPES = ("pottery", "print", "drawing", "photo", "sculpture")

_TRAIN = 200  # the first of each class, which were 972
_VALIDATION, _TEST = 15, 72


def read_type(
    store: Store, label: str, *, types: Sequence[str] = TYPES, keep_copies: bool = False, seed: int
) -> TrainingTask:
    """Read the pictures that have exactly one of some types, and draw the published split.

    As in the original train is the first 200 of each class in the catalog's order, and 15 pictures
    for validation and 72 for test are drawn at random. The original drew these from all pictures,
    so that they could be in train as well; here they are drawn from the others.

    Raises:
        TrainingError: If a type has no picture, or too few are left for validation and test.
        EvaluationError: If the label does not exist.
    """
    found = read_label(store, label)
    if found.kind == LabelKind.NUMBER:
        raise TrainingError(f"{label!r} holds numbers, expected classes; see 'artsim label'")
    if found.kind == LabelKind.MULTILABEL:
        known = dict(zip(found.classes, found.matrix.T, strict=True))
        none = np.zeros(len(found), dtype=bool)
        has = np.stack([known.get(name, none) for name in types], axis=1)
    else:
        names = np.array([*found.classes, ""], dtype=object)[found.strata]
        has = np.stack([names == name for name in types], axis=1)
    missing = [name for name, n in zip(types, has.sum(axis=0), strict=True) if not n]
    if missing:
        raise TrainingError(
            f"no picture has the {label} {missing[0]!r}; it has {', '.join(found.classes[:10])}: "
            "name five with --set types=..."
        )
    codes = np.where(has.sum(axis=1) == 1, has.argmax(axis=1), -1)
    one = multiclass(found.name, [None if code < 0 else types[code] for code in codes])
    rows = [np.flatnonzero(one.strata == code)[:_TRAIN] for code in range(len(one.classes))]
    train = np.sort(np.concatenate(rows))
    others = np.setdiff1d(one.labeled, train)
    if len(others) < _VALIDATION + _TEST:
        raise TrainingError(
            f"{len(others):,} pictures of {', '.join(types)} are left after the first {_TRAIN} of "
            f"each, expected {_VALIDATION} for validation and {_TEST} for test; leave out --preset"
        )
    drawn = np.random.default_rng(seed).permutation(others)[: _VALIDATION + _TEST]
    split = Split(
        train=train,
        validation=np.sort(drawn[:_VALIDATION]),
        test=np.sort(drawn[_VALIDATION:]),
        description=f"the first {_TRAIN} of each type to train on, {_VALIDATION} and {_TEST} of "
        f"the others drawn with seed {seed}",
    )
    source = read_source(store, SplitChoice(keep_copies=keep_copies, seed=seed))
    return TrainingTask(label=one, split=source.without_copies(split), source=label)
