"""A study of an index: every label told in every way, judged, and laid out for people."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from artsim import __version__
from artsim.errors import EvaluationError
from artsim.evaluation.probe import LabelProbe, ProbePlan, probe
from artsim.labels import LabelKind, codes_of, label_columns, short_name
from artsim.splits.audit import picture_hashes
from artsim.store import Store
from artsim.study.holdings import (
    describe_failures,
    describe_fields,
    find_hubs,
    lay_out,
    read_columns,
)
from artsim.study.judge import Predictions
from artsim.study.label import Subject, study_label
from artsim.study.material import gather
from artsim.study.results import LabelStudy, Study, Tap

__all__ = ["StudyPlan", "find_group", "study"]

# What catalogs call whoever made a picture.
_MAKERS = re.compile(r"(?i)(^|_| )(artist|maker|creator|painter|photographer|author|attribution)")

_PICTURES = 400  # small copies on a page, about
_A_LABEL = 12 * 11  # of them, where no gallery is cut: two of 12 works with their neighbors

Progress = Callable[[int, int, int], None]  # done, of how many, failures so far


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """What a study is asked."""

    tap: str
    labels: tuple[str, ...] = ()  # columns, derived labels; all of one class a picture if empty
    split: str | None = None  # stored or column; else 70/10/20 is drawn for each label
    group: str | None = None  # column: labels are judged again with its values on one side
    works: int = 12  # shown in a gallery; fewer where there are many labels
    workers: int = 2  # threads that decode pictures for their perceptual hashes
    seed: int = 0


def find_group(store: Store) -> str | None:
    """Find the column that says who made a picture, if there is one that sorts the pictures."""
    names = [name for name in label_columns(store)[0] if _MAKERS.search(name)]
    return names[0] if names else None


def study(
    store: Store,
    plan: StudyPlan,
    *,
    predictions: Sequence[Predictions] = (),
    device: str | torch.device = "cpu",
    progress: Progress = lambda done, total, failures: None,
) -> Study:
    """Study an index: how well its vectors tell each label, where they fail, and why.

    Each label is told by the majority, by metadata, by neighbors and by a linear probe; the
    predictions that are looked at closely are the probe's, or those handed in. A label that the
    plan does not name and that cannot be judged is left out with the reason.

    Args:
        store: The index.
        plan: What to ask.
        predictions: Of another model, one a label at most; for the very test pictures of the
            plan's split.
        device: Where probes and neighbors are computed.
        progress: Called with the steps done and to do.

    Raises:
        EvaluationError: If there is no label, one that is named cannot be judged, predictions do
            not fit the split, or a vector is not finite.

    Example:
        >>> found = study(store, StudyPlan(tap="embedding", labels=("style",), group="artist"))
        >>> found.labels[0].way("probe").value
    """
    if not store.rows:
        raise EvaluationError(f"{str(store.path)!r} holds no picture; see 'artsim info'")
    names = plan.labels or tuple(name for name in label_columns(store)[0] if name != plan.split)
    if not names:
        raise EvaluationError(
            f"no column of {str(store.path)!r} can be a label; see 'artsim info', "
            "or name one with --label"
        )
    of_others = {each.label: each for each in predictions}
    for name in of_others.keys() - {short_name(name) for name in names}:
        raise EvaluationError(
            f"predictions are of {name!r}, which is not studied; studied are {', '.join(names)}"
        )
    total = len(names) + 2
    progress(0, total, 0)
    material = gather(store, plan.tap, device=device, seed=plan.seed)
    columns = read_columns(store)
    groups = None if plan.group is None else codes_of(store, plan.group)
    hashes = picture_hashes(store, workers=plan.workers)
    progress(1, total, 0)
    works = max(2, min(plan.works, plan.works * _PICTURES // (_A_LABEL * len(names))))
    labels: list[LabelStudy] = []
    laid: dict[str, Sequence[str | None]] = {}
    not_studied: dict[str, str] = {}
    for done, name in enumerate(dict.fromkeys(names), start=2):
        probed = ProbePlan(tap=plan.tap, labels=(name,), split=plan.split, seed=plan.seed)
        subject = Subject(
            material=material,
            columns=columns,
            hashes=hashes,
            plan=probed,
            group=None if plan.group == name else plan.group,
            groups=groups,
            works=works,
        )
        try:
            (found,) = probe(store, probed, device=device)
            labels.append(study_label(subject, found, of_others.get(found.target.name)))
            laid[found.target.name] = _classes(found)
        except EvaluationError as error:
            if plan.labels:
                raise
            not_studied[name] = str(error)
        progress(done, total, len(not_studied))
    if not labels:
        name, reason = next(iter(not_studied.items()))
        raise EvaluationError(
            f"none of the labels {', '.join(not_studied)} can be studied; why not {name!r}: "
            f"{reason}"
        )
    hubs = find_hubs(material)
    layout = lay_out(material, {name: values for name, values in laid.items() if any(values)})
    failures, examples = describe_failures(store)
    manifest, passport = store.manifest, store.manifest.passport
    shape = passport.preprocessing
    progress(total, total, len(not_studied))
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
        taps=tuple(Tap(tap.name, tap.layer, tap.pooling, tap.dim) for tap in passport.taps),
        tap=plan.tap,
        labels=tuple(labels),
        not_studied=not_studied,
        hubs=hubs,
        layout=layout,
        seed=plan.seed,
        versions={
            "artsim": __version__,
            "Python": platform.python_version(),
            "numpy": np.__version__,
            "torch": str(torch.__version__),
        },
    )


def _classes(found: LabelProbe) -> list[str | None]:
    """Name the class of each row; None where it has none, or several."""
    target = found.target
    if target.kind != LabelKind.MULTICLASS:
        return []
    return [target.classes[code] if code >= 0 else None for code in target.strata]
