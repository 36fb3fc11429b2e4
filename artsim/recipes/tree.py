"""A tree of labels in two stages: the kind of a work, then the fields of each kind.

Written as TOML or JSON::

    label = "artifact"                                    # a column or derived label
    classes = ["coins", "frescoes", "others"]             # all classes if left out
    [branches.frescoes]
    noun = "fresco"                                       # for phrases; the class if left out
    fields = {location = ["cyprus", "italy", "other"], period = []}   # all classes if empty

A class without a branch has no second stage.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from artsim.errors import TrainingError
from artsim.labels import short_name

TREE = "tree.json"  # in a run's folder

_LEFT_OUT = ("other", "not ")  # a phrase leaves out values that start with these


@dataclass(frozen=True, kw_only=True)
class Branch:
    """The labels of the works of one class."""

    noun: str  # for one work
    fields: Mapping[str, tuple[str, ...]]  # classes by label; all classes if empty


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One label of a tree, predicted by a network of its own."""

    name: str  # 'artifact', 'frescoes.period'
    label: str  # a column or derived label
    classes: tuple[str, ...]
    branch: str | None = None  # the class whose works have this label; all works if None


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The first label, and the branches of its classes."""

    label: str
    classes: tuple[str, ...] = ()
    branches: Mapping[str, Branch] = field(default_factory=dict)

    def stages(self) -> Iterator[Stage]:
        """Yield the labels in order."""
        yield Stage(name=short_name(self.label), label=self.label, classes=self.classes)
        for class_, branch in self.branches.items():
            for label, classes in branch.fields.items():
                name = f"{class_}.{short_name(label)}"
                yield Stage(name=name, label=label, classes=classes, branch=class_)

    def folder(self, stage: Stage) -> str:
        """Return the name of the folder of a stage's network in the run's folder."""
        number = list(self.stages()).index(stage) + 1
        return re.sub(r"[^\w.-]+", "-", f"{number}-{stage.name}")

    def phrase(self, class_: str, values: Sequence[str]) -> str:
        """Describe a work in words: ``Cyprus Byzantine Fresco``."""
        noun = self.branches[class_].noun if class_ in self.branches else class_
        words = [*(value for value in values if not value.startswith(_LEFT_OUT)), noun]
        return " ".join(word[:1].upper() + word[1:] for word in " ".join(words).split())

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make a tree of plain values, or raise a `TrainingError`."""
        try:
            label, classes = str(values["label"]), tuple(map(str, values.get("classes", ())))
            branches = {
                class_: Branch(
                    noun=str(branch.get("noun", class_)),
                    fields={name: tuple(map(str, each)) for name, each in branch["fields"].items()},
                )
                for class_, branch in values["branches"].items()
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"a tree has label, branches.CLASS.fields and classes; got {error!r}"
            ) from error
        unknown = [class_ for class_ in branches if classes and class_ not in classes]
        if unknown:
            raise TrainingError(
                f"branch {unknown[0]!r} is not a class of {label!r}; it has {', '.join(classes)}"
            )
        return cls(label=label, classes=classes, branches=branches)


def read_tree(file: Path) -> Tree:
    """Read a tree from a .toml or .json file.

    Raises:
        TrainingError: If it cannot be read or is not a tree.
    """
    try:
        text = file.read_text(encoding="utf-8")
        values = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
        return Tree.from_json(values)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{str(file)!r} is not a tree in TOML or JSON ({error})") from error


HERITAGE = Tree.from_json(
    {
        "label": "artifact",
        "classes": ["coins", "frescoes", "icons", "manuscripts", "others"],
        "branches": {
            "coins": {"noun": "coin", "fields": {"material": ["gold", "silver", "other"]}},
            "frescoes": {
                "noun": "fresco",
                "fields": {
                    "location": ["cyprus", "italy", "other"],
                    "period": ["byzantine", "other"],
                },
            },
            "icons": {"noun": "icon", "fields": {"location": ["cyprus", "other"]}},
            "manuscripts": {
                "noun": "manuscript",
                "fields": {
                    "location": ["france", "italy", "other"],
                    "language": ["latin", "other"],
                    "description": ["figure", "text", "text&figure"],
                },
            },
        },
    }
)
