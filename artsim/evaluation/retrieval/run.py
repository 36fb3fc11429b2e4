"""How many pictures of a query's class a search of an index retrieves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artsim.errors import EvaluationError, ImageError
from artsim.evaluation.reading import choose_labels, read_among, unit_vectors
from artsim.images import decode, read_bytes
from artsim.labels import Label, LabelKind, group_codes, short_name, with_columns
from artsim.metrics import (
    RETRIEVAL_KS,
    RetrievalEvaluation,
    auc,
    evaluate_retrieval,
    pair_scores,
    rmse,
    ssim,
)
from artsim.metrics.neighbors import NO_ROW, nearest_among
from artsim.places import picture_file
from artsim.splits import Split, SplitChoice, join_groups, read_source
from artsim.store import Store

QUANTILES: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the scores of pairs, for reports

_PAIRS = 100_000  # of each kind
_SIDE = 128  # pixels of the gray copies that are compared
_PIXEL_QUERIES = 100  # compared with their results
_PIXEL_DEPTH = 20  # results of each

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RetrievalPlan(SplitChoice):
    """Which labels are evaluated, and how.

    Without a split all pictures are searched for among all others. The seed is also that of the
    pairs, and of the queries whose pixels are compared.
    """

    tap: str
    labels: tuple[str, ...] = ()  # columns, derived labels; all that can be labels if empty
    keep_qualified: bool = False  # values such as "after Rembrandt" are labels too
    ks: tuple[int, ...] = ()  # cutoff ranks; those of `RETRIEVAL_KS` below the rows if empty
    junk: str | None = None  # column: rows that share its value count neither as right nor wrong
    pixels: bool = False  # compare the pictures themselves as well


@dataclass(frozen=True, kw_only=True)
class PixelScores:
    """SSIM and RMSE between some queries and their results, see `artsim.metrics.pixels`."""

    overall: dict[str, float]  # SSIM@k, RMSE@k: means over the queries' first k results
    right: Floats  # SSIM of the results that share the query's class, sorted
    wrong: Floats  # of the others
    queries: int
    unreadable: int  # pictures that could not be opened

    @property
    def auc(self) -> float:
        """How often the SSIM of a right result is above that of a wrong one."""
        return auc(self.right, self.wrong)


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """One label's scores, and the cosines of pairs that share a class and of pairs that do not."""

    scores: RetrievalEvaluation
    true_pairs: NDArray[np.float32]  # sorted; empty where there is no such pair
    other_pairs: NDArray[np.float32]  # sorted
    pixels: PixelScores | None
    label: Label
    split: Split  # the rows that have the label, and copies, which are neither right nor wrong
    without_vector: int  # rows that take no part: their vectors are all zeros

    @property
    def auc(self) -> float:
        """How often a pair of one class scores higher than a pair of two."""
        return auc(self.true_pairs, self.other_pairs)


def retrieve(store: Store, plan: RetrievalPlan) -> Iterator[Retrieval]:
    """Search an index with each of its pictures for the others of its class, label by label.

    Raises:
        EvaluationError: If a column does not exist or cannot be used as named, a k is out of
            range, a vector is not finite, or pixels are compared and no picture can be opened.
    """
    plan = with_columns(store, plan)
    among = plan.among
    names, _ = choose_labels(store, plan.labels, (plan.junk,), plan.among)
    labels = {short_name(name): _read_label(store, name, plan) for name in names}
    whole = read_source(store, plan).whole
    if plan.split is not None and whole.is_leave_one_out:
        raise EvaluationError(
            f"split {plan.split!r} has folds or is a sample, expected train and test; "
            "name another --split"
        )
    if plan.junk:
        codes = group_codes(store, plan.junk)
        whole = replace(whole, resampled=codes, resampled_by=plan.junk)
    junk = _junk(whole, with_column=plan.junk is not None)
    _refuse_pixels(plan, labels)
    if plan.junk in labels:
        raise EvaluationError(
            f"{plan.junk!r} cannot be both label and junk: nothing would be left to find"
        )
    vectors, has_vector = unit_vectors(store, plan.tap)
    for read in labels.values():
        label = read.keep(has_vector)
        codes = label.strata
        split = whole.keep(has_vector).keep_labeled(label.known)
        n = len(split.learned) - split.is_leave_one_out
        scores = evaluate_retrieval(
            vectors,
            label,
            junk=junk,
            resampled=whole.resampled,
            split=None if plan.split is None else split,
            ks=plan.ks or tuple(k for k in RETRIEVAL_KS if k <= n) or (1,),
        )
        classes = codes if label.kind == LabelKind.MULTICLASS else np.full_like(codes, -1)
        true_pairs, other_pairs = _pairs(vectors, _one_a_group(classes, junk), plan.seed)
        yield Retrieval(
            scores=scores,
            true_pairs=true_pairs,
            other_pairs=other_pairs,
            pixels=_compare(store, vectors, scores, codes, junk, plan) if plan.pixels else None,
            label=read,
            split=replace(split, notes=(*split.notes, *read.notes, *split.label_notes(read.name))),
            without_vector=int((~has_vector if among is None else ~has_vector & among.rows).sum()),
        )


def _junk(whole: Split, *, with_column: bool) -> Codes | None:
    """Join the groups of the column that is junk, and of copies where all are searched."""
    columns = [] if whole.groups is None else [*whole.groups.T]
    columns += [whole.resampled] if with_column and whole.resampled is not None else []
    return join_groups(np.column_stack(columns)) if columns else None


def _read_label(store: Store, name: str, plan: RetrievalPlan) -> Label:
    label = read_among(store, name, plan.among, keep_qualified=plan.keep_qualified)
    if label.kind == LabelKind.NUMBER:
        raise EvaluationError(f"{name!r} holds numbers, expected classes; {label.as_classes}")
    if len(label.classes) == 1:
        raise EvaluationError(
            f"label {name!r} has one class, {label.classes[0]!r}; at least two classes are needed"
        )
    return label


def _refuse_pixels(plan: RetrievalPlan, labels: Mapping[str, Label]) -> None:
    """Refuse to compare pixels where it is not settled which results are right, or searched."""
    if not plan.pixels:
        return
    several = [name for name, each in labels.items() if each.kind == LabelKind.MULTILABEL]
    if several:
        raise EvaluationError(
            f"{several[0]!r} has several values a picture, expected one for --pixels; "
            "name another --label"
        )
    if plan.split is not None:
        raise EvaluationError("--pixels compares all pictures; leave out --split or --pixels")


def _pairs(
    vectors: NDArray[np.float32], codes: Codes, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    try:
        return pair_scores(vectors, codes, _PAIRS, seed=seed)
    except EvaluationError:  # no class has two rows that are not junk to each other
        return np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.float32)


def _one_a_group(codes: Codes, junk: Codes | None) -> Codes:
    """Keep one labeled row of each group, so that no pair shows one object twice."""
    if junk is None:
        return codes
    alone = np.where(junk < 0, len(codes) + np.arange(len(codes)), junk)
    rows = np.flatnonzero(codes >= 0)
    _, first = np.unique(alone[rows], return_index=True)
    kept = np.full_like(codes, -1)
    kept[rows[first]] = codes[rows[first]]
    return kept


def _compare(
    store: Store,
    vectors: NDArray[np.float32],
    scores: RetrievalEvaluation,
    codes: Codes,
    junk: Codes | None,
    plan: RetrievalPlan,
) -> PixelScores:
    """Compare some queries with their first results, pixel by pixel."""
    rng, rows = np.random.default_rng(plan.seed), scores.query_rows
    queries = np.sort(rng.choice(rows, min(_PIXEL_QUERIES, len(rows)), replace=False))
    bank = np.flatnonzero(codes >= 0)
    depth = min(_PIXEL_DEPTH, len(bank) - 1)
    results = nearest_among(vectors, queries, bank, depth, groups=junk).rows  # (Q, depth)
    copies = gray_copies(store, np.union1d(queries, results[results != NO_ROW]))
    ssims, apart = np.full(results.shape, np.nan), np.full(results.shape, np.nan)
    for i, j in np.argwhere(results != NO_ROW):
        a, b = copies[queries[i]], copies[results[i, j]]
        if a is not None and b is not None:
            ssims[i, j], apart[i, j] = ssim(a, b), rmse(a, b)
    compared = ~np.isnan(ssims)
    if not compared.any():
        raise EvaluationError(
            f"no picture of {str(store)!r} can be opened from here; leave out --pixels"
        )
    right = codes[results] == codes[queries][:, None]
    return PixelScores(
        overall={
            f"{name}@{k}": float(np.nanmean(values[:, :k]))
            for k in scores.ks
            if k <= results.shape[1]
            for name, values in (("SSIM", ssims), ("RMSE", apart))
        },
        right=np.sort(ssims[compared & right]),
        wrong=np.sort(ssims[compared & ~right]),
        queries=len(queries),
        unreadable=sum(copy is None for copy in copies.values()),
    )


def gray_copies(store: Store, rows: Rows) -> dict[int, NDArray[np.uint8] | None]:
    """Read pictures as small gray squares, None where one cannot be opened."""
    images = store.take(rows.tolist(), ["image"]).column("image").to_pylist()
    files = [picture_file(store.manifest.root, image) for image in images]
    return dict(zip(rows.tolist(), map(_gray, files), strict=True))


def _gray(file: Path) -> NDArray[np.uint8] | None:
    try:
        picture = decode(read_bytes(file), at_least=lambda width, height: (_SIDE, _SIDE))
    except ImageError:
        return None
    gray = Image.fromarray(picture.pixels).convert("L")
    return np.asarray(gray.resize((_SIDE, _SIDE), Image.Resampling.BOX))
