"""The classes of a label among those above them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from artsim.errors import EvaluationError
from artsim.labels.label import Label
from artsim.labels.trees.reading import Hierarchy

_SHOWN = 3  # classes named in a note


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedClasses:
    """K classes of a label and the M nodes that distinguish them: they and those above them.

    A node that is above all of the classes, such as the root of the tree, is none of the M. A class
    that the hierarchy does not have is a tree of its own.
    """

    source: str
    nodes: tuple[str, ...]  # (M,) names
    codes: NDArray[np.int64]  # (K,) the node of each class
    above: Any  # (M, M) sparse booleans: row i has node i and the nodes above it
    depths: NDArray[np.int64]  # (M,) from 1
    missing: tuple[str, ...]  # classes that the hierarchy does not have

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a score must know of the hierarchy."""
        if not self.missing:
            return ()
        names = ", ".join(map(repr, self.missing[:_SHOWN]))
        names += ", ..." if len(self.missing) > _SHOWN else ""
        verb = "is" if len(self.missing) == 1 else "are"
        return (
            f"{len(self.missing):,} of {len(self.codes):,} classes {verb} not in {self.source} "
            f"({names}); each counts as a tree of its own",
        )

    def path(self, node: int) -> tuple[str, ...]:
        """Return the names of a node and those above it, from the top down."""
        nodes = self.above[[node]].indices
        return tuple(self.nodes[each] for each in nodes[np.argsort(self.depths[nodes])])

    def code(self, name: str) -> int | None:
        """Return the node of a name, or None."""
        return self.nodes.index(name) if name in self.nodes else None


def place(hierarchy: Hierarchy, classes: Sequence[str]) -> PlacedClasses | None:
    """Place classes in a hierarchy; None if it has none of them."""
    found = [hierarchy.find(name) for name in classes]
    if all(key is None for key in found):
        return None
    missing = {_own_tree(name): name for name, key in zip(classes, found, strict=True) if not key}
    keys = [key or _own_tree(name) for name, key in zip(classes, found, strict=True)]

    def parents(key: str) -> tuple[str, ...]:
        return () if key in missing else hierarchy.parents(key)

    above: dict[str, set[str]] = {}
    for key in keys:
        _climb(key, parents, above)
    common = set.intersection(*(above[key] for key in keys)) - set(keys)
    kept = sorted(above.keys() - common, key=lambda key: (len(above[key]), key))
    number = {key: place for place, key in enumerate(kept)}
    depths: dict[str, int] = {}
    for key in kept:  # what is above comes first, as it has fewer above itself
        depths[key] = 1 + max((depths[each] for each in parents(key) if each in depths), default=0)
    lists = [sorted(number[each] for each in above[key] - common) for key in kept]
    columns = np.concatenate(lists)
    starts = np.append(0, np.cumsum([len(each) for each in lists]))
    shape = (len(kept), len(kept))
    return PlacedClasses(
        source=hierarchy.source,
        nodes=tuple(missing.get(key) or hierarchy.name(key) for key in kept),
        codes=np.array([number[key] for key in keys], dtype=np.int64),
        above=csr_array((np.ones(len(columns), dtype=bool), columns, starts), shape=shape),
        depths=np.array([depths[key] for key in kept], dtype=np.int64),
        missing=tuple(missing.values()),
    )


def check_placed(hierarchy: Hierarchy, labels: Sequence[Label]) -> None:
    """Refuse labels none of whose classes the hierarchy has, by an `EvaluationError`."""
    if any(label.classes and place(hierarchy, label.classes) for label in labels):
        return
    names = ", ".join(label.name for label in labels)
    some = next((label.classes[0] for label in labels if label.classes), None)
    such = f", such as {some!r}" if some is not None else ""
    raise EvaluationError(
        f"{hierarchy.source!r} has no class of {names}{such}; name a label with --label whose "
        "classes are in it, or another hierarchy"
    )


def _climb(key: str, parents: Callable[[str], tuple[str, ...]], above: dict[str, set[str]]) -> None:
    """Add a node with itself and all above it, after those above it."""
    waiting = [key]
    while waiting:
        left = [each for each in parents(waiting[-1]) if each not in above]
        if left:
            waiting += left
            continue
        node = waiting.pop()
        above[node] = {node}.union(*(above[each] for each in parents(node)))


def _own_tree(name: str) -> str:
    return f"\0{name}"  # no key of a hierarchy
