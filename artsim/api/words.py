"""Labels predicted from words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from artsim.api.evaluations import Labels, several
from artsim.api.index import IndexLike, open_store
from artsim.api.results import Table


def zero_shot(
    index: IndexLike,
    labels: Labels = (),
    *,
    prompts: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    templates: Sequence[str] = (),
    split: str | None = None,
    group: str | None = None,
    save: bool = False,
    weights: str | Path | None = None,
) -> Table:
    """Predict labels from words alone, and compare with trained methods: a row per label.

    Args:
        index: An index made with a model that knows text, or its folder.
        labels: Columns, derived labels or ``NAME = SQL``; all that can be labels if empty. Names
            that are none of these need prompts, and are predicted without an evaluation.
        prompts: By label and class: ``{"style": {"Baroque": ["a Baroque painting"]}}``.
        templates: Prompts with ``{}`` for the class; those that suit the label if empty.
        split: A stored split or a split column; 70/10/20 is drawn for each label if None.
        group: A column whose values are never in both training and test set.
        save: Store the predictions of all pictures as columns ``LABEL_predicted``.
        weights: A local file of the model's weights.

    Raises:
        ModelError: If the index's model knows no text, or its weights are missing.
        EvaluationError: If a label is a number, has fewer than two classes or cannot be evaluated.
    """
    from artsim.prediction import ZeroShotPlan, save_zero_shot, zero_shot
    from artsim.search import load_index_text_tower

    store = open_store(index)
    given = {
        label: {name: tuple(texts) for name, texts in classes.items()}
        for label, classes in (prompts or {}).items()
    }
    plan = ZeroShotPlan(
        labels=several(labels),
        prompts=given,
        templates=tuple(templates),
        split=split,
        group=group,
    )
    tower = load_index_text_tower(store, weights=None if weights is None else Path(weights))
    results = tuple(zero_shot(store, plan, tower))
    if save:
        for each in results:
            save_zero_shot(store, each)
    rows = tuple({"zero_shot": None, **each.to_json()} for each in results)
    rows = tuple(row | {"zero_shot": row.get(str(row.get("metric")))} for row in rows)
    columns = ("label", "metric", "zero_shot", "baseline", "knn1", "knn", "probe", "n_test")
    return Table(f"Zero-shot on {store}", rows, columns, results)
