"""The rows of an index as a study needs them: pictures with titles, unit vectors, files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.labels import encode, title_column
from artsim.metrics import to_unit
from artsim.metrics.neighbors import NO_ROW, Neighbors, nearest_among
from artsim.search import locate
from artsim.store import Store
from artsim.study.findings import Neighbor, Work

_COMPONENTS = 256  # kept: nearly as accurate, and fitted in a tenth of the time

Codes = NDArray[np.int64]
Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """The N rows of an index, each array and sequence in their order."""

    store: Store
    tap: str
    vectors: Vectors  # (N, D) unit vectors of one tap
    components: Vectors  # (N, M) their principal components, the first first
    shares: NDArray[np.float64]  # (M,) of the variance
    ids: Sequence[str]
    files: Sequence[str | None]  # sha256
    images: Sequence[str]
    titles: Sequence[str | None]
    device: str | torch.device
    seed: int

    @property
    def content(self) -> Codes:
        """A code for each row's file, shape (N,): copies share one, -1 is unknown."""
        return encode(self.files)[0]

    def work(self, row: int) -> Work:
        """Return a row as a picture to show."""
        return Work(self.ids[row], locate(self.store, self.images[row]), self.titles[row])

    def search(self, queries: Rows, bank: Rows, k: int) -> Neighbors:
        """Find the k nearest rows of a bank, as rows of the index; none finds itself."""
        return nearest_among(self.vectors, queries, bank, k, device=self.device)

    def neighbors(
        self, found: Neighbors, query: int, classes: Sequence[str], codes: Codes, most: int
    ) -> tuple[Neighbor, ...]:
        """Describe the first neighbors of a query among those that `search` found.

        ``codes`` is the class of each row, shape (N,), an index of ``classes``.
        """
        return tuple(
            Neighbor(self.work(row), classes[codes[row]], float(score), rank)
            for rank, (row, score) in enumerate(
                zip(found.rows[query, :most].tolist(), found.scores[query], strict=False), start=1
            )
            if row != NO_ROW
        )


def read_data(store: Store, tap: str, *, device: str | torch.device, seed: int) -> StudyData:
    """Read the rows of an index.

    Raises:
        EvaluationError: If a vector is not finite.
    """
    title = title_column(store)
    table = store.read(["id", "image", "content_hash", *([title] if title else [])])
    vectors, _ = to_unit(store.vectors(tap), f"the vectors of {str(store)!r}")
    components, shares = principal_components(vectors, _COMPONENTS)
    return StudyData(
        store=store,
        tap=tap,
        vectors=vectors,
        components=components,
        shares=shares,
        ids=table.column("id").to_pylist(),
        files=[each or None for each in table.column("content_hash").to_pylist()],
        images=table.column("image").to_pylist(),
        titles=table.column(title).to_pylist() if title else [None] * store.rows,
        device=device,
        seed=seed,
    )


def principal_components(vectors: Vectors, most: int) -> tuple[Vectors, NDArray[np.float64]]:
    """Turn vectors, shape (N, D), to the M = ``most`` axes of their largest variance.

    Returns:
        The centered vectors along the axes, shape (N, M), and the share of the variance that each
        axis holds, shape (M,). Of the two directions of an axis, the largest part is positive.
    """
    centered = vectors - vectors.mean(axis=0)
    variances, axes = np.linalg.eigh((centered.T @ centered).astype(np.float64))
    variances, axes = variances[::-1][:most], axes[:, ::-1][:, :most]
    axes = axes * np.sign(axes[abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    total = float(np.einsum("nd,nd->", centered, centered, dtype=np.float64))
    shares = np.maximum(variances, 0) / total if total > 0 else np.zeros(len(variances))
    return centered @ axes.astype(np.float32), shares
