"""An index that is open to visitors, with its small copies and its batcher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from artsim.errors import SearchError, StoreError
from artsim.index import layout_file, read_layout
from artsim.labels import values_of
from artsim.report import Caption
from artsim.search import (
    Condition,
    IndexEncoder,
    Opened,
    SearchAnswer,
    Searcher,
    SearchRequest,
    Term,
)
from artsim.server.batching import Batcher
from artsim.server.thumbnails import Thumbnails
from artsim.store import Store, indices

_POINTS = 50_000  # of a map that is sent to a page
_CLASSES = 10  # of a label that have their own color


class Room:
    """An index that is open to visitors.

    Aspects may compare by the indexes in ``others``. Vectors are compared on the GPU of number
    ``gpu``, on the CPU if None; ``workers`` threads decode pictures.
    """

    def __init__(
        self,
        store: Store,
        encoder: IndexEncoder,
        others: Mapping[str, Opened],
        *,
        gpu: int | None = None,
        workers: int = 1,
    ) -> None:
        self.name = store.path.resolve().name
        self.store = store
        self.searcher = Searcher(store, encoder=encoder, others=others, gpu=gpu, workers=workers)
        self.batcher = Batcher(self.searcher)
        self.works = self.searcher.works
        self._read()
        self.thumbnails = Thumbnails(store, self.works)
        self.encoder = encoder

    def _read(self) -> None:
        """Read now what a query needs: embed may change the index while it is served."""
        ids = self.works.table.column("id")
        self.works.row_of_content("")
        if len(ids):
            self.searcher.search(SearchRequest(terms=(Term(id=ids[0].as_py()),), k=1))

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
                {"name": field.name, "type": str(field.type)}
                for field in self.store.manifest.fields
            ],
            "words": self.takes_words,
            "pictures": not passport.is_external,
            "tiles": self.store.manifest.tiles,
            "map": layout_file(self.store, self.searcher.tap).is_file(),
        }

    def without_folders(self, text: str) -> str:
        """Replace the index's folders by its name: visitors do not see where they are."""
        passport = self.store.manifest.passport
        made_of = [
            Path(text.removeprefix(kind)).parent  # a file of weights, of vectors, a trained network
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
        """Whether it can be searched by text: the network reads words and has an embedding here."""
        passport = self.store.manifest.passport
        return passport.spec.startswith("open_clip:") and passport.tap("embedding") is not None

    def browse(
        self, conditions: Sequence[Condition], offset: int, limit: int, seed: int | None
    ) -> dict[str, Any]:
        """Return a page of the works that meet conditions, in an order drawn by the seed."""
        rows = self.works.filter.rows(None, conditions)
        rows = np.arange(self.store.rows) if rows is None else rows
        if seed is not None:
            rows = rows[np.random.default_rng(seed).permutation(len(rows))]
        shown = rows[offset : offset + limit].tolist()
        return {
            "rows": self.store.rows,
            "total": len(rows),
            "works": self.describe_works(shown),
        }

    def describe_works(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Return what a page shows of some works."""
        sizes = self.works.table.select(["width", "height"]).take(indices(rows)).to_pylist()
        return [
            {"id": id_} | size | describe_work(metadata)
            for (id_, _, metadata), size in zip(self.works.known(rows), sizes, strict=True)
        ]

    def explain(self, answer: SearchAnswer, id_: str) -> list[Any]:
        """Find which regions of the query, then of a match, made that match.

        Returns:
            `artsim.explain.Regions`, one a picture.

        Raises:
            SearchError: If it is not among the matches.
            ModelError: If the network cannot be looked into.
        """
        from artsim.explain import explain_answer

        match = next((each for each in answer.matches if each.id == id_), None)
        if match is None:
            raise SearchError(f"{id_!r} is not among the matches of this query")
        # One at a time, for gradients take memory, and never while another picture is embedded.
        with self.encoder.computing:
            (found,) = explain_answer(replace(answer, matches=(match,)), self.encoder.extractor)
        return list(found)

    def map(self, label: str | None, conditions: Sequence[Condition]) -> dict[str, Any]:
        """Return the kept map: ids, places, a class each, and whether it meets the conditions.

        Raises:
            StoreError: If there is none.
            EvaluationError: If there is no such label.
            SearchError: If a condition cannot be met by its column.
        """
        tap = self.searcher.tap
        points = read_layout(self.store, tap)
        if points is None:
            raise StoreError(f"{self.name!r} has no map yet; run 'artsim map'")
        rows = np.flatnonzero(~np.isnan(points).any(axis=1))
        met = self.works.filter.rows(None, conditions)
        if len(rows) > _POINTS:
            rows = np.random.default_rng(0).permutation(rows)
            if met is not None:  # works that meet the conditions come first
                rows = rows[np.argsort(~np.isin(rows, met), kind="stable")]
            rows = np.sort(rows[:_POINTS])
        ids = self.works.table.column("id").take(rows).to_pylist()
        found: dict[str, Any] = {
            "ids": ids,
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
            found |= {
                "classes": classes,
                "values": [numbers.get(value, -1) for value in values.tolist()],
            }
        return found


def describe_work(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with title, artist and date, where its columns are called so."""
    label = Caption.of(metadata)
    return {
        "title": label.title,
        "artist": label.artist,
        "date": label.date,
        "metadata": dict(metadata),
    }
