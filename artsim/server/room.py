"""An index that is open to visitors: what the pages show of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import PALETTE, TapInfo
from artsim.errors import SearchError, StoreError
from artsim.index import layout_file, read_layout
from artsim.places import as_path
from artsim.prediction import Teacher
from artsim.report import Caption, is_url
from artsim.search import (
    SUBJECTS,
    Condition,
    Found,
    IndexEncoder,
    Opened,
    SearchAnswer,
    SearchBackend,
    Searcher,
    SearchRequest,
    Term,
    Works,
    among,
    find_works,
)
from artsim.server.batching import Batcher
from artsim.server.duplicates import Duplicates
from artsim.server.facets import names
from artsim.server.mapping import color_by, colorings, inside, name_groups
from artsim.server.messages import BrowseIn, FacetsIn, MapIn
from artsim.server.pictures import Thumbnails
from artsim.server.remembering import RememberingEncoder
from artsim.server.verifying import Verifier
from artsim.store import Store

_POINTS = 100_000  # works on a map, at most
_KINDS = {"gram": "Style"}  # what a pooling compares, for visitors
_SUGGESTED = 4  # of a kind
_TITLES = 20  # that may have the words in this order
_REMEMBERED = 32  # words whose works are kept


class Room:
    """An index that is open to visitors; for the options see `Searcher`.

    ``duplicates`` are those known of the same rows.
    """

    def __init__(
        self,
        store: Store,
        encoder: RememberingEncoder,
        others: Mapping[str, Opened],
        *,
        gpu: int | None = None,
        workers: int = 1,
        backend: Callable[[Works], SearchBackend] | None = None,
        duplicates: Duplicates | None = None,
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
        self.duplicates = duplicates or Duplicates(store)
        self.verifier = Verifier(self.works, encoder)
        self._found = lru_cache(_REMEMBERED)(self._find)
        self._placed = lru_cache(1)(self._place)
        self._named = lru_cache(1)(self._name_groups)
        # Read now what a query needs: embed may change the index while it is served.
        self.works.row_of_content("")
        if store.rows:
            first = self.works.take([0], ["id"]).column(0)[0].as_py()
            self.searcher.search(SearchRequest(terms=(Term(id=first),), k=1))

    def describe(self) -> dict[str, Any]:
        """Describe the index and what it can do."""
        passport = self.store.manifest.passport
        return {
            "name": self.name,
            "rows": self.store.rows,
            "model": self.without_folders(passport.spec),
            "taps": [
                {"name": tap.name, "title": title, "pooling": tap.pooling, "dim": tap.dim}
                for tap, title in zip(passport.taps, _titles(passport.taps), strict=True)
            ],
            "fields": [
                {"name": name, "type": str(self.works.types[name])}
                for name in (*self.works.fields, *self.works.labels)
            ],
            "years": self.works.year_columns,
            "colors": self._colorings,
            "words": self.store.manifest.passport.takes_words,
            "pictures": not passport.is_external,
            "tiles": self.store.manifest.tiles,
            "map": self._stamp,
            "verifies": self.verifier.is_possible,
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
        root = as_path(self.store.manifest.root)
        for folder in (self.store.path.resolve(), self.store.path, root, *made_of):
            if len(folder.parts) > 1:  # neither '.' nor '/'
                text = text.replace(str(folder), self.name)
        return text

    @cached_property
    def _colorings(self) -> list[str]:
        return colorings(self.works)

    @cached_property
    def teacher(self) -> Teacher:
        """Learns concepts from marked works."""
        return Teacher(self.works, self.searcher.backend, self.searcher.tap)

    def browse(self, wanted: BrowseIn) -> dict[str, Any]:
        """Return a page of the works that meet conditions: best first, or shuffled by the seed."""
        rows = self.meeting(wanted)
        rows = np.arange(self.store.rows) if rows is None else rows
        if wanted.find.strip():
            best = self._found(wanted.find).rows
            rows = best[np.isin(best, rows)]
        elif wanted.seed is not None:
            rows = rows[np.random.default_rng(wanted.seed).permutation(len(rows))]
        shown = self.describe_works(rows[wanted.offset : wanted.offset + wanted.limit].tolist())
        unknown = self.works.filter.unknown(None, self.conditions(wanted))
        return {
            "rows": self.store.rows,
            "total": len(rows),
            "unknown": unknown,
            "nothing": "" if len(rows) else self._nothing(wanted),
            "instead": "" if len(rows) else self._found(wanted.find).instead_of(wanted.find),
            "works": shown,
        }

    def suggest(self, text: str) -> list[str]:
        """Return subjects of pictures, names and titles that contain a text, some of each."""
        wanted = text.casefold().strip()
        if not wanted:
            return []
        found = self.works.known(self._found(text).rows[:_TITLES].tolist())
        titles = [Caption.of(record).title for _, _, record in found]
        kinds = [
            [each for each in some if each and wanted in each.casefold()][:_SUGGESTED]
            for some in (SUBJECTS, self._names, titles)
        ]
        return list(dict.fromkeys(each for some in kinds for each in some))

    @cached_property
    def _names(self) -> list[str]:
        return names(self.works)

    def _find(self, words: str) -> Found:
        return find_works(self.works, words, k=self.store.rows)

    def _nothing(self, wanted: FacetsIn) -> str:
        found = self._found(wanted.find) if wanted.find.strip() else None
        if found is not None and not found.count:
            said = found.why_nothing(conditions=False)
            return said if said.endswith("?") else f"{said}."
        return "No works meet these conditions; remove one."

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
        found: list[dict[str, int]] = self.works.take(rows, ["width", "height"]).to_pylist()
        return found

    def file(self, row: int) -> dict[str, Any]:
        """Return format and bytes of a work's own file, as far as they can be known at once."""
        ((_, image, _),) = self.works.known([row])
        if image is None or is_url(image):
            return {"format": None, "bytes": None}
        file = Path(image)
        found: dict[str, Any] = {"format": file.suffix[1:].upper() or None, "bytes": None}
        with suppress(OSError):  # in an archive, or not here
            found["bytes"] = file.stat().st_size
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
            (found,) = explain_answer(replace(answer, matches=(match,)), own)
        return list(found)

    def conditions(self, wanted: FacetsIn) -> tuple[Condition, ...]:
        """Return what the works must meet: conditions, words to find, an area of the map.

        Raises:
            SearchError: If the words are too long.
            StoreError: If there is no map.
        """
        found = wanted.as_conditions()
        if wanted.relations:
            related = [Condition(**dict(each)) for each in wanted.relations]
            rows = self.works.filter.rows(None, related)
            assert rows is not None
            found += (among(rows),)
        if wanted.find.strip():
            found += (among(self._found(wanted.find).rows),)
        if wanted.lasso:
            placed, points = self._points
            found += (among(placed[inside(points, wanted.lasso)]),)
        return found

    def meeting(self, wanted: FacetsIn) -> NDArray[np.int64] | None:
        """Return the rows that meet all; None if nothing is required.

        Raises:
            SearchError: If a condition does not suit its column.
        """
        return self.works.filter.rows(None, self.conditions(wanted))

    def map(self, wanted: MapIn) -> dict[str, Any]:
        """Return the map: for each work id, position, color, and whether it meets the conditions.

        Raises:
            StoreError: If the index has no map.
            EvaluationError: If the label is unknown.
            SearchError: If a condition does not suit its column.
        """
        rows, points = self._points
        met = self.meeting(wanted)
        if len(rows) > _POINTS:
            order = np.random.default_rng(0).permutation(len(rows))
            if met is not None:  # works that meet the conditions come first
                order = order[np.argsort(~np.isin(rows[order], met), kind="stable")]
            order = np.sort(order[:_POINTS])
            rows, points = rows[order], points[order]
        are_met = None if met is None else np.isin(rows, met)
        found: dict[str, Any] = {
            "ids": self.works.take(rows, ["id"]).column(0).to_pylist(),
            "x": points[:, 0].round(4).tolist(),
            "y": points[:, 1].round(4).tolist(),
            "met": None if are_met is None else are_met.astype(int).tolist(),
            "values": None,
            "classes": [],
            "others": 0,
            "ordered": False,
            "low": None,
            "high": None,
            "ends": [],
        }
        if wanted.label is None:
            return found
        return found | color_by(self.works, wanted.label, rows, are_met)

    def groups(self) -> list[dict[str, Any]]:
        """Return the groups of neighbors on the map, named; see `name_groups`.

        Raises:
            StoreError: If the index has no map.
        """
        return self._named(self._stamp)

    @property
    def _points(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows that are on the map, and their places."""
        return self._placed(self._stamp)

    @property
    def _stamp(self) -> tuple[int, int] | None:
        """What changes when the map is made again."""
        try:
            found = layout_file(self.store, self.searcher.tap).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def _place(self, _: tuple[int, int] | None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        points = read_layout(self.store, self.searcher.tap)
        if points is None:
            raise StoreError(f"{self.name!r} has no map yet; run 'artsim map'")
        rows = np.flatnonzero(~np.isnan(points).any(axis=1))
        return rows, points[rows]

    def _name_groups(self, _: tuple[int, int] | None) -> list[dict[str, Any]]:
        return name_groups(self.works, *self._points)


def describe_work(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with the title, artist and date found in it."""
    caption = Caption.of(metadata)
    shown = {name: getattr(caption, name) for name in ("title", "artist", "date")}
    return shown | {"metadata": dict(metadata)}


def _titles(taps: Sequence[TapInfo]) -> list[str]:
    """Return what visitors call the methods of comparison; several of a kind keep their names."""
    kinds = ["Color" if tap.name == PALETTE else _KINDS.get(tap.pooling, "Overall") for tap in taps]
    return [
        kind if kinds.count(kind) == 1 else tap.name for tap, kind in zip(taps, kinds, strict=True)
    ]
