"""Measure an index of millions of rows: what each command takes, and how much memory.

    python scripts/bench/rows.py                                   100,000 rows
    python scripts/bench/rows.py --rows 10000000 --index /tmp/ten  made there, and used again
    python scripts/bench/rows.py plan --title 1200             titles of 1,200 characters

The index is written without embedding: vectors in clusters, IDs in order, a title of its own for
every work, an artist, a class and a year; a style is added to it, in another order, and a label is
derived from the year. Its catalog is a Parquet table that names a thousand
pictures. Each task runs in a process of its own: seconds by the clock, CPU seconds of all its
threads, its largest resident memory, and what of that is no mapped file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from index import describe, made_store

from artsim.datatypes import Field, FieldType
from artsim.embedding import embed_collection
from artsim.index import build_index
from artsim.readers import read_collection
from artsim.store import (
    MANIFEST,
    DerivedLabel,
    Manifest,
    Store,
    indices,
    part_schema,
    round_to_half,
    write_added,
    write_part,
)

if TYPE_CHECKING:
    from artsim.models import Extractor

PICTURES, CLUSTERS, ARTISTS, CLASSES, STYLES = 1000, 1000, 20_000, 50, 20
TOGETHER = 64  # parts in a commit
KINDS = ("Portrait", "View", "Study", "Adoration", "Still life", "Allegory", "Copy")
FIELDS = (
    Field("title", FieldType.TEXT),
    Field("artist", FieldType.TEXT),
    Field("class", FieldType.TEXT),
    Field("year", FieldType.NUMBER),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=[], help=f"of {', '.join(TASKS)}")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dims", type=int, default=16)
    parser.add_argument("--part-rows", type=int, default=16_384)
    parser.add_argument("--title", type=int, default=0, help="characters of a title, at least")
    parser.add_argument("--index", type=Path, help="made there, and used again")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        FUNCTIONS[options.task](options.index)
        return
    describe()
    with tempfile.TemporaryDirectory() as folder:
        path = options.index or Path(folder) / "made"
        if not path.exists():
            make(path, options.rows, options.dims, options.part_rows, options.title)
        if not Store.open(path).added:
            add_columns(path)
        rows = Store.open(path).rows
        manifest = (path / MANIFEST).stat().st_size
        print(f"{rows:,} rows, a manifest of {manifest / 1e6:.2f} MB", flush=True)
        for task in options.tasks or TASKS:
            print(f"{task:>8}  {measured(task, path)}", flush=True)


def make(path: Path, rows: int, dims: int, part_rows: int, title: int) -> None:
    """Write the index, its pictures and its catalog."""
    folder = path.with_name(f"{path.name}-pictures")
    statuses = make_pictures(folder)
    with tempfile.TemporaryDirectory() as empty:
        manifest = made_store(Path(empty) / "empty", "clusters", 0, dims).manifest
    own = {"fields": FIELDS, "reader": "table", "source": str(folder), "root": str(folder)}
    store = Store.create(path, Manifest(**vars(replace(manifest, **own))))
    metadata = [
        *(pa.field(name, pa.string()) for name in ("title", "artist", "class")),
        pa.field("year", pa.float64()),
    ]
    schema = part_schema(metadata, manifest.passport.taps)
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((CLUSTERS, dims), dtype=np.float32)
    waiting: list[Any] = []
    listed = ["id", "image", *(field.name for field in metadata)]
    with pq.ParquetWriter(folder / "objects.parquet", pa.schema(map(schema.field, listed))) as out:
        for start in range(0, rows, part_rows):
            table = works(start, min(part_rows, rows - start), statuses, schema, rng, centers)
            place = table.schema.get_field_index("title")
            long = pc.utf8_rpad(table.column(place), title, ".")
            table = table.set_column(place, table.schema.field(place), long)
            out.write_table(table.select(listed))
            number = store.manifest.next_part + len(waiting)
            waiting.append((write_part(store.staging, number, table), ()))
            if len(waiting) == TOGETHER:
                store.append_many(waiting)
                waiting = []
    store.append_many(waiting)
    store.finish()


def add_columns(path: Path) -> None:
    """Add a style to the index, by ids in no order, and a label: the century."""
    ids = Store.open(path).read(["id"]).column(0)
    order = np.random.default_rng(3).permutation(len(ids))
    styles = pa.array([f"style {number}" for number in range(STYLES)])
    table = pa.table(
        {"id": ids.take(indices(order)), "style": styles.take(indices(order % STYLES))}
    )
    write_added(path, Field("style", FieldType.TEXT), table, {})
    Store.open(path).set_labels([DerivedLabel("century", "floor(year / 100) + 1")])


def make_pictures(folder: Path) -> list[os.stat_result]:
    """Write files that look like pictures to a plan, which reads none; return their status."""
    folder.mkdir(parents=True)
    for number in range(PICTURES):
        (folder / f"{number:03}.jpg").write_bytes(b"\xff\xd8\xff" + bytes(number))
    return [(folder / f"{number:03}.jpg").stat() for number in range(PICTURES)]


def works(
    start: int,
    n: int,
    statuses: Sequence[os.stat_result],
    schema: pa.Schema,
    rng: np.random.Generator,
    centers: np.ndarray,
) -> pa.Table:
    """Return some works as rows of a part."""
    number = np.arange(start, start + n)
    cluster = rng.integers(0, CLUSTERS, n)
    kind = pa.array(KINDS).take(pa.array(number % len(KINDS)))
    numbers = pa.array(number).cast(pa.string())
    picture = number % PICTURES
    noise = rng.standard_normal((n, centers.shape[1]), dtype=np.float32)
    values = pa.array(round_to_half(centers[cluster] + 0.7 * noise).ravel())
    year = pa.array(1400 + rng.integers(0, 600, n), mask=rng.random(n) < 0.1)
    vectors = schema.field(len(schema) - 1)
    columns = {
        "id": pc.binary_join_element_wise("w", pc.utf8_lpad(numbers, 8, "0"), ""),
        "image": pc.binary_join_element_wise(
            pc.utf8_lpad(pa.array(picture).cast(pa.string()), 3, "0"), "jpg", "."
        ),
        "content_hash": pc.utf8_lpad(numbers, 64, "0"),
        "width": pa.array(np.full(n, 800, np.int32)),
        "height": pa.array(np.full(n, 600, np.int32)),
        "file_bytes": pa.array(np.array([each.st_size for each in statuses])[picture]),
        "file_mtime_ns": pa.array(np.array([each.st_mtime_ns for each in statuses])[picture]),
        "title": pc.binary_join_element_wise(kind, "with number", numbers, " "),
        "artist": pc.binary_join_element_wise(
            "Master", pa.array(rng.integers(0, ARTISTS, n)).cast(pa.string()), " "
        ),
        "class": pc.binary_join_element_wise(
            "class", pa.array(cluster % CLASSES).cast(pa.string()), " "
        ),
        "year": year.cast(pa.float64()),
        vectors.name: pa.FixedSizeListArray.from_arrays(values, type=vectors.type),
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)


def measured(task: str, path: Path) -> str:
    """Run a task in a process of its own, and say what it took."""
    own, ended, started = 0, None, time.perf_counter()  # memory that is no mapped file
    with tempfile.TemporaryFile() as out:  # a pipe that nobody reads would fill up
        process = subprocess.Popen(
            [sys.executable, *TASKS[task](path)], stdout=out, stderr=subprocess.STDOUT
        )
        while ended is None:
            time.sleep(0.02)
            own = max(own, own_memory(process.pid))
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            ended = (status, used) if pid else None
        passed = time.perf_counter() - started
        out.seek(0)
        said = out.read().decode().strip().splitlines() or [""]
    status, used = ended
    process.returncode = status
    cpu = used.ru_utime + used.ru_stime
    return (
        f"{passed:6.1f} seconds, {cpu:6.1f} of CPU, peak {used.ru_maxrss / 1e6:.2f} GB, "
        f"{own / 1e9:.2f} GB of it no mapped file" + (f"  FAILED: {said[-1]}" if status else "")
    )


def own_memory(pid: int) -> int:
    """Return the bytes that a process has in memory and that are in no file; 0 if it is over."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, found, rest = text.partition("RssAnon:")
    return 1024 * int(rest.split()[0]) if found else 0


def plan(path: Path) -> None:
    """Bring the index up to date with a catalog in which nothing is new."""
    catalog = read_collection(path.with_name(f"{path.name}-pictures"))
    passport = Store.open(path).manifest.passport
    extractor = cast("Extractor", SimpleNamespace(passport=passport, ahead=0))
    done = embed_collection(catalog, path, extractor)
    assert done.kept == done.rows, done


def artsim(*words: str) -> Callable[[Path], list[str]]:
    return lambda path: ["-m", "artsim", *(str(path) if word == "PATH" else word for word in words)]


def here(task: str) -> Callable[[Path], list[str]]:
    return lambda path: [__file__, "--task", task, "--index", str(path)]


FUNCTIONS: dict[str, Callable[[Path], object]] = {
    "index": lambda path: build_index(Store.open(path), "v"),
    "plan": plan,
}
_SIMILAR = ("similar", "--index", "PATH", "--id")
TASKS: dict[str, Callable[[Path], list[str]]] = {
    "index": here("index"),
    "info": artsim("info", "PATH"),
    "similar": artsim(*_SIMILAR, "w00054321"),
    "again": artsim(*_SIMILAR, "w00054321"),
    "where": artsim(*_SIMILAR, "w00054321", "--where", "year < 1700 and class = 'class 7'"),
    "limit": artsim(*_SIMILAR, "w00054321", "--max-per", "artist=1"),
    "deep": artsim(*_SIMILAR, "w00054321", "--max-per", "class=1", "-k", "40"),
    "added": artsim(*_SIMILAR, "w00054321", "--where", "style = 'style 7'"),
    "label": artsim(*_SIMILAR, "w00054321", "--where", "century = '17'"),
    "find": artsim("find", "--index", "PATH", "adoration", "54321"),
    "plan": here("plan"),
}

if __name__ == "__main__":
    main()
