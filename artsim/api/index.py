"""An index as an object: search it, look at it, hand it to an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from artsim.api.queries import QueryLike, read_queries
from artsim.api.results import SearchResult
from artsim.places import as_path
from artsim.store import Store, local_index

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from artsim.datatypes import Passport
    from artsim.search import Encoder, Searcher


class Index:
    """An index folder that is open. Safe to use from several threads.

    It answers for the index as it was opened; after `artsim.embed` changed it, open it again.
    """

    def __init__(self, store: Store, *, tap: str | None = None, encoder: Encoder | None = None):
        """Open a store.

        Args:
            store: The index folder, opened.
            tap: The tap to search by; the first one if None.
            encoder: Turns queries into vectors; the index's own network on the CPU if None.
        """
        self.store = store
        self.tap = store.tap(tap).name
        self._encoder = encoder

    @property
    def path(self) -> Path:
        """The index folder."""
        return self.store.path

    @property
    def name(self) -> str:
        """The name of the index."""
        return self.store.manifest.name

    @property
    def columns(self) -> list[str]:
        """The columns of its catalog."""
        return [field.name for field in self.store.fields]

    @property
    def taps(self) -> list[str]:
        """The names of its vectors."""
        return [tap.name for tap in self.passport.taps]

    @property
    def passport(self) -> Passport:
        """The network, weights and preprocessing that made its vectors."""
        return self.store.manifest.passport

    @property
    def failures(self) -> pd.DataFrame:
        """The pictures that could not be embedded: id, image, stage and reason."""
        failures: pd.DataFrame = self.store.failures().to_pandas()
        return failures

    def __len__(self) -> int:
        """Count the pictures."""
        return self.store.rows

    def to_pandas(self) -> pd.DataFrame:
        """Return id, image and metadata, one row per picture, in the order of the vectors."""
        table: pd.DataFrame = self.store.read(["id", "image", *self.columns]).to_pandas()
        return table

    def vectors(self, tap: str | None = None) -> NDArray[np.float32]:
        """Return the vectors of a tap, shape (N, D), in the order of `to_pandas`."""
        return self.store.vectors(tap or self.tap)

    def similar(
        self,
        query: QueryLike | Sequence[QueryLike],
        *,
        k: int = 10,
        where: str | None = None,
        **options: Any,
    ) -> SearchResult:
        """Find the works most similar to a query.

        Args:
            query: A path or URL of a picture, the id of a work, a Pillow image, the bytes of an
                image file, a vector as a NumPy array (D,), an `artsim.Term`, or several of these,
                which are averaged. Text is written ``"text:a golden halo"`` and needs a CLIP model.
            k: Matches to return.
            where: An SQL condition over the columns of the catalog: ``"year < 1900"``.
            options: Fields of `artsim.SearchRequest`: ``not_same=("artist",)``,
                ``max_per={"artist": 1}``, ``earlier_than=1800``, ``min_percentile=99``, ...

        Raises:
            SearchError: If the index cannot answer this query.
            ImageError: If a picture cannot be read.
            ModelError: If the network is needed and cannot be loaded.

        Example:
            >>> index = artsim.open("indexes/paintings")
            >>> index.similar("query.jpg", k=5, where="year < 1900").to_pandas()
        """
        from artsim.search import SearchRequest

        terms = read_queries(query, self._searcher.works)
        answer = self._searcher.search(SearchRequest(terms=terms, k=k, where=where, **options))
        return SearchResult(str(self.store), answer)

    def find(
        self, words: str = "", *, k: int = 20, where: str | None = None, sort: str | None = None
    ) -> pd.DataFrame:
        """Find the works that have all of some words: id, image and metadata, the best first.

        Case and accents are ignored, and every column of text is searched.

        Args:
            words: Text; without any, every work is found.
            k: Works to return.
            where: An SQL condition over the columns of the catalog.
            sort: The column that orders them instead, from high to low with a - before its name.

        Raises:
            SearchError: If the condition cannot be read, or there is no such column.

        Example:
            >>> artsim.open("indexes/paintings").find("birth virgin", where="year < 1600")
        """
        import pandas as pd

        from artsim.search import find_works

        works = self._searcher.works
        known = works.known(find_works(works, words, k=k, where=where, sort=sort).rows.tolist())
        rows = [{"id": id_, "image": image, **metadata} for id_, image, metadata in known]
        return pd.DataFrame(rows, columns=["id", "image", *self.columns])

    @cached_property
    def _searcher(self) -> Searcher:
        from artsim.search import Searcher

        return Searcher(self.store, tap=self.tap, encoder=self._encoder)

    def __repr__(self) -> str:
        """Summarize the index in one line."""
        columns = ", ".join(self.columns) or "no metadata"
        return (
            f"<artsim.Index {str(self.store)!r}: {len(self):,} pictures by {self.passport.spec} "
            f"({', '.join(self.taps)}); {columns}>"
        )


def open(  # as files are opened
    path: str | Path, *, tap: str | None = None, roots: Sequence[str | Path] = ()
) -> Index:
    """Open an index folder.

    Args:
        path: The index folder.
        tap: The tap to search by; the first one if None.
        roots: The folders whose pictures are shown; the collection's own folder if empty.

    Raises:
        StoreError: If there is no index, it is damaged, or it has no such tap.
    """
    return Index(Store.open(local_index(path), roots=[as_path(root) for root in roots]), tap=tap)


IndexLike: TypeAlias = "Index | Store | str | Path"


def open_store(index: IndexLike) -> Store:
    """Open the store of an index as it is now, with labels and splits added since.

    Raises:
        StoreError: If there is no index, or it is damaged.
    """
    store = index.store if isinstance(index, Index) else index
    return store.reopen() if isinstance(store, Store) else Store.open(local_index(store))
