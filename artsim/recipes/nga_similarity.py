"""Which frozen features and which distance bring up works of the National Gallery that share terms.

Nothing is trained. The original left the measures open, so that its public attempts cannot be
compared: here they are P@k, HitRate@k, mAP@k and MRR against the gallery's own terms, the same
queries for all, beside what chance would bring up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.errors import TrainingError
from artsim.evaluation.retrieval import gray_copies
from artsim.labels import Label, LabelKind, read_label, values_of
from artsim.metrics.pixels import rmse, ssim
from artsim.metrics.retrieval import score_hits
from artsim.recipes import find_recipe
from artsim.recipes.faces import find_faces
from artsim.recipes.frozen import embed_rows
from artsim.recipes.ranking import MEASURES, Measure, rank
from artsim.store import Store
from artsim.training.run import METRICS, Run

__all__ = ["Config", "train"]

_BLOCK_BYTES = 64 << 20  # of what is computed at a time
_PIXEL_QUERIES = 100  # that are compared with their results pixel by pixel

Rows = NDArray[np.int64]
Vectors = Mapping[str, NDArray[np.float32]]  # by the way they were made, (n, D)


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is compared; the terms are those of the gallery's open data."""

    labels: tuple[str, ...] = ("classification", "attribution", "school", "theme")
    only: str | None = None  # a class alone: classification=Painting
    networks: tuple[str, ...] = ("lite0@blocks.2/gram+palette",)  # beside the index's own taps
    measures: tuple[Measure, ...] = MEASURES
    ks: tuple[int, ...] = (1, 5, 10)
    queries: int = 2000  # drawn at random, of each label
    face: bool = False  # portraits: the face alone too, the whole picture where none is found
    face_network: str = "lite0"
    pixels: bool = (
        False  # SSIM and RMSE of results by the first label and measure: they tell little
    )


def train(store: Store, config: Config, run: Run) -> None:
    """Compare, and leave metrics.json and report.md."""
    # --- data
    rows = _rows(store, config.only)
    targets = [read_label(store, label) for label in config.labels]
    for target in targets:
        if target.kind == LabelKind.NUMBER:
            raise TrainingError(f"{target.name!r} holds numbers, expected terms; name other labels")

    # --- features: frozen
    vectors = {f"index: {tap.name}": store.vectors(tap.name)[rows]
               for tap in store.manifest.passport.taps}  # fmt: skip
    for spec in config.networks:
        network = spec.partition("@")[0]
        for tap, each in embed_rows(store, rows, spec, run).items():
            vectors[f"{network}: {tap}"] = each
    notes = []
    if config.face:
        faces, note = _embed_faces(store, rows, config.face_network, run)
        vectors |= faces
        notes.append(note)

    # --- evaluation
    ways = [
        scores
        for target in targets
        for scores in _compare(store, rows, vectors, target, config, run)
    ]
    if not ways:
        raise TrainingError(
            f"no two of {len(rows):,} works share any of {', '.join(config.labels)}, or no more "
            f"than {min(config.ks):,} have a label, the least of ks; name other labels"
        )

    # --- save
    found = {
        "recipe": run.plan.recipe,
        "works": len(rows),
        "only": config.only,
        "ways": ways,
        "notes": notes,
    }
    run.write("report.md", _report(run, found))
    run.write_json(METRICS, found)


def _rows(store: Store, only: str | None) -> Rows:
    """Return the rows of a class, or all."""
    if only is None:
        return np.arange(store.rows)
    column, _, wanted = only.partition("=")
    rows = np.flatnonzero([value == wanted for value in values_of(store, column)])
    if len(rows) < 2:
        raise TrainingError(
            f"{len(rows)} works have {only!r}, expected two or more; see 'artsim info'"
        )
    return rows


def _embed_faces(store: Store, rows: Rows, spec: str, run: Run) -> tuple[Vectors, str]:
    """Embed the largest face of each work, and say how many have one."""
    images = store.take(rows.tolist(), ["image"]).column("image").to_pylist()
    root = Path(store.manifest.root)
    boxes = find_faces({int(row): root / image for row, image in zip(rows, images, strict=True)})
    vectors = embed_rows(store, rows, spec, run, boxes=boxes)
    note = f"A face was found in {len(boxes):,} of {len(rows):,} works; the others are taken whole."
    return {f"face, {spec}: {tap}": found for tap, found in vectors.items()}, note


def _compare(
    store: Store, rows: Rows, vectors: Vectors, target: Label, config: Config, run: Run
) -> Iterator[dict[str, Any]]:
    """Score each way of bringing up works that share a class, or any of several, of a label."""
    places = np.flatnonzero(target.strata[rows] >= 0)  # among the rows
    counts = _count_related(target, rows[places])
    asked = np.flatnonzero(counts > 0)
    ks = [k for k in config.ks if k < len(places)]
    if not len(asked) or not ks:
        return
    rng = np.random.default_rng(run.seed)
    asked = np.sort(rng.choice(asked, min(config.queries, len(asked)), replace=False))
    for way, every in vectors.items():
        for measure in config.measures:
            results = rank(every[places], asked, max(ks), measure, device=run.device)  # (Q, k)
            hits = _share(target, rows[places], asked, results)
            scores = score_hits(hits, counts[asked], ks)
            is_first = target.name == config.labels[0] and measure == config.measures[0]
            looks = config.pixels and is_first
            yield {
                "label": target.name,
                "vectors": way,
                "measure": measure,
                "queries": len(asked),
                "chance": float((counts[asked] / (len(places) - 1)).mean()),
                **{
                    name: float(values.mean())
                    for name, values in scores.items()
                    if not name.startswith("nDCG")
                },
                **(_pixels(store, rows[places], asked, results) if looks else {}),
            }


def _count_related(target: Label, rows: Rows) -> NDArray[np.int64]:
    """Count for each of n works how many others share a class with it, (n,)."""
    if target.kind == LabelKind.MULTICLASS:
        codes = target.strata[rows]
        related: NDArray[np.int64] = np.bincount(codes)[codes] - 1
        return related
    of = target.matrix[rows].astype(np.float32)  # (n, K)
    step = max(_BLOCK_BYTES // (4 * len(of)), 1)
    shared = [(of[i : i + step] @ of.T > 0).sum(axis=1) for i in range(0, len(of), step)]
    return np.concatenate(shared) - 1


def _share(target: Label, rows: Rows, queries: Rows, results: Rows) -> NDArray[np.bool_]:
    """Say which results share a class with their query, both among n works, (Q, k)."""
    if target.kind == LabelKind.MULTICLASS:
        codes = target.strata[rows]
        same: NDArray[np.bool_] = codes[results] == codes[queries][:, None]
        return same
    of = target.matrix[rows]  # (n, K)
    ranks = [(of[queries] & of[column]).any(axis=1) for column in results.T]
    return np.stack(ranks, axis=1)


def _pixels(store: Store, rows: Rows, queries: Rows, results: Rows) -> dict[str, float]:
    """Compare some queries with their results pixel by pixel: the mean SSIM and RMSE."""
    some = np.linspace(0, len(queries) - 1, min(_PIXEL_QUERIES, len(queries))).astype(np.int64)
    pairs = [(rows[queries[i]], rows[j]) for i in some for j in results[i]]
    copies = gray_copies(store, np.unique(pairs))
    known = [
        (a, b)
        for a, b in ((copies[int(i)], copies[int(j)]) for i, j in pairs)
        if a is not None and b is not None
    ]
    if not known:
        return {}
    k = results.shape[1]
    return {
        f"SSIM@{k}": float(np.mean([ssim(a, b) for a, b in known])),
        f"RMSE@{k}": float(np.mean([rmse(a, b) for a, b in known])),
    }


def _report(run: Run, found: Mapping[str, Any]) -> str:
    only = f" with {found['only']}" if found["only"] else ""
    lines = [f"# {run.plan.recipe}", "", f"{found['works']:,} works{only}, seed {run.seed}."]
    for label in dict.fromkeys(way["label"] for way in found["ways"]):
        ways = [way for way in found["ways"] if way["label"] == label]
        names = [name for name in ways[0] if name not in _ABOUT]
        first = ways[0]
        lines += [
            "",
            f"Works that share {label}, {first['queries']:,} queries; any two do with a chance of "
            f"{first['chance']:.3f}:",
            "",
            *_table(["vectors", "measure", *names], ways),
        ]
    notes = (*found["notes"], find_recipe(run.plan.recipe).known)
    lines += ["", *(f"- {note}" for note in notes)]
    settings = ", ".join(f"{name}={value}" for name, value in run.plan.settings.items())
    return "\n".join([*lines, "", f"Settings: {settings}", ""])


# What is no score of a table, or the same as P@1.
_ABOUT = ("label", "vectors", "measure", "queries", "chance", "HitRate@1", "mAP@1")


def _table(names: Sequence[str], ways: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|---|---|{'--:|' * (len(names) - 2)}"
    for way in ways:
        values = (way.get(name) for name in names[2:])
        cells = ("" if value is None else f"{value:.3f}" for value in values)
        yield f"| {' | '.join([way['vectors'], way['measure'], *cells])} |"
