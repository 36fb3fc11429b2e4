"""Classes in words: the prompts by which a network that knows text recognizes each class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from artsim.errors import EvaluationError
from artsim.readers.delimited import open_delimited

Prompts = dict[str, tuple[str, ...]]  # by class

_ARTICLE = re.compile(r"\b(a|an)(?= \{\})", re.IGNORECASE)
# Its sound decides: an icon, but a European work and a Ukiyo e print.
_BEGINS_WITH_VOWEL = re.compile(r"(?!eu|u[^aeiou][aeiou])[aeiou]", re.IGNORECASE)

# "{}" stands for the class. Each set suits labels whose name contains one of the words. Catalogs
# have adjectives, countable nouns, plurals and materials ("Baroque", "portrait", "Reliefs",
# "Oil on canvas"): each template reads well with any of them, so none has an article before it.
TEMPLATES = {
    "style": (
        "a painting, {}",
        "a painting whose style is {}",
        "the style of this work of art is {}",
        "{}, a style of art",
    ),
    "genre": ("{}", "a work of art, {}", "a picture of the genre {}", "the genre {} in art"),
    "medium": (
        "{}",
        "a work of art, {}",
        "a museum object, {}",
        "the medium of this work of art is {}",
    ),
    "object": ("{}", "a museum object, {}", "an object of the type {}", "a photograph, {}"),
    "general": ("{}", "a work of art, {}", "a museum object, {}", "a photograph, {}"),
}
_SUITS = {
    "style": ("style", "movement"),
    "genre": ("genre",),
    "medium": ("medium", "material", "technique", "support"),
    "object": ("object", "type", "classification", "category"),
}


def templates_for(label: str) -> tuple[str, ...]:
    """Choose the templates that suit a label by its name."""
    words = re.split(r"[\W_]+", label.lower())
    return TEMPLATES[next((name for name, some in _SUITS.items() if {*some} & {*words}), "general")]


def make_prompts(classes: Sequence[str], templates: Sequence[str]) -> Prompts:
    """Write the prompts of classes: each template with the class in place of ``{}``.

    Underscores are read as spaces. An article before ``{}`` is "a" or "an" as the class needs it.

    Raises:
        EvaluationError: If a template has no ``{}``.
    """
    for template in templates:
        if "{}" not in template:
            raise EvaluationError(
                f"template {template!r} has no {{}}, the place of the class; "
                "write one such as 'a {} painting'"
            )
    return {name: tuple(_fill(template, name) for template in templates) for name in classes}


def read_templates(name: str) -> tuple[str, ...]:
    """Return the templates of a set by its name, or those of a text file, one a line.

    Raises:
        EvaluationError: If there is neither, or the file has no line.
    """
    if name in TEMPLATES:
        return TEMPLATES[name]
    file = Path(name)
    if not file.is_file():
        raise EvaluationError(
            f"no templates {name!r}; choose from {', '.join(TEMPLATES)}, or name a text file"
        )
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise EvaluationError(f"cannot read {name!r} ({error}); save it as UTF-8 text") from error
    found = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not found:
        raise EvaluationError(f"{name!r} has no template; write one a line, such as 'a {{}} vase'")
    return found


def read_prompts(file: Path) -> Mapping[str | None, Prompts]:
    """Read prompts from a CSV file with the columns ``class`` and ``prompt``, by label.

    A class may have several rows, each with a prompt. With a column ``label`` the file serves
    several labels; without one the only key is None.

    Raises:
        ReaderError: If it cannot be read.
        EvaluationError: If it lacks a column or a value.
    """
    table = open_delimited(file)
    names = {name.lower(): name for name in table.names}
    if not {"class", "prompt"} <= names.keys():
        raise EvaluationError(
            f"{str(file)!r} has the columns {', '.join(names)}; expected class and prompt"
        )
    columns = [names[name] for name in ("class", "prompt", "label") if name in names]
    found: dict[str | None, Prompts] = {}
    for number, row in enumerate(table.table(columns).to_pylist(), 2):
        class_, prompt, *label = (row[name] for name in columns)
        if class_ is None or prompt is None:
            raise EvaluationError(f"row {number} of {str(file)!r} lacks a class or a prompt")
        of_label = found.setdefault(label[0] if label else None, {})
        of_label[class_] = (*of_label.get(class_, ()), prompt)
    if not found:
        raise EvaluationError(f"{str(file)!r} has no prompt below its header")
    return found


def _fill(template: str, name: str) -> str:
    name = name.replace("_", " ").strip()
    end = "n" if _BEGINS_WITH_VOWEL.match(name) else ""
    return _ARTICLE.sub(lambda found: found[0][0] + end, template).replace("{}", name)
