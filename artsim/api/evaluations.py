"""Labels predicted by an index's vectors, and how well: kNN, probes, retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, Unpack

from artsim.api.index import IndexLike, open_store
from artsim.api.results import Table
from artsim.errors import EvaluationError, SearchError

if TYPE_CHECKING:
    from artsim.labels import Label
    from artsim.store import Store

Labels: TypeAlias = "str | Sequence[str]"

_PROBE = ("probe", "probe_low", "probe_high")


class Selection(TypedDict, total=False):
    """Which works and values take part in an evaluation."""

    where: str | None
    keep_qualified: bool


def knn_eval(
    index: IndexLike,
    labels: Labels = (),
    *,
    split: str | None = None,
    groups: Labels = (),
    ks: Sequence[int] = (),
    tap: str | None = None,
    device: str = "cpu",
    **part: Unpack[Selection],
) -> Table:
    """Evaluate k-nearest-neighbor classification: one row per label and k.

    Args:
        index: An index, or its folder.
        labels: Columns, derived labels or ``NAME = SQL``; all that can be labels if empty.
        split: A stored split or a split column; leave-one-out if None.
        groups: Columns whose values are never neighbors: ``"artist"``.
        ks: Numbers of neighbors; the protocol's own if empty.
        tap: The vectors; the first ones if None.
        device: Where similarities are computed.
        part: ``where="year < 1800"``, an SQL condition: other works take no part;
            ``keep_qualified=True``: works "after" or of the "workshop of" an artist are theirs.

    Raises:
        SearchError: If the condition cannot be read, or no work meets it.
        EvaluationError: If a column does not exist or cannot be a label, or none can.

    Example:
        >>> artsim.knn_eval(index, labels=["artist"], groups="near-duplicate").to_pandas()
    """
    from artsim.evaluation.knn import KnnPlan, knn_eval, result_rows

    store = open_store(index)
    plan = KnnPlan(
        tap=store.tap(tap).name,
        labels=several(labels),
        split=split,
        groups=several(groups),
        ks=tuple(ks),
        **_chosen(store, **part),
    )
    run = knn_eval(store, plan, device=device)
    results = tuple(run)
    rows = tuple(row for each in results for row in result_rows(each, plan))
    left_out = [f"{name} is left out: {reason}" for name, reason in run.not_labels.items()]
    notes = (*(note for each in results for note in _notes(each.label)), *left_out)
    columns = ("label", "k", "top1", "top1_low", "top1_high", "mAP", "MAE", "majority", "n")
    return Table(f"kNN on {store}, {plan.tap}", rows, columns, results, notes)


def probe(
    index: IndexLike,
    label: Labels = (),
    *,
    split: str | None = None,
    group: str | None = None,
    tap: str | None = None,
    seed: int | Sequence[int] = 0,
    save: str | None = None,
    device: str = "cpu",
    **part: Unpack[Selection],
) -> Table:
    """Train a linear probe for each label and compare it with baselines: one row per label.

    Args:
        index: An index, or its folder.
        label: Columns, derived labels or ``NAME = SQL``; all that can be labels if empty.
        split: A stored split or a split column; 70/10/20 is drawn for each label if None.
        group: A column whose values are never in both training and test set: ``"artist"``.
        tap: The vectors; the first ones if None.
        seed: Seed of the split and the intervals. Several, such as ``range(10)``, repeat everything
            on as many random splits: the mean of each score, and its standard deviation in
            ``NAME_std``.
        save: Save the probes in the index under this name, for `artsim.predict`.
        device: Where the probes are trained.
        part: ``where="year < 1800"``, an SQL condition: other works take no part;
            ``keep_qualified=True``: works "after" or of the "workshop of" an artist are theirs.

    Raises:
        SearchError: If the condition cannot be read, or no work meets it.
        EvaluationError: If a column does not exist or cannot be a label, a part is empty, or a
            split is named or a probe saved with several seeds.
    """
    from artsim.evaluation.probe import ProbePlan, probe, probe_splits
    from artsim.prediction import make_head, save_head

    store = open_store(index)
    seeds = list(seed) if isinstance(seed, Sequence) else [seed]
    if not seeds:
        raise EvaluationError("no seed to draw a split with; give one, or several: range(10)")
    plan = ProbePlan(
        tap=store.tap(tap).name,
        labels=several(label),
        split=split,
        group=group,
        **_chosen(store, **part),
        seed=seeds[0],
    )
    methods = ("baseline", "metadata", "knn1", "knn")
    title = f"Probes on {store}, {plan.tap}"
    if len(seeds) > 1:
        if save is not None:
            raise EvaluationError(
                f"a probe is saved of one split, got {len(seeds)} seeds; leave out save, or give "
                "one seed"
            )
        repeated = tuple(probe_splits(store, plan, seeds, device=device))
        rows = tuple(each.to_json() for each in repeated)
        shown = ("label", "metric", *methods, "probe", "probe_std")
        return Table(f"{title}: mean of {len(seeds)} splits", rows, shown, repeated)
    results = tuple(probe(store, plan, device=device))
    if save is not None:
        save_head(store, make_head(store, plan, results, save))
    rows = tuple(each.to_json() for each in results)
    notes = tuple(f"{each.label.name}: {note}" for each in results for note in each.split.notes)
    columns = ("label", "metric", *methods, "k", *_PROBE)
    return Table(title, rows, columns, results, notes)


def predict(
    index: IndexLike, pictures: str | Path | Sequence[str | Path], *, head: str | None = None
) -> Table:
    """Predict labels with a saved probe: one row per picture and label.

    Args:
        index: The index that the probe is saved in, or its folder.
        pictures: Files, or ids of works of the index.
        head: The name under which the probe was saved; the newest if None.

    Raises:
        EvaluationError: If there is no such probe.
        SearchError: If a picture is neither a file nor an id.
        ImageError: If a file is not a picture.

    Example:
        >>> artsim.probe(index, label="style", save="by-style")
        >>> artsim.predict(index, "query.jpg", head="by-style").to_pandas()
    """
    from artsim.places import is_file
    from artsim.prediction import (
        HeadPredictor,
        find_head,
        load_head,
        predict_ids,
        predict_picture,
    )
    from artsim.search import Works

    store = open_store(index)
    predictor = HeadPredictor(store, load_head(find_head(store, head)))
    works, rows = Works(store), []
    for each in [pictures] if isinstance(pictures, str | Path) else pictures:
        if is_file(each):
            found = predict_picture(predictor, Path(each))
        elif works.has(str(each)):
            found = list(predict_ids(predictor, [str(each)]))
        else:
            raise SearchError(f"no file and no id {str(each)!r}; give a path or the id of a work")
        rows += [one.to_row() for one in found]
    return Table(f"Predictions by {predictor.name}", tuple(rows))


def retrieval_eval(
    index: IndexLike,
    labels: Labels = (),
    *,
    ks: Sequence[int] = (),
    tap: str | None = None,
    **part: Unpack[Selection],
) -> Table:
    """Score retrieval: how many works with its label each picture retrieves; one row per label.

    Args:
        index: An index, or its folder.
        labels: Columns, derived labels or ``NAME = SQL``; all that can be labels if empty.
        ks: Ranks to cut at.
        tap: The vectors; the first ones if None.
        part: ``where="year < 1800"``, an SQL condition: other works take no part;
            ``keep_qualified=True``: works "after" or of the "workshop of" an artist are theirs.

    Raises:
        SearchError: If the condition cannot be read, or no work meets it.
        EvaluationError: If a column does not exist or cannot be a label, or a k is out of range.
    """
    from artsim.evaluation.retrieval import RetrievalPlan, retrieve

    store = open_store(index)
    plan = RetrievalPlan(
        tap=store.tap(tap).name,
        labels=several(labels),
        ks=tuple(ks),
        **_chosen(store, **part),
    )
    results = tuple(retrieve(store, plan))
    rows = tuple(
        {"label": each.scores.label, "queries": len(each.scores.query_rows)}
        | each.scores.overall
        | {"auc": each.auc, "qualified_left_out": each.label.qualified}
        | {"copies_left_out": each.split.copies_left_out}
        for each in results
    )
    notes = tuple(f"{each.label.name}: {note}" for each in results for note in each.split.notes)
    return Table(f"Retrieval on {store}, {plan.tap}", rows, results=results, notes=notes)


def leaderboard(
    indexes: Sequence[IndexLike],
    labels: Labels = (),
    *,
    split: str | None = None,
    group: str | None = None,
    taps: Sequence[str] = (),
    seed: int = 0,
    device: str = "cpu",
    **part: Unpack[Selection],
) -> Table:
    """Compare the taps of one or several indexes of a catalog: one row per label and tap.

    Args:
        indexes: Indexes or their folders; labels and split are those of the first.
        labels: Columns, derived labels or ``NAME = SQL``; all that can be labels if empty.
        split: A stored split or a split column; 70/10/20 is drawn for each label if None.
        group: A column whose values are never in both training and test set.
        taps: Names of taps; all if empty.
        seed: Seed of the split and the intervals.
        device: Where the probes are trained.
        part: ``where="year < 1800"``, an SQL condition: other works take no part;
            ``keep_qualified=True``: works "after" or of the "workshop of" an artist are theirs.

    Raises:
        SearchError: If the condition cannot be read, or no work meets it.
        EvaluationError: If there is no such tap or label, or an index shares no row.
    """
    from artsim.evaluation.probe import LeaderboardPlan, leaderboard

    stores = [open_store(index) for index in indexes]
    plan = LeaderboardPlan(
        labels=several(labels),
        split=split,
        group=group,
        **_chosen(stores[0], **part),
        taps=tuple(taps),
        seed=seed,
    )
    results = tuple(leaderboard(stores, plan, device=device))
    rows = tuple(each.to_json() for each in results)
    by_label = {each.label.name: each.label for each in results}
    notes = tuple(note for label in by_label.values() for note in _notes(label))
    columns = ("label", "index", "tap", "dims", "metric", "baseline", "knn", *_PROBE)
    return Table(f"Leaderboard of {stores[0]}", rows, columns, results, notes)


def several(labels: Labels) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    return (labels,) if isinstance(labels, str) else tuple(labels)


def _chosen(
    store: Store, *, where: str | None = None, keep_qualified: bool = False
) -> dict[str, Any]:
    from artsim.search import Works

    among = None if where is None else Works(store).among(where)
    return {"among": among, "keep_qualified": keep_qualified}


def _notes(label: Label) -> list[str]:
    return [f"{label.name}: {note}" for note in label.notes]
