"""What is asked in two stages: what a work is, then of each kind its own fields.

Written as TOML or JSON::

    label = "artifact"                                    # a column or derived label
    classes = ["coins", "frescoes", "others"]             # all there are if left out
    [branches.frescoes]
    noun = "fresco"                                       # for phrases; the class if left out
    fields = {location = ["cyprus", "italy", "other"], period = []}   # all there are if empty

A class without a branch is where it stops.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from artsim.errors import TrainingError
from artsim.labels import short_name

__all__ = ["HERITAGE", "Branch", "Stage", "Tree", "read_tree"]

_UNSAID = ("other", "not ")  # how values begin that a phrase leaves out


@dataclass(frozen=True, kw_only=True)
class Branch:
    """What is asked of the works of one class."""

    noun: str  # what one of them is called
    fields: Mapping[str, tuple[str, ...]]  # label: its classes, all there are if empty


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One question of a tree; a network of its own answers it."""

    name: str  # 'artifact', 'frescoes.period'
    label: str  # a column or derived label
    classes: tuple[str, ...]
    branch: str | None = None  # the class whose works are asked; all are if None


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The first question, and the branches that follow its answers."""

    label: str
    classes: tuple[str, ...] = ()
    branches: Mapping[str, Branch] = field(default_factory=dict)

    def stages(self) -> Iterator[Stage]:
        """Yield the questions, the first first."""
        yield Stage(name=short_name(self.label), label=self.label, classes=self.classes)
        for class_, branch in self.branches.items():
            for label, classes in branch.fields.items():
                name = f"{class_}.{short_name(label)}"
                yield Stage(name=name, label=label, classes=classes, branch=class_)

    def phrase(self, class_: str, values: Sequence[str]) -> str:
        """Say what a work is in words: ``Cyprus Byzantine Fresco``."""
        noun = self.branches[class_].noun if class_ in self.branches else class_
        words = [*(value for value in values if not value.startswith(_UNSAID)), noun]
        return " ".join(_capital(word) for word in " ".join(words).split())

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave, or a user wrote.

        Raises:
            TrainingError: If it is no tree.
        """
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
                f"branch {unknown[0]!r} is no class of {label!r}; it has {', '.join(classes)}"
            )
        return cls(label=label, classes=classes, branches=branches)


def read_tree(file: Path) -> Tree:
    """Read a tree from a .toml or .json file.

    Raises:
        TrainingError: If it cannot be read or is no tree.
    """
    try:
        text = file.read_text(encoding="utf-8")
        values = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
        return Tree.from_json(values)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{str(file)!r} is no tree in TOML or JSON ({error})") from error


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


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
