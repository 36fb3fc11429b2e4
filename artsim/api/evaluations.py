"""Labels predicted by an index's vectors, and how well: kNN, probes, retrieval, splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from artsim.api.index import IndexLike, open_store
from artsim.api.results import Table
from artsim.datatypes import plural
from artsim.errors import EvaluationError, SearchError

if TYPE_CHECKING:
    from artsim.labels import Label

Labels: TypeAlias = "str | Sequence[str]"

_PROBE = ("probe", "probe_low", "probe_high")


def knn_eval(
    index: IndexLike,
    labels: Labels = (),
    *,
    split: str | None = None,
    groups: Labels = (),
    ks: Sequence[int] = (),
    keep_qualified: bool = False,
    tap: str | None = None,
    device: str = "cpu",
) -> Table:
    """Evaluate k-nearest-neighbor classification: one row per label and k.

    Args:
        index: An index, or its folder.
        labels: Columns, derived labels or ``NAME = SQL``; all that can be labels if empty.
        split: A stored split or a split column; leave-one-out if None.
        groups: Columns whose values are never neighbors: ``"artist"``.
        ks: Numbers of neighbors; the protocol's own if empty.
        keep_qualified: Whether works "after" or of the "workshop of" an artist count as theirs.
        tap: The vectors; the first ones if None.
        device: Where similarities are computed.

    Raises:
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
        keep_qualified=keep_qualified,
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
) -> Table:
    """Train a linear probe for each label and compare it with baselines: one row per label.

    Args:
        index: An index, or its folder.
        label: Columns, derived labels or ``NAME = SQL``; all that can be labels if empty.
            ``maker = artist`` keeps works "after" or of the "workshop of" an artist.
        split: A stored split or a split column; 70/10/20 is drawn for each label if None.
        group: A column whose values are never in both training and test set: ``"artist"``.
        tap: The vectors; the first ones if None.
        seed: Seed of the split and the intervals. Several, such as ``range(10)``, repeat everything
            on as many random splits: the mean of each score, and its standard deviation in
            ``NAME_std``.
        save: Save the probes in the index under this name, for `artsim.predict`.
        device: Where the probes are trained.

    Raises:
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
    keep_qualified: bool = False,
    tap: str | None = None,
) -> Table:
    """Score retrieval: how many works with its label each picture retrieves; one row per label.

    Args:
        index: An index, or its folder.
        labels: Columns, derived labels or ``NAME = SQL``; all that can be labels if empty.
        ks: Ranks to cut at.
        keep_qualified: Whether works "after" or of the "workshop of" an artist count as theirs.
        tap: The vectors; the first ones if None.

    Raises:
        EvaluationError: If a column does not exist or cannot be a label, or a k is out of range.
    """
    from artsim.evaluation.retrieval import RetrievalPlan, retrieve

    store = open_store(index)
    plan = RetrievalPlan(
        tap=store.tap(tap).name,
        labels=several(labels),
        ks=tuple(ks),
        keep_qualified=keep_qualified,
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
    keep_qualified: bool = False,
    taps: Sequence[str] = (),
    seed: int = 0,
    device: str = "cpu",
) -> Table:
    """Compare the taps of one or several indexes of a catalog: one row per label and tap.

    Args:
        indexes: Indexes or their folders; labels and split are those of the first.
        labels: Columns, derived labels or ``NAME = SQL``; all that can be labels if empty.
        split: A stored split or a split column; 70/10/20 is drawn for each label if None.
        group: A column whose values are never in both training and test set.
        keep_qualified: Whether works "after" or of the "workshop of" an artist count as theirs.
        taps: Names of taps; all if empty.
        seed: Seed of the split and the intervals.
        device: Where the probes are trained.

    Raises:
        EvaluationError: If there is no such tap or label, or an index shares no row.
    """
    from artsim.evaluation.probe import LeaderboardPlan, leaderboard

    stores = [open_store(index) for index in indexes]
    plan = LeaderboardPlan(
        labels=several(labels),
        split=split,
        group=group,
        keep_qualified=keep_qualified,
        taps=tuple(taps),
        seed=seed,
    )
    results = tuple(leaderboard(stores, plan, device=device))
    rows = tuple(each.to_json() for each in results)
    by_label = {each.label.name: each.label for each in results}
    notes = tuple(note for label in by_label.values() for note in _notes(label))
    columns = ("label", "index", "tap", "dims", "metric", "baseline", "knn", *_PROBE)
    return Table(f"Leaderboard of {stores[0]}", rows, columns, results, notes)


def add_label(index: IndexLike, text: str) -> Table:
    """Add a derived label to an index, ``NAME = SQL``; one row per class.

    Args:
        index: An index, or its folder.
        text: For example ``"century = century(year)"``.

    Raises:
        EvaluationError: If it cannot be read or computed, or a column has its name.
    """
    from collections import Counter

    from artsim.labels import add_label

    label, values, before = add_label(open_store(index).path, text)
    counts = Counter(value for value in values if value is not None)
    rows = tuple({"class": name, "rows": count} for name, count in counts.most_common())
    notes = () if before is None else (f"it replaces another, which was: {before}",)
    return Table(f"{label.name}: {plural(len(counts), 'class', 'classes')}", rows, notes=notes)


def draw_split(
    index: IndexLike,
    name: str,
    *,
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    stratify: str | None = None,
    group: str | None = None,
    seed: int = 0,
) -> Table:
    """Split an index into training, validation and test set and store that; one row per part.

    Args:
        index: An index, or its folder.
        name: Name of the new split.
        fractions: Train and test, or train, validation and test; they add up to 1.
        stratify: A label whose classes are divided evenly.
        group: A column whose values stay in one part: ``"artist"``.
        seed: Seed of the random split.

    Raises:
        EvaluationError: If there is such a split already, or the rows cannot be divided so.
    """
    from artsim.splits import SplitPlan, make_split

    plan = SplitPlan(fractions=tuple(fractions), stratify=stratify, group=group, seed=seed)
    split = make_split(open_store(index), name, plan)
    rows = tuple({"part": part, "rows": count} for part, count in split.counts.items())
    return Table(f"Split {name}", rows)


def find_leaks(index: IndexLike, split: str, *, group: str | None = None) -> Table:
    """Compare the parts of a split: files, look-alikes and groups that are in both of two parts.

    Args:
        index: An index, or its folder.
        split: A stored split or a split column.
        group: A column whose values should be in one part only.

    Raises:
        EvaluationError: If there is no such split or column.
    """
    from artsim.splits import audit_splits

    store = open_store(index)
    found = audit_splits(store, [split], group=group)
    rows = tuple(
        {"part": each.test_part, "other": each.train_part, "rows": each.test_rows}
        | {"leaks": len(each.leaks)}
        | {str(kind): each.counts[kind] for kind in found.checked}
        for each in found.comparisons
    )
    return Table(f"Leaks of split {split}", rows, results=(found,))


def several(labels: Labels) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    return (labels,) if isinstance(labels, str) else tuple(labels)


def _notes(label: Label) -> list[str]:
    return [f"{label.name}: {note}" for note in label.notes]
