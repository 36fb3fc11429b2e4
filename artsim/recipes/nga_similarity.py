"""Compare frozen features and distances by how well they retrieve works that share a term.

Nothing is trained. The original did not define its measures, so that the public attempts cannot be
compared. Here they are P@k, HitRate@k, mAP@k and MRR on the National Gallery's own terms, with the
same queries for all methods, compared with chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim import training
from artsim.errors import TrainingError
from artsim.evaluation.retrieval import gray_copies
from artsim.labels import Label, LabelKind, read_label, values_of
from artsim.metrics import rmse, score_hits, ssim
from artsim.places import picture_file
from artsim.recipes.faces import find_faces
from artsim.recipes.frozen import embed_rows
from artsim.recipes.ranking import MEASURES, Measure, rank
from artsim.splits import Split, SplitChoice, read_source
from artsim.store import Store
from artsim.training import METRICS, Count, Run

_BLOCK_BYTES = 64 << 20  # of what is computed at a time
_PIXEL_QUERIES = 100  # that are compared with their results pixel by pixel
_NOT_SHOWN = ("label", "queries", "chance", "HitRate@1", "mAP@1")  # in the report; both equal P@1

Rows = NDArray[np.int64]
Vectors = Mapping[str, NDArray[np.float32]]  # by method, (n, D)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The features and distances to compare; the terms are from the gallery's open data."""

    labels: tuple[str, ...] = ("classification", "attribution", "school", "theme")
    keep_qualified: bool = False  # "after" or "workshop of" an artist counts as theirs
    keep_copies: bool = False  # copies of a query are results as well
    only: str | None = None  # one class only: classification=Painting
    networks: tuple[str, ...] = ("lite0@blocks.2/gram+palette",)  # besides the index's own taps
    measures: tuple[Measure, ...] = MEASURES
    ks: tuple[Count, ...] = (1, 5, 10)
    queries: Count = 2000  # drawn at random, for each label
    face: bool = False  # also embed only the face of a portrait; without a face the whole image
    face_network: str = "lite0"
    pixels: bool = False  # also SSIM and RMSE of the results, for the first label and measure


def train(store: Store, config: Config, run: Run) -> None:
    """Compare, and write metrics.json and report.md."""
    # --- data
    rows = _rows(store, config.only)
    keep = config.keep_qualified
    chosen = (config.only or "").partition("=")[0]  # which all works share
    labels = [label for label in config.labels if label != chosen]
    targets = [read_label(store, label, keep_qualified=keep) for label in labels]
    for target in targets:
        if target.kind == LabelKind.NUMBER:
            raise TrainingError(f"{target.name!r} holds numbers, expected terms; name other labels")

    copies = _leave_out_copies(store, rows, keep=config.keep_copies)
    for target in targets:
        _refuse_certain(target, rows)

    # --- features: frozen
    vectors = {f"index: {tap.name}": store.vectors(tap.name)[rows]
               for tap in store.manifest.passport.taps}  # fmt: skip
    for spec in config.networks:
        network = spec.partition("@")[0]
        for tap, each in embed_rows(store, rows, spec, run).items():
            vectors[f"{network}: {tap}"] = each
    notes = list(copies.notes)
    if chosen in config.labels:
        notes.append(f"{chosen} is not compared: all works have {config.only}.")
    if config.face:
        faces, note = _embed_faces(store, rows, config.face_network, run)
        vectors |= faces
        notes.append(note)

    # --- evaluation
    methods = [
        scores
        for place, target in enumerate(targets)
        for scores in _compare(
            store, copies, vectors, target, config, run, pixels=config.pixels and not place
        )
    ]
    if not methods:
        raise TrainingError(
            f"no two of {len(rows):,} works share any of {', '.join(config.labels)}, or at most "
            f"{min(config.ks):,} have a label, the least of ks; name other labels"
        )

    # --- save
    found = {
        "recipe": run.plan.recipe,
        "works": len(rows),
        "only": config.only,
        "copies_left_out": copies.copies_left_out,
        "methods": methods,
        "notes": notes,
    }
    training.save_report(run, _report(run, found))
    run.write_json(METRICS, found)


def _rows(store: Store, only: str | None) -> Rows:
    """Return the rows of a class, or all rows."""
    if only is None:
        return np.arange(store.rows)
    column, _, wanted = only.partition("=")
    rows = np.flatnonzero([value == wanted for value in values_of(store, column)])
    if len(rows) < 2:
        raise TrainingError(
            f"{len(rows)} works have {only!r}, expected two or more; see 'artsim info'"
        )
    return rows


def _refuse_certain(target: Label, rows: Rows) -> None:
    """Refuse a label that all works share: any result would be right."""
    labeled = np.flatnonzero(target.strata[rows] >= 0)
    if len(labeled) < 2:
        return
    if (_count_related(target, rows[labeled]) == len(labeled) - 1).all():
        raise TrainingError(
            f"all {len(labeled):,} works that have {target.name!r} share it, so that every result "
            "is right; name other labels: --set labels=..."
        )


def _leave_out_copies(store: Store, rows: Rows, *, keep: bool) -> Split:
    """Search for each work among all others but its copies."""
    every = Split(train=rows, validation=rows[:0], test=rows, description="all works")
    return read_source(store, SplitChoice(keep_copies=keep)).without_copies(every)


def _embed_faces(store: Store, rows: Rows, spec: str, run: Run) -> tuple[Vectors, str]:
    """Embed the largest face of each work, and note how many have one."""
    images = store.take(rows.tolist(), ["image"]).column("image").to_pylist()
    files = {
        int(row): picture_file(store.manifest.root, image)
        for row, image in zip(rows, images, strict=True)
    }
    boxes = find_faces(files)
    vectors = embed_rows(store, rows, spec, run, boxes=boxes)
    note = (
        f"A face was found in {len(boxes):,} of {len(rows):,} works; the others are embedded whole."
    )
    return {f"face, {spec}: {tap}": found for tap, found in vectors.items()}, note


def _compare(
    store: Store,
    copies: Split,
    vectors: Vectors,
    target: Label,
    config: Config,
    run: Run,
    *,
    pixels: bool,
) -> Iterator[dict[str, Any]]:
    """Score each method at retrieving works that share at least one class of a label."""
    rows = copies.test
    places = np.flatnonzero(target.strata[rows] >= 0)  # among the rows
    groups = np.full(len(places), -1)
    if copies.groups is not None:
        groups = copies.groups[rows[places], -1]
    sizes = np.bincount(groups + 1)[groups + 1] - 1  # copies of each work
    sizes[groups < 0] = 0
    counts = _count_related(target, rows[places]) - _count_copies(target, rows[places], groups)
    queries = np.flatnonzero(counts > 0)
    most = int(sizes.max(initial=0))
    ks = [k for k in config.ks if k + most < len(places)]
    if not len(queries) or not ks:
        return
    rng = np.random.default_rng(run.seed)
    queries = np.sort(rng.choice(queries, min(config.queries, len(queries)), replace=False))
    for method, every in vectors.items():
        for measure in config.measures:
            depth = max(ks) + most
            ranked = rank(every[places], queries, depth, measure, device=run.device)
            results = _without_copies(ranked, queries, groups)[:, : max(ks)]  # (Q, k)
            hits = _share(target, rows[places], queries, results)
            scores = score_hits(hits, counts[queries], ks)
            found = {
                "label": target.name,
                "vectors": method,
                "measure": measure,
                "queries": len(queries),
                "chance": float((counts / (len(places) - 1 - sizes))[queries].mean()),
            }
            found |= {
                name: float(values.mean())
                for name, values in scores.items()
                if not name.startswith("nDCG")
            }
            if pixels and measure == config.measures[0]:
                found |= _pixels(store, rows[places], queries, results)
            yield found


def _count_related(target: Label, rows: Rows) -> NDArray[np.int64]:
    """Count for each of n works how many others share a class with it, (n,)."""
    if target.kind == LabelKind.MULTICLASS:
        codes = target.strata[rows]
        return np.asarray(np.bincount(codes)[codes] - 1)
    of = target.matrix[rows].astype(np.float32)  # (n, K)
    step = max(_BLOCK_BYTES // (4 * len(of)), 1)
    shared = [(of[i : i + step] @ of.T > 0).sum(axis=1) for i in range(0, len(of), step)]
    return np.concatenate(shared) - 1


def _count_copies(target: Label, rows: Rows, groups: Rows) -> NDArray[np.int64]:
    """Count for each of n works how many of its copies share a class with it, (n,)."""
    counts = np.zeros(len(rows), dtype=np.int64)
    for group in np.unique(groups[groups >= 0]):
        members = np.flatnonzero(groups == group)
        counts[members] = _count_related(target, rows[members])
    return counts


def _without_copies(results: Rows, queries: Rows, groups: Rows) -> Rows:
    """Move copies of a query behind its other results, (Q, depth)."""
    own = groups[queries][:, None]
    order = np.argsort((groups[results] == own) & (own >= 0), axis=1, kind="stable")
    return np.take_along_axis(results, order, axis=1)


def _share(target: Label, rows: Rows, queries: Rows, results: Rows) -> NDArray[np.bool_]:
    """Return which results share a class with their query, both among n works, (Q, k)."""
    if target.kind == LabelKind.MULTICLASS:
        codes = target.strata[rows]
        return np.asarray(codes[results] == codes[queries][:, None])
    of = target.matrix[rows]  # (n, K)
    ranks = [(of[queries] & of[column]).any(axis=1) for column in results.T]
    return np.stack(ranks, axis=1)


def _pixels(store: Store, rows: Rows, queries: Rows, results: Rows) -> dict[str, float]:
    """Return the mean SSIM and RMSE of some queries and their results."""
    some = np.linspace(0, len(queries) - 1, min(_PIXEL_QUERIES, len(queries))).astype(np.int64)
    pairs = [(rows[queries[i]], rows[j]) for i in some for j in results[i]]
    copies = gray_copies(store, np.unique(pairs))
    seen = ((copies[int(i)], copies[int(j)]) for i, j in pairs)
    known = [(a, b) for a, b in seen if a is not None and b is not None]
    if not known:
        return {}
    k, metrics = results.shape[1], {"SSIM": ssim, "RMSE": rmse}
    return {
        f"{name}@{k}": float(np.mean([metric(a, b) for a, b in known]))
        for name, metric in metrics.items()
    }


def _report(run: Run, found: Mapping[str, Any]) -> list[str]:
    only = f" with {found['only']}" if found["only"] else ""
    lines = [f"{found['works']:,} works{only}, seed {run.seed}."]
    for label in dict.fromkeys(method["label"] for method in found["methods"]):
        methods = [method for method in found["methods"] if method["label"] == label]
        first = methods[0]
        columns = [name for name in first if name not in _NOT_SHOWN]
        rows = [[method.get(name) for name in columns] for method in methods]
        lines += [
            "",
            f"Retrieve works that share {label}, {first['queries']:,} queries; two random works "
            f"share it with probability {first['chance']:.3f}:",
            "",
            *training.markdown_table(columns, rows),
        ]
    return [*lines, "", *(f"- {note}" for note in (*found["notes"], run.published))]
