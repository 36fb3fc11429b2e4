"""Vectors for works whose pictures are gone: the old ones, mapped to the new model's.

A linear map is fitted on the works that have both vectors. How good it is is measured on works
that it has not seen; the vectors it makes are marked in the column `artsim.store.MAPPED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim import __version__, index
from artsim.datatypes import Field, FieldType, plural
from artsim.errors import EvaluationError
from artsim.evaluation import rows_of, unit_vectors
from artsim.labels import YES, refuse_taken
from artsim.metrics import LinearMap, fit_linear_map, to_unit
from artsim.metrics.neighbors import nearest
from artsim.migration.comparing import K, VersionPair
from artsim.store import (
    MAPPED,
    floats,
    lock_index,
    round_to_half,
    tile_column,
    write_added,
)

KIND = "mapped"  # of the column, in how its values were made

_FEWEST = 50  # works with both vectors
_MOST = 50_000
_PART_ROWS = 4096

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class MapReport:
    """What was mapped, and how well the map does on works that have both vectors."""

    rows: int  # that were mapped
    strength: float  # lambda
    recall: float  # of the true 10 nearest works, by the mapped vectors of held-out works
    unmapped: float  # the same by the old model's own neighbors
    train: int  # works the measured map was fitted on
    validation: int
    test: int

    def to_json(self) -> dict[str, object]:
        """Return the figures as plain values."""
        return asdict(self)


def map_missing(
    pair: VersionPair, *, seed: int = 0, half_precision: bool = True, device: str = "cpu"
) -> MapReport:
    """Map the old vectors of works that the version lacks, and add them to the version, marked.

    Every tap of the version is mapped from the old tap of the pair; the recall is of its own tap.

    Raises:
        EvaluationError: If too few works have both vectors, or a column has the name of the marks.
        StoreError: If the version cannot be written.
    """
    version = pair.version
    refuse_taken(version, MAPPED, KIND)
    both = np.flatnonzero(pair.both)
    if len(both) < _FEWEST:
        raise EvaluationError(
            f"{plural(len(both), 'work has', 'works have')} vectors of both models; a linear map "
            f"needs at least {_FEWEST}"
        )
    order = np.random.default_rng(seed).permutation(both)[:_MOST]
    tenth = len(order) // 10
    test, validation, train = order[:tenth], order[tenth : 2 * tenth], order[2 * tenth :]
    own = fit_linear_map(pair.old, pair.new, train, validation)
    truth = _nearest(pair.new[test], pair.new, test, both, device)
    missing = _missing(pair)
    report = MapReport(
        rows=len(missing),
        strength=own.strength,
        recall=_recall(_nearest(own.apply(pair.old[test]), pair.new, test, both, device), truth),
        unmapped=_recall(_nearest(pair.old[test], pair.old, test, both, device), truth),
        train=len(train),
        validation=len(validation),
        test=len(test),
    )
    if len(missing):
        places = rows_of(pair.store, version)
        maps = {
            tap.name: own
            if tap.name == pair.taps[1]
            else fit_linear_map(
                pair.old, unit_vectors(version, tap.name)[0][places], train, validation
            )
            for tap in version.manifest.passport.taps
        }
        _add(pair, missing, maps, report, half_precision=half_precision)
    return report


def _nearest(
    queries: Vectors, vectors: Vectors, rows: Rows, bank: Rows, device: str
) -> NDArray[np.int64]:
    """Find the nearest of a bank of rows to queries, which stand for some of those rows."""
    places = np.searchsorted(bank, rows)
    return nearest(queries, vectors[bank], K, exclude=places, device=device).rows


def _recall(found: Rows, truth: Rows) -> float:
    """Return the mean share of the true neighbors, (n, K), that were found."""
    return float((truth[:, :, None] == found[:, None, :]).any(axis=2).mean())


def _missing(pair: VersionPair) -> Rows:
    """Find the rows of the index that its version lacks."""
    return np.flatnonzero(rows_of(pair.store, pair.version) < 0)


def _add(
    pair: VersionPair,
    rows: Rows,
    maps: Mapping[str, LinearMap],
    report: MapReport,
    *,
    half_precision: bool,
) -> None:
    """Write rows of the index to its version with mapped vectors; they are marked first."""
    store, folder = pair.store, pair.version.path
    made: dict[str, Any] = {
        "kind": KIND,
        "by": f"linear map of {store.manifest.passport.spec}@{pair.taps[0]}",
        **report.to_json(),
        "artsim": __version__,
    }
    ids = store.take(rows.tolist(), ["id"])
    marks = ids.append_column(MAPPED, pa.array([YES] * len(rows), pa.string()))
    with lock_index(folder):
        version = pair.version.reopen()
        write_added(folder, Field(MAPPED, FieldType.TEXT), marks, made)
        for start in range(0, len(rows), _PART_ROWS):
            some = rows[start : start + _PART_ROWS]
            version.append(_table(pair, some, maps, half_precision=half_precision))
        for tap in version.manifest.passport.taps:
            index.build_index(version, tap.name)


def _table(
    pair: VersionPair, rows: Rows, maps: Mapping[str, LinearMap], *, half_precision: bool
) -> pa.Table:
    schema = pair.version.read_part(0).schema
    vectors = {}
    for name, mapping in maps.items():
        vectors[name] = mapping.apply(pair.old[rows])
        if tiles := pair.version.manifest.tiles:
            old = pair.store.tap(pair.taps[0])
            flat = pair.store.take(rows.tolist(), [tile_column(old)]).column(0).combine_chunks()
            parts, _ = to_unit(floats(flat.flatten()).reshape(-1, old.dim), "the old tiles")
            mapped = mapping.apply(parts).reshape(len(rows) * tiles**2, -1)
            vectors[tile_column(pair.version.tap(name))] = mapped
    known = pair.store.take(rows.tolist(), [n for n in schema.names if n not in vectors])
    columns = dict(zip(known.column_names, known.columns, strict=True))
    for name, values in vectors.items():
        values = round_to_half(values) if half_precision else values
        flat = pa.array(values.ravel(), pa.float32())
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, type=schema.field(name).type)
    # No file has this size: if the picture is there again, `embed` embeds it.
    for name in ("file_bytes", "file_mtime_ns"):
        columns[name] = pa.array([-1] * len(rows), pa.int64())
    return pa.table([columns[name] for name in schema.names], schema=schema)
