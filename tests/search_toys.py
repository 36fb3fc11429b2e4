"""An index whose answers can be read by eye: works that point in known directions."""

import math
import threading
from types import SimpleNamespace

import faiss
import numpy as np
import pyarrow as pa
from conftest import toy_passport

from artsim.datatypes import Field, FieldType, TapInfo
from artsim.index import build_index
from artsim.store import Manifest, Store, part_schema, vector_type

YEARS = pa.struct([("begin", pa.int32()), ("end", pa.int32())])

# id: degrees, artist, year, object, medium
WORKS = {
    "a0": (0, "Ada", 1600, "o1", ["oil"]),
    "a10": (10, "Ada", 1610, "o1", ["oil", "canvas"]),
    "b20": (20, "Bob", 1650, "o2", ["ink"]),
    "b30": (30, "Bob", None, "o3", None),
    "c40": (40, "Cyd", 1700, None, ["ink", "wash"]),
    "n60": (60, None, 1720, None, ["oil"]),
    "c90": (90, "Cyd", 1800, "o4", ["wash"]),
}


def at(*degrees):
    """Return unit vectors that point so many degrees from east to north."""
    radians = np.radians(np.array(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def cosine(degrees):
    return float(np.cos(np.radians(degrees)))


def pretend_gpus(monkeypatch, count, *, error=None):
    """Put in what of faiss is only in its builds for GPUs; it computes in half precision.

    Returns:
        The indexes that are made there, as they are made.
    """
    made = []

    class Index:
        def __init__(self, resources, dim, config):
            assert config.useFloat16
            self.d, self.device, self.busy = dim, config.device, threading.Lock()
            self.rows = np.empty((0, dim), dtype=np.float16)
            made.append(self)

        def add(self, vectors):
            if error is not None:
                raise RuntimeError(error)
            self.rows = np.concatenate([self.rows, vectors.astype(np.float16)])

        def search(self, queries, k):
            assert k <= 2048
            assert self.busy.acquire(blocking=False)  # its memory is for one at a time
            scores, rows = faiss.knn(
                queries, self.rows.astype(np.float32), k, faiss.METRIC_INNER_PRODUCT
            )
            self.busy.release()
            return scores, rows

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: count, raising=False)
    monkeypatch.setattr(faiss, "GpuIndexFlatConfig", SimpleNamespace, raising=False)
    monkeypatch.setattr(faiss, "StandardGpuResources", SimpleNamespace, raising=False)
    monkeypatch.setattr(faiss, "GpuIndexFlatIP", Index, raising=False)
    return made


def make_store(
    path,
    ids,
    taps,
    columns=None,
    *,
    poolings=None,
    images=None,
    hashes=None,
    root="/museum",
    weights="0",
    tiles=None,
    spec="toy:mean-color",
):
    """Write an index of given vectors.

    Args:
        path: Where.
        ids: Of the works.
        taps: Vectors (N, D) by tap.
        columns: Arrow arrays of metadata by name.
        poolings: By tap, where they matter.
        images: Paths of the pictures.
        hashes: Of the pictures' files.
        root: The folder that they are relative to.
        weights: Their hash.
        tiles: Vectors (N, T, D) by tap, if the pictures are embedded in tiles too.
        spec: Of the network.
    """
    infos = tuple(
        TapInfo(name=tap, layer="", pooling=(poolings or {}).get(tap, "none"), dim=v.shape[1])
        for tap, v in taps.items()
    )
    columns = {name: pa.array(values) for name, values in (columns or {}).items()}
    metadata = [pa.field(name, values.type) for name, values in columns.items()]
    store = Store.create(
        path,
        Manifest(
            name=path.name,
            reader="toy",
            source="toy",
            root=str(root),
            fields=tuple(Field(field.name, FieldType.of(field.type)) for field in metadata),
            passport=toy_passport(infos, weights_sha256=weights * 64, spec=spec),
            tiles=0 if tiles is None else math.isqrt(next(iter(tiles.values())).shape[1]),
        ),
    )
    count = len(ids)
    own = [
        pa.array(ids, pa.string()),
        pa.array(images or [f"{id_}.png" for id_ in ids], pa.string()),
        pa.array(hashes or [f"hash of {id_}" for id_ in ids], pa.string()),
        *(pa.array([size] * count, pa.int32()) for size in (20, 10)),
        *(pa.array([1] * count, pa.int64()) for _ in range(2)),
    ]
    vectors = [
        pa.FixedSizeListArray.from_arrays(
            pa.array(v.astype(np.float32).ravel()), type=vector_type(math.prod(v.shape[1:]))
        )
        for v in (*taps.values(), *(tiles or {}).values())
    ]
    table = pa.Table.from_arrays(
        [*own, *columns.values(), *vectors],
        schema=part_schema(metadata, infos, store.manifest.tiles),
    )
    if count:
        store.append(table)
    store.finish()
    for tap in taps if count else ():
        build_index(store, tap)
    return store


def make_compass(path, **options):
    """Write the index of `WORKS`."""
    degrees, artists, years, objects, media = zip(*WORKS.values(), strict=True)
    columns = {"artist": artists, "year": years, "object": objects, "medium": media}
    return make_store(path, list(WORKS), {"east": at(*degrees)}, columns, **options)
