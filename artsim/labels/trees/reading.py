"""Hierarchies of classes: a CSV file of child and parent, SKOS as Turtle, or Iconclass.

A class may have several parents, as in the Art & Architecture Thesaurus; none is above itself.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from artsim.errors import EvaluationError
from artsim.labels.trees import iconclass

ICONCLASS = "iconclass"  # instead of a file: the code of a class is its path

_TRIPLES = {".ttl": "turtle", ".nt": "nt"}
_GVP = "http://vocab.getty.edu/ontology#"  # of the Getty vocabularies
_LANGUAGE = "en"  # of the names shown, where a concept has one


@dataclass(frozen=True, kw_only=True, eq=False)
class Hierarchy:
    """Which classes are below which; nodes are known by keys."""

    source: str  # the file, or `ICONCLASS`
    find: Callable[[str], str | None]  # the node of a class, by its name
    parents: Callable[[str], tuple[str, ...]]  # of a node
    name: Callable[[str], str]  # of a node


def read_hierarchy(source: str | Path) -> Hierarchy:
    """Read a hierarchy.

    Args:
        source: A CSV file with the columns child and parent; SKOS in Turtle or N-Triples, with
            ``skos:broader`` or ``skos:narrower``; or `ICONCLASS`.

    Raises:
        EvaluationError: If it cannot be read, names no parent, or a class is above itself.
    """
    if str(source) == ICONCLASS:
        return Hierarchy(
            source=ICONCLASS,
            find=lambda name: name.strip() if iconclass.is_notation(name.strip()) else None,
            parents=iconclass.parents,
            name=str,
        )
    file = Path(source)
    read = _read_skos if file.suffix.lower() in _TRIPLES else _read_csv
    try:
        parents, names = read(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(
            f"cannot read the hierarchy {str(file)!r} ({error}); expected a CSV file with the "
            f"columns child and parent, SKOS as .ttl, or {ICONCLASS!r}"
        ) from error
    if not any(parents.values()):
        raise EvaluationError(f"{str(file)!r} names no parent of a class; nothing is a hierarchy")
    _check_cycles(file, parents, names)
    keys = _keys(names)
    return Hierarchy(
        source=str(file),
        find=lambda name: keys.get(_fold(name)),
        parents=lambda key: parents.get(key, ()),
        name=lambda key: names[key][0],
    )


_Parents = Mapping[str, tuple[str, ...]]
_Names = Mapping[str, tuple[str, ...]]  # of each node, the one to show first


def _read_csv(file: Path) -> tuple[_Parents, _Names]:
    parents: dict[str, tuple[str, ...]] = {}
    names: dict[str, tuple[str, ...]] = {}
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        columns = {_fold(name): name for name in rows.fieldnames or ()}
        if not {"child", "parent"} <= columns.keys():
            raise EvaluationError(
                f"{str(file)!r} has the columns {', '.join(rows.fieldnames or ()) or 'none'}; "
                "expected child and parent"
            )
        for row in rows:
            child, parent = ((row[columns[each]] or "").strip() for each in ("child", "parent"))
            if not child:
                raise EvaluationError(f"{str(file)!r}, line {rows.line_num}: it names no child")
            for name in filter(None, (child, parent)):
                names.setdefault(_fold(name), (name,))
            above = parents.get(_fold(child), ())
            if parent and _fold(parent) not in above:
                above = (*above, _fold(parent))
            parents[_fold(child)] = above
    return parents, names


def _read_skos(file: Path) -> tuple[_Parents, _Names]:
    try:
        from rdflib import Graph, URIRef
        from rdflib.namespace import RDFS, SKOS
    except ImportError as error:
        raise EvaluationError(
            f"{str(file)!r} is SKOS, which needs rdflib: pip install 'artsim[skos]'"
        ) from error
    graph = Graph()
    try:
        graph.parse(data=file.read_bytes(), format=_TRIPLES[file.suffix.lower()])
    except OSError:
        raise
    except Exception as error:  # rdflib raises whatever its parser met
        line = " ".join(str(error).split())[:200]
        raise EvaluationError(f"{str(file)!r} is no valid {file.suffix[1:]}: {line}") from error
    broader: dict[str, dict[str, None]] = {}
    for predicate in (URIRef(f"{_GVP}broaderPreferred"), SKOS.broader):
        for child, parent in graph.subject_objects(predicate):
            broader.setdefault(str(child), {})[str(parent)] = None
    for parent, child in graph.subject_objects(SKOS.narrower):
        broader.setdefault(str(child), {})[str(parent)] = None
    nodes = dict.fromkeys([*broader, *(key for some in broader.values() for key in some)])
    names = {}
    for node in nodes:
        subject = URIRef(node)
        labels = [
            sorted(
                (label for label in graph.objects(subject, kind)),
                key=lambda label: (getattr(label, "language", None) != _LANGUAGE, str(label)),
            )
            for kind in (SKOS.prefLabel, RDFS.label, SKOS.altLabel, SKOS.notation)
        ]
        end = node.rstrip("/").replace("#", "/").rsplit("/", 1)[-1]  # 300022442
        some = [str(label) for kind in labels for label in kind]
        names[node] = tuple(dict.fromkeys([*some, end, node]))
    return {node: tuple(broader.get(node, ())) for node in nodes}, names


def _check_cycles(file: Path, parents: _Parents, names: _Names) -> None:
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        circle = " > ".join(names[key][0] for key in error.args[1])
        raise EvaluationError(
            f"{str(file)!r} puts a class above itself: {circle}; remove one of these lines"
        ) from error


def _keys(names: _Names) -> dict[str, str]:
    """Return the node of each name; the names to show come first, and one of two nodes is none."""
    shown = _nodes_by_name((of[0], key) for key, of in names.items())
    others = _nodes_by_name((name, key) for key, of in names.items() for name in of[1:])
    found = others | shown  # a name to show is never read as another node's alternative
    return {name: next(iter(keys)) for name, keys in found.items() if len(keys) == 1}


def _nodes_by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, key in pairs:
        found.setdefault(_fold(name), set()).add(key)
    return found


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()
