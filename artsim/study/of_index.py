"""The study of an index: how well its vectors predict each label, where they fail, and why."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch

from artsim import __version__
from artsim.datatypes import Progress, no_progress
from artsim.errors import EvaluationError
from artsim.evaluation.probe import LabelProbe, ProbePlan, label_names, probe
from artsim.labels import (
    Label,
    LabelKind,
    group_codes,
    label_columns,
    read_label,
    short_name,
    with_columns,
)
from artsim.labels.trees import Hierarchy, check_placed
from artsim.splits import picture_hashes
from artsim.store import Store
from artsim.study.data import StudyData, read_data
from artsim.study.label import StudyContext, study_label
from artsim.study.overview import (
    describe_failures,
    describe_fields,
    find_hubs,
    map_vectors,
    read_columns,
)
from artsim.study.predictions import ModelPredictions
from artsim.study.results import LabelStudy, Study

# What catalogs call the maker of a work.
_MAKERS = re.compile(r"(?i)(^|_| )(artist|maker|creator|painter|photographer|author|attribution)")

_PICTURES = 400  # small copies on a page, about
_A_LABEL = 12 * 11  # of them, if no gallery is cut: two of 12 works with their neighbors


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """What to study, and how."""

    tap: str
    labels: tuple[str, ...] = ()  # columns, derived labels; all multiclass ones if empty
    split: str | None = None  # stored or column; else 70/10/20 for each label
    keep_qualified: bool = False  # values such as "after Rembrandt" are labels too
    hierarchy: Hierarchy | None = None  # of the classes: labels that it has are scored by it too
    keep_copies: bool = False  # train on copies of test pictures as well
    group: str | None = None  # column: labels are evaluated again, each value in one set
    works: int = 12  # in a gallery; fewer if there are many labels
    workers: int = 2  # threads that decode pictures for their perceptual hashes
    seed: int = 0


def find_group(store: Store) -> str | None:
    """Find the label column that names the maker of a work, if there is one."""
    names = [name for name in label_columns(store)[0] if _MAKERS.search(name)]
    return names[0] if names else None


def study(
    store: Store,
    plan: StudyPlan,
    *,
    predictions: Sequence[ModelPredictions] = (),
    device: str | torch.device = "cpu",
    progress: Progress = no_progress,
) -> Study:
    """Study an index: how well its vectors predict each label, where they fail, and why.

    Each label is predicted by majority, metadata, nearest neighbors and a linear probe. The errors
    studied are those of the probe, or of the predictions given: one model's for a label at most,
    for exactly the test pictures of the plan's split. A label that the plan does not name and that
    cannot be evaluated is skipped with the reason.

    Raises:
        EvaluationError: If there is no label, a named one cannot be evaluated, predictions do
            not fit the split, or a vector is not finite.

    Example:
        >>> found = study(store, StudyPlan(tap="embedding", labels=("style",), group="artist"))
        >>> found.labels[0].method("probe").value
    """
    plan = with_columns(store, plan)
    base = ProbePlan(
        tap=plan.tap,
        labels=plan.labels,
        split=plan.split,
        keep_qualified=plan.keep_qualified,
        keep_copies=plan.keep_copies,
        seed=plan.seed,
    )
    names = label_names(store, base)
    given = _by_label(predictions, names)
    if plan.hierarchy is not None:
        check_placed(plan.hierarchy, _readable(store, base, names))
    total = len(names) + 2
    progress(0, total, 0)
    data = read_data(store, plan.tap, device=device, seed=plan.seed)
    context = StudyContext(
        data=data,
        columns=read_columns(store),
        hashes=picture_hashes(store, workers=plan.workers),
        plan=base,
        group=plan.group,
        groups=None if plan.group is None else group_codes(store, plan.group),
        hierarchy=plan.hierarchy,
        works=max(2, min(plan.works, plan.works * _PICTURES // (_A_LABEL * len(names)))),
    )
    progress(1, total, 0)
    labels: list[LabelStudy] = []
    classes: dict[str, Sequence[str | None]] = {}
    skipped: dict[str, str] = {}
    for done, name in enumerate(names, start=2):
        group = None if plan.group == name else plan.group
        one = replace(context, plan=replace(base, labels=(name,)), group=group)
        try:
            (found,) = probe(store, one.plan, device=device)
            labels.append(study_label(one, found, given.get(found.label.name)))
            classes[found.label.name] = _classes(found)
        except EvaluationError as error:
            if plan.labels:
                raise
            skipped[name] = str(error)
        progress(done, total, len(skipped))
    if not labels:
        name, reason = next(iter(skipped.items()))
        raise EvaluationError(
            f"none of the labels {', '.join(skipped)} can be evaluated; the reason for {name!r}: "
            f"{reason}"
        )
    result = _overview(data, tuple(labels), classes, skipped)
    progress(total, total, len(skipped))
    return result


def _readable(store: Store, plan: ProbePlan, names: tuple[str, ...]) -> list[Label]:
    """Read the labels, leaving out those that cannot be evaluated."""
    labels = []
    for name in names:
        with suppress(EvaluationError):
            labels.append(read_label(store, name, keep_qualified=plan.keep_qualified))
    return labels


def _by_label(
    predictions: Sequence[ModelPredictions], names: tuple[str, ...]
) -> dict[str, ModelPredictions]:
    given = {each.label: each for each in predictions}
    for name in given.keys() - {short_name(name) for name in names}:
        raise EvaluationError(
            f"there are predictions of {name!r}, which is not among the labels {', '.join(names)}"
        )
    return given


def _overview(
    data: StudyData,
    labels: tuple[LabelStudy, ...],
    classes: Mapping[str, Sequence[str | None]],
    skipped: dict[str, str],
) -> Study:
    """Put the labels together with what the index holds."""
    store = data.store
    failures, examples = describe_failures(store)
    manifest, passport = store.manifest, store.manifest.passport
    shape = passport.preprocessing
    return Study(
        name=manifest.name,
        reader=manifest.reader,
        source=manifest.source,
        updated=manifest.updated,
        rows=store.rows,
        complete=manifest.complete,
        fields=tuple(describe_fields(store)),
        failures=failures,
        failure_examples=examples,
        spec=passport.spec,
        weights=f"{passport.weights_source}, sha256 {passport.weights_sha256[:16]}",
        preprocessing=f"{shape.size[0]} x {shape.size[1]} pixels, {shape.fit}, "
        f"{shape.interpolation}, {shape.color}",
        taps=passport.taps,
        tap=data.tap,
        labels=labels,
        skipped=skipped,
        hubs=find_hubs(data),
        map=map_vectors(data, {name: values for name, values in classes.items() if any(values)}),
        seed=data.seed,
        versions={
            "artsim": __version__,
            "Python": platform.python_version(),
            "numpy": np.__version__,
            "torch": str(torch.__version__),
        },
    )


def _classes(found: LabelProbe) -> list[str | None]:
    """Return the class of each row, None if it has none; nothing of other labels."""
    target = found.label
    if target.kind != LabelKind.MULTICLASS:
        return []
    return [target.classes[code] if code >= 0 else None for code in target.strata]
