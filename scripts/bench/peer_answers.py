"""What scripts/bench/peers.py compares: pictures, weights, vectors, and whether answers agree."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from peer_steps import RCLIP_ARCH, K, recall, weights_of
from PIL import Image

DATA = Path(os.environ.get("ARTSIM_DATA", Path(__file__).parent.parent.parent / "../shared/data"))
COPIES = ("gray", "third-size", "jpeg-q25")  # that methods of hashes can find
TUNING = 200  # queries that methods of recall .98 are tuned with
CLASSES = 29
PARTS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is compared."""

    pictures: int
    rows: int  # vectors that are searched
    labeled: int  # vectors of kNN evaluation and probes
    queries: int
    dims: int


# ---- made before anything is timed


def make_place(place: Path, sizes: Sizes, jobs: list[str], arch: str) -> None:
    """Write what the jobs need."""
    settings: dict[str, Any] = {"arch": arch, "id": name_of(sizes.rows // 2)}
    if {"embed", "embed-256", "query", "query-256", "duplicates"} & {*jobs}:
        make_pictures(place, sizes.pictures)
    if {"embed", "query"} & {*jobs}:
        make_weights(place, arch)
    if {"embed-256", "query-256"} & {*jobs}:
        make_weights(place, RCLIP_ARCH)
    if "duplicates" in jobs:
        make_copies(place)
    if {"by-id", "exact", "approximate"} & {*jobs}:
        make_vectors(place, sizes)
    if {"knn-eval", "probe"} & {*jobs}:
        make_labeled(place / "labeled", sizes)
    if "probe" in jobs:
        from artsim.metrics import STRENGTHS

        settings["strengths"] = [float(each) for each in STRENGTHS]
    (place / "settings.json").write_text(json.dumps(settings))


def make_pictures(place: Path, n: int) -> None:
    """Take paintings of ARTSIM_DATA, or draw pictures if there are none; one more is the query."""
    folder = DATA / "paintings/images"
    if not folder.is_dir():
        from artsim.sample import make_sample

        make_sample(place / "sample", pictures=n + 1)
        folder = place / "sample/images"
    files = sorted(folder.iterdir())
    files = files[:: max(len(files) // (n + 1), 1)][: n + 1]
    (place / "pictures").mkdir()
    for file in files[1:]:
        shutil.copy(file, place / "pictures")
    Image.open(files[0]).convert("RGB").save(place / "query.jpg", quality=95)


def make_weights(place: Path, arch: str) -> None:
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(arch)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, weights_of(place, arch))


def make_copies(place: Path) -> None:
    """Plant copies of a third of the pictures, as NUMBER-KIND; and write lite0 as timm reads it."""
    import torch
    from dupes import ALTERED

    from artsim.datatypes import parse_spec
    from artsim.images import decode, read_bytes
    from artsim.models import build_network

    (place / "copies").mkdir()
    rng = np.random.default_rng(1)
    for number, file in enumerate(sorted((place / "pictures").iterdir())):
        shutil.copy(file, place / f"copies/{number:06}-original{file.suffix}")
        image = Image.fromarray(decode(read_bytes(file)).pixels)
        for kind in COPIES:
            if rng.random() < 1 / 3:
                suffix, how = (".jpg", {"quality": 25}) if kind == "jpeg-q25" else (".png", {})
                ALTERED[kind](image).save(place / f"copies/{number:06}-{kind}{suffix}", **how)
    torch.save(build_network(parse_spec("lite0")).module.state_dict(), place / "lite0.pth")


def make_vectors(place: Path, sizes: Sizes) -> None:
    """Write vectors, queries and tuning queries, and the true neighbors of both."""
    vectors, _ = made(sizes.rows, sizes.dims)
    np.save(place / "vectors.npy", vectors)
    (place / "ids.txt").write_text("".join(f"{name_of(row)}\n" for row in range(len(vectors))))
    drawn = np.random.default_rng(2).permutation(len(vectors))
    queries, tuning = drawn[: sizes.queries], drawn[sizes.queries : sizes.queries + TUNING]
    (place / "queries.txt").write_text("".join(f"{name_of(row)}\n" for row in queries))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for name, rows in (("queries", queries), ("tuning", tuning)):
        np.save(place / f"{name}.npy", rows)
        np.save(place / f"{name}-truth.npy", true_neighbors(unit, rows))


def made(rows: int, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw vectors of classes, with a mean and eigenvalues that fall as those of pictures do."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, CLASSES, rows)
    vectors = 0.5 * rng.standard_normal((CLASSES, dims), dtype=np.float32)[codes]
    vectors += rng.standard_normal((rows, dims), dtype=np.float32)
    vectors /= np.sqrt(np.arange(1, dims + 1, dtype=np.float32))
    vectors[:, 0] += 2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32), codes  # as indexes store them


def true_neighbors(unit: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Compare everything: the K nearest of each row, without itself (Q, K)."""
    found = []
    for start in range(0, len(rows), 100):
        block = rows[start : start + 100]
        cosines = unit[block] @ unit.T
        cosines[np.arange(len(block)), block] = -2
        found.append(np.argpartition(-cosines, K, axis=1)[:, :K])
    return np.concatenate(found)


def make_labeled(folder: Path, sizes: Sizes) -> None:
    folder.mkdir()
    vectors, codes = made(sizes.labeled, sizes.dims)
    np.save(folder / "vectors.npy", vectors)
    names = [name_of(row) for row in range(len(vectors))]
    (folder / "ids.txt").write_text("".join(f"{name}\n" for name in names))
    parts = np.random.default_rng(3).choice(PARTS, len(vectors), p=[0.7, 0.1, 0.2])
    with (folder / "objects.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "image", "class", "part"))
        for name, code, part in zip(names, codes, parts, strict=True):
            rows.writerow((name, f"{name}.jpg", f"c{code:02}", part))


def name_of(row: int) -> str:
    return f"w{row:07}"


# ---- read after a step


def read_answer(step: str, place: Path, work: Path) -> Any:
    """Return what the last step of a job answered."""
    if step in READERS:
        return READERS[step](place, work)
    for name in ("vectors.npy", "neighbors.npy"):
        if (work / name).exists() and (name == "neighbors.npy" or step.endswith("_embed")):
            return np.load(work / name)
    return json.loads((work / "answer.json").read_text())


def artsim_vectors(place: Path, work: Path) -> np.ndarray:
    from artsim.store import Store

    store = Store.open(work / "index")
    names = [Path(name).stem for name in store.read(["id"]).column("id").to_pylist()]
    return in_order(place, names, store.vectors(store.tap(None).name))


def artsim_ids(place: Path, work: Path) -> list[str]:
    return [each["id"] for each in json_lines(work)]


def artsim_names(place: Path, work: Path) -> list[str]:
    return [Path(each["image"]).name for each in json_lines(work)]


def artsim_rows(place: Path, work: Path) -> np.ndarray:
    import pyarrow.parquet as pq

    ids = pq.read_table(work / "matches.parquet", columns=["id"]).column("id").to_pylist()
    return np.array([int(name[1:]) for name in ids]).reshape(-1, K)


def artsim_pairs(place: Path, work: Path) -> list[list[str]]:
    with (work / "pairs.csv").open(newline="") as file:
        rows = [(row["image"], row["other_image"]) for row in csv.DictReader(file)]
    return [sorted(Path(each).name for each in pair) for pair in rows]


def clip_retrieval_vectors(place: Path, work: Path) -> np.ndarray:
    import pyarrow.parquet as pq

    (vectors,) = (work / "embeddings/img_emb").glob("*.npy")
    (table,) = (work / "embeddings/metadata").glob("*.parquet")
    names = pq.read_table(table).column("image_path").to_pylist()
    return in_order(place, [Path(name).stem for name in names], np.load(vectors))


def rclip_vectors(place: Path, work: Path) -> np.ndarray:
    with sqlite3.connect(work / "rclip/db.sqlite3") as database:
        rows = database.execute("select filepath, vector from images").fetchall()
    vectors = np.array([np.frombuffer(vector, np.float32) for _, vector in rows])
    return in_order(place, [Path(name).stem for name, _ in rows], vectors)


def rclip_names(place: Path, work: Path) -> list[str]:
    return [Path(line).name for line in (work / "stdout.txt").read_text().splitlines()[-K:]]


def dinotool_vectors(place: Path, work: Path) -> np.ndarray:
    import pyarrow.parquet as pq

    table = pq.read_table(work / "features.parquet").to_pandas()
    table = table if "filename" in table.columns else table.reset_index()
    names = [Path(name).stem for name in table["filename"]]
    numbers = table[[each for each in table.columns if each.startswith("feature")]]
    return in_order(place, names, numbers.to_numpy(np.float32))


READERS: dict[str, Callable[[Path, Path], Any]] = {
    "artsim_embed": artsim_vectors,
    "artsim_embed_256": artsim_vectors,
    "artsim_query": artsim_names,
    "artsim_by_id": artsim_ids,
    "artsim_search": artsim_rows,
    "artsim_knn_eval": lambda place, work: json_lines(work)[0]["top1"],
    "artsim_probe": lambda place, work: json_lines(work)[0]["probe"],
    "artsim_dupes": artsim_pairs,
    "clip_retrieval_embed": clip_retrieval_vectors,
    "rclip_embed": rclip_vectors,
    "rclip_query": rclip_names,
    "dinotool_embed": dinotool_vectors,
}


def json_lines(work: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work / "stdout.txt").read_text().splitlines()]


def in_order(place: Path, names: list[str], vectors: np.ndarray) -> np.ndarray:
    """Return the vectors in the order of the sorted pictures."""
    row_of = {name: row for row, name in enumerate(names)}
    return vectors[[row_of[file.stem] for file in sorted((place / "pictures").iterdir())]]


# ---- compared with artsim's


def agree(job: str, place: Path, ours: Any, theirs: Any) -> tuple[bool, str]:
    """Say whether an answer is as good as artsim's, and how good it is."""
    if job.startswith("embed"):
        cosines = cosine(ours, theirs)
        return cosines.mean() > 0.99, f"cosine {cosines.mean():.5f} mean, {cosines.min():.4f} min"
    if job.startswith("query") or job == "by-id":
        same = len({*ours} & {*theirs})
        return same >= 0.7 * len(ours), f"{same} of {len(ours)} the same"
    if job in ("exact", "approximate"):
        found = recall(theirs, np.load(place / "queries-truth.npy"))
        return found > (0.999 if job == "exact" else 0.97), f"recall {found:.4f}"
    if job in ("knn-eval", "probe"):
        return theirs > ours - 0.01, f"accuracy {theirs:.4f}"
    share, others = planted(place, theirs)
    return share > planted(place, ours)[0] - 0.03, f"{share:.1%} of copies, {others} other pairs"


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (each.astype(np.float64) for each in (a, b))
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def planted(place: Path, pairs: list[list[str]]) -> tuple[float, int]:
    """Return the share of copies found with their original, and the pairs of different works."""
    copies = {file.name for file in (place / "copies").iterdir() if "-original" not in file.name}
    number = {name: name.partition("-")[0] for pair in pairs for name in pair}
    right = [pair for pair in pairs if number[pair[0]] == number[pair[1]]]
    found = {name for pair in right for name in pair if "-original" in "".join(pair)} & copies
    return len(found) / len(copies), len(pairs) - len(right)
