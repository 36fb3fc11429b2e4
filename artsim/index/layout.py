"""A map of an index: a point in the plane for every picture, similar pictures close together.

UMAP (https://arxiv.org/abs/1802.03426) computes it from exact nearest neighbors. Of a large index
a random sample is laid out, and every other picture is placed among its neighbors in the sample.
The map is stored as ``layouts/TAP.parquet`` in the index folder: id, x, y.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.datatypes import shown_path
from artsim.errors import EvaluationError, StoreError
from artsim.index.opening import open_index
from artsim.index.vectors import Vectors, unit
from artsim.metrics.neighbors import NO_ROW, nearest
from artsim.store import Store, read_parquet, write_parquet, write_whole

_SETTINGS = b"artsim"  # key in the Parquet file
_BLOCK = 8192  # rows read at a time
_PLACED_BY = 5  # neighbors in the sample that a picture outside it is placed by


@dataclass(frozen=True, kw_only=True)
class LayoutPlan:
    """The settings of a map."""

    neighbors: int = 15  # few show small groups, many the overall structure
    min_distance: float = 0.1  # between points, 0 to 1
    sample: int = 50_000  # pictures laid out by UMAP itself
    seed: int = 0


def lay_out(
    vectors: NDArray[np.float32] | Vectors, plan: LayoutPlan | None = None, *, device: str = "cpu"
) -> NDArray[np.float32]:
    """Compute a 2-D layout of vectors, shape (N, D).

    Returns:
        Shape (N, 2), between -1 and 1 around the middle; NaN for a vector of zeros.

    Raises:
        EvaluationError: If UMAP is not installed, or the vectors are fewer than 3 or of one number.
    """
    plan = plan or LayoutPlan()
    if vectors.shape[1] < 2:
        raise EvaluationError(
            "a map needs vectors of at least 2 numbers, got 1; choose another tap with --tap"
        )
    blocks = [slice(at, at + _BLOCK) for at in range(0, len(vectors), _BLOCK)]
    placeable = np.flatnonzero(np.concatenate([vectors[rows].any(axis=1) for rows in blocks]))
    if len(placeable) < 3:
        raise EvaluationError(f"a map needs at least 3 pictures, got {len(placeable)}")
    order = np.random.default_rng(plan.seed).permutation(placeable)
    drawn, rest = np.sort(order[: plan.sample]), np.sort(order[plan.sample :])
    sample = unit(vectors[drawn])
    points = np.full((len(vectors), 2), np.nan, dtype=np.float32)
    points[drawn] = _umap(sample, plan, device)
    for at in range(0, len(rest), _BLOCK):
        rows = rest[at : at + _BLOCK]
        near = nearest(unit(vectors[rows]), sample, min(_PLACED_BY, len(sample)), device=device)
        weights = np.maximum(near.scores, 1e-6)[:, :, None]
        around = points[drawn][near.rows]  # (rows, neighbors, 2)
        points[rows] = (around * weights).sum(axis=1) / weights.sum(axis=1)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-9)
    return np.asarray((points - middle) / half, dtype=np.float32)


def make_layout(
    store: Store, tap: str, plan: LayoutPlan | None = None, *, device: str = "cpu"
) -> NDArray[np.float32]:
    """Compute the map of an index by one of its taps, and store it.

    Returns:
        A point for each row, shape (N, 2), as `lay_out` returns them.
    """
    plan = plan or LayoutPlan()
    points = lay_out(open_index(store, tap).vectors, plan, device=device)
    settings = json.dumps({"fingerprint": store.fingerprint, "method": "umap", **asdict(plan)})
    x, y = (pa.array(column, mask=np.isnan(column)) for column in points.T)
    table = pa.table({"id": store.read(["id"]).column("id"), "x": x, "y": y})
    table = table.replace_schema_metadata({_SETTINGS: settings})
    file = layout_file(store, tap)
    write_whole(file, lambda stream: write_parquet(stream, table))
    return points


def renew_layout(store: Store, tap: str, fingerprint: str) -> None:
    """Keep the map of a tap that was made of the same rows in other files.

    ``fingerprint`` is the index's as it was.
    """
    file = layout_file(store, tap)
    if not file.is_file():
        return
    table = read_parquet(file, None, remedy="run 'artsim map' again")
    settings = json.loads((table.schema.metadata or {}).get(_SETTINGS, b"{}"))
    if settings.get("fingerprint") == fingerprint:
        new = json.dumps(settings | {"fingerprint": store.fingerprint})
        table = table.replace_schema_metadata({_SETTINGS: new})
        write_whole(file, lambda stream: write_parquet(stream, table))


def read_layout(store: Store, tap: str) -> NDArray[np.float32] | None:
    """Return the stored map of a tap, a point for each row; None if none has the present rows.

    Raises:
        StoreError: If its file is damaged.
    """
    file = layout_file(store, tap)
    if not file.is_file():
        return None
    table = read_parquet(file, None, remedy="run 'artsim map' again")
    try:
        settings = json.loads((table.schema.metadata or {}).get(_SETTINGS, b"{}"))
        if settings.get("fingerprint") != store.fingerprint:
            return None
        if len(table) != store.rows:
            raise ValueError(f"{len(table):,} rows for {store.rows:,}")
        x, y = (table.column(name).to_numpy() for name in "xy")
    except (ValueError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"{shown_path(file)!r} is damaged ({reason}); run 'artsim map' again"
        ) from error
    return np.stack([x, y], axis=1).astype(np.float32)


def write_table(store: Store, tap: str, file: Path) -> None:
    """Write the rows of an index with their places on the stored map, for a map viewer.

    Columns: id, image, the metadata, x and y; rows without a place are left out.

    Raises:
        EvaluationError: If there is no map of the present rows.
    """
    points = read_layout(store, tap)
    if points is None:
        raise EvaluationError(f"{str(store)!r} has no map by {tap!r}; run 'artsim map'")
    fields = [field.name for field in store.fields if field.name not in ("x", "y")]
    table = store.read(["id", "image", *fields])
    for name, column in zip("xy", points.T, strict=True):
        table = table.append_column(name, pa.array(column))
    table = table.filter(pa.array(~np.isnan(points).any(axis=1)))
    write_whole(file, lambda stream: write_parquet(stream, table))


def layout_file(store: Store, tap: str) -> Path:
    """Return the path of a tap's map."""
    return store.path / "layouts" / f"{tap.replace('/', '-')}.parquet"


def _umap(vectors: NDArray[np.float32], plan: LayoutPlan, device: str) -> NDArray[np.float32]:
    """Compute a layout of unit vectors, with exact neighbors instead of UMAP's approximate ones."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from umap import UMAP
    except ImportError as error:
        raise EvaluationError(
            "a map needs UMAP; install it with pip install 'artsim[map]'"
        ) from error
    count = min(plan.neighbors, len(vectors) - 1)
    itself = np.arange(len(vectors))
    found = nearest(vectors, vectors, count - 1, exclude=itself, device=device)
    assert (found.rows != NO_ROW).all()
    rows = np.column_stack([itself, found.rows])  # UMAP counts a point among its neighbors
    distances = np.column_stack([np.zeros(len(vectors)), 1 - found.scores]).astype(np.float32)
    mapper = UMAP(
        n_neighbors=count,
        min_dist=plan.min_distance,
        metric="cosine",
        init="pca",
        random_state=plan.seed,
        n_jobs=1,
        precomputed_knn=(rows, np.maximum(distances, 0), None),
        force_approximation_algorithm=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that new points cannot be added later
        points: NDArray[np.float32] = mapper.fit_transform(vectors)
    return points
