"""An index that is open to visitors: what the pages show of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from artsim.errors import SearchError, StoreError
from artsim.index import layout_file, read_layout
from artsim.labels import values_of
from artsim.prediction import Teacher
from artsim.report import Caption
from artsim.search import (
    Condition,
    IndexEncoder,
    Opened,
    SearchAnswer,
    SearchBackend,
    Searcher,
    SearchRequest,
    Term,
    Works,
)
from artsim.server.batching import Batcher
from artsim.server.pictures import Thumbnails
from artsim.server.remembering import RememberingEncoder
from artsim.store import Store, indices

_POINTS = 50_000  # works on a map, at most
_CLASSES = 10  # with a color of their own on a map


class Room:
    """An index that is open to visitors; for the options see `Searcher`."""

    def __init__(
        self,
        store: Store,
        encoder: RememberingEncoder,
        others: Mapping[str, Opened],
        *,
        gpu: int | None = None,
        workers: int = 1,
        backend: Callable[[Works], SearchBackend] | None = None,
    ) -> None:
        self.name = store.path.resolve().name
        self.store = store
        self.searcher = Searcher(
            store, encoder=encoder, others=others, gpu=gpu, workers=workers, backend=backend
        )
        self.batcher = Batcher(self.searcher)
        self.works = self.searcher.works
        self.thumbnails = Thumbnails(self.works)
        self.encoder = encoder
        # Read now what a query needs: embed may change the index while it is served.
        self.works.row_of_content("")
        if store.rows:
            first = self.works.table.column("id")[0].as_py()
            self.searcher.search(SearchRequest(terms=(Term(id=first),), k=1))

    def describe(self) -> dict[str, Any]:
        """Describe the index and what it can do."""
        passport = self.store.manifest.passport
        return {
            "name": self.name,
            "rows": self.store.rows,
            "model": self.without_folders(passport.spec),
            "taps": [
                {"name": tap.name, "pooling": tap.pooling, "dim": tap.dim} for tap in passport.taps
            ],
            "fields": [
                {"name": name, "type": str(self.works.types[name])} for name in self.works.fields
            ],
            "words": self.takes_words,
            "pictures": not passport.is_external,
            "tiles": self.store.manifest.tiles,
            "map": layout_file(self.store, self.searcher.tap).is_file(),
        }

    def without_folders(self, text: str) -> str:
        """Replace the index's folders by its name, so that visitors do not see them."""
        passport = self.store.manifest.passport
        made_of = [
            Path(text.removeprefix(kind)).parent  # of a file of weights or vectors, or of a run
            for kind, text in (
                ("file:", passport.weights_source),
                ("vectors in ", passport.weights_source),
                ("run:", passport.spec.partition("@")[0]),
            )
            if Path(text.removeprefix(kind)).is_absolute()
        ]
        root = Path(self.store.manifest.root)
        for folder in (self.store.path.resolve(), self.store.path, root, *made_of):
            if len(folder.parts) > 1:  # neither '.' nor '/'
                text = text.replace(str(folder), self.name)
        return text

    @cached_property
    def takes_words(self) -> bool:
        """Whether it can be searched by text: the network has a text encoder for this index."""
        passport = self.store.manifest.passport
        return passport.spec.startswith("open_clip:") and passport.tap("embedding") is not None

    @cached_property
    def teacher(self) -> Teacher:
        """Learns concepts from marked works."""
        return Teacher(self.works, self.searcher.backend, self.searcher.tap)

    def browse(
        self, conditions: Sequence[Condition], offset: int, limit: int, seed: int | None
    ) -> dict[str, Any]:
        """Return a page of the works that meet conditions, shuffled by the seed."""
        rows = self.works.filter.rows(None, conditions)
        rows = np.arange(self.store.rows) if rows is None else rows
        if seed is not None:
            rows = rows[np.random.default_rng(seed).permutation(len(rows))]
        shown = self.describe_works(rows[offset : offset + limit].tolist())
        return {"rows": self.store.rows, "total": len(rows), "works": shown}

    def describe_works(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Return what a page shows of some works."""
        return [
            {"id": id_} | size | describe_work(metadata)
            for (id_, _, metadata), size in zip(
                self.works.known(rows), self.sizes(rows), strict=True
            )
        ]

    def sizes(self, rows: Sequence[int]) -> list[dict[str, int]]:
        """Return width and height of some works' pictures."""
        columns = self.works.table.select(["width", "height"])
        found: list[dict[str, int]] = columns.take(indices(rows)).to_pylist()
        return found

    def explain(self, answer: SearchAnswer, id_: str) -> list[Any]:
        """Return the `artsim.explain.Regions` of the query images, then of a match.

        Raises:
            SearchError: If it is not among the matches.
            ModelError: If the network cannot be explained.
        """
        from artsim.explain import explain_answer

        match = next((each for each in answer.matches if each.id == id_), None)
        if match is None:
            raise SearchError(f"{id_!r} is not among the matches of this query")
        # One at a time, as gradients take memory, and never while a picture is embedded.
        own = self.encoder.own
        assert isinstance(own, IndexEncoder)
        with own.computing:
            (found,) = explain_answer(replace(answer, matches=(match,)), own.explained)
        return list(found)

    def map(self, label: str | None, conditions: Sequence[Condition]) -> dict[str, Any]:
        """Return the map: for each work id, position, class, and whether it meets the conditions.

        Raises:
            StoreError: If the index has no map.
            EvaluationError: If the label is unknown.
            SearchError: If a condition does not suit its column.
        """
        points = read_layout(self.store, self.searcher.tap)
        if points is None:
            raise StoreError(f"{self.name!r} has no map yet; run 'artsim map'")
        rows = np.flatnonzero(~np.isnan(points).any(axis=1))
        met = self.works.filter.rows(None, conditions)
        if len(rows) > _POINTS:
            rows = np.random.default_rng(0).permutation(rows)
            if met is not None:  # works that meet the conditions come first
                rows = rows[np.argsort(~np.isin(rows, met), kind="stable")]
            rows = np.sort(rows[:_POINTS])
        found: dict[str, Any] = {
            "ids": self.works.table.column("id").take(rows).to_pylist(),
            "x": points[rows, 0].round(4).tolist(),
            "y": points[rows, 1].round(4).tolist(),
            "met": None if met is None else np.isin(rows, met).astype(int).tolist(),
            "values": None,
            "classes": [],
        }
        if label is not None:
            values = np.array(values_of(self.store, label), dtype=object)[rows]
            names, counts = np.unique(values[values != None].astype(str), return_counts=True)  # noqa: E711 - elementwise
            classes = names[np.argsort(-counts, kind="stable")][:_CLASSES].tolist()
            numbers = {name: number for number, name in enumerate(classes)}
            found["classes"] = classes
            found["values"] = [numbers.get(value, -1) for value in values.tolist()]
        return found


def describe_work(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with the title, artist and date found in it."""
    caption = Caption.of(metadata)
    shown = {name: getattr(caption, name) for name in ("title", "artist", "date")}
    return shown | {"metadata": dict(metadata)}
