"""Linear probes on several random splits: how much a score depends on the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from artsim.datatypes import Estimate, Progress, no_progress
from artsim.errors import EvaluationError
from artsim.evaluation.probe.run import LabelProbe, ProbePlan, probe_data, read_data
from artsim.labels import with_columns
from artsim.metrics import Difference, resplit_mean
from artsim.splits import Split
from artsim.store import Store


@dataclass(frozen=True)
class Repeated:
    """A score on several splits, which share pictures: the deviation is no standard error."""

    mean: float
    std: float | None  # sample standard deviation; None of one split


@dataclass(frozen=True, kw_only=True)
class RepeatedProbe:
    """The probe of one label on several splits."""

    runs: tuple[LabelProbe, ...]  # one a split, each drawn with the next seed

    @property
    def first(self) -> LabelProbe:
        """The probe on the first split."""
        return self.runs[0]

    @property
    def distinct(self) -> list[LabelProbe]:
        """The probes on splits that differ: of a few groups several seeds may draw the same."""
        return list({each.split.test.tobytes(): each for each in reversed(self.runs)}.values())[
            ::-1
        ]

    @property
    def split(self) -> Split:
        """The first split, described as one of all of them."""
        first, seeds = self.first.split, [each.seed for each in self.runs]
        with_seeds = first.description.replace(f"with seed {seeds[0]}", _with_seeds(seeds), 1)
        splits, drawn = len(self.distinct), len(self.runs)
        note = (
            f"the {drawn} splits all have the same test pictures, so they count as one: there are "
            "too few groups to draw others"
            if splits == 1
            else f"only {splits} of the {drawn} splits differ, and only those count: there are too "
            "few groups to draw more"
        )
        notes = (*first.notes, note) if splits < drawn else first.notes
        return replace(first, description=with_seeds, notes=notes)

    @property
    def scores(self) -> dict[str, Repeated | None]:
        """Each method's main metric, and the probe's other metrics; None where a split has none."""
        found = [_values(each) for each in self.distinct]
        return {name: _repeat([values[name] for values in found]) for name in found[0]}

    def macro_f1(self, method: str) -> Repeated | None:
        """Macro F1 of a method; None of a label without single classes."""
        return self.scores.get("macro_f1" if method == "probe" else f"{method}_macro_f1")

    @property
    def over_knn(self) -> Difference:
        """How much the probe's mean is above that of k neighbors, on the same splits."""
        return resplit_mean(self._values("knn"), self._values("probe"), self._test_share)

    def over(self, other: RepeatedProbe) -> Difference:
        """How much its probe is above another's, on as many splits of the same index."""
        share = max(self._test_share, other._test_share)
        one, two = other._values("probe"), self._values("probe")
        n = min(len(one), len(two))
        return resplit_mean(one[:n], two[:n], share)

    @property
    def _test_share(self) -> float:
        return max(len(each.split.test) / len(each.split.learned) for each in self.runs)

    def _values(self, method: str) -> list[float]:
        scores = (each.scores[method] for each in self.distinct)
        return [score.value for score in scores if score is not None]

    def to_json(self) -> dict[str, object]:
        """Return means, and deviations as NAME_std, as plain values."""
        first = self.first
        found: dict[str, object] = {
            "label": first.label.name,
            "kind": str(first.label.kind),
            "metric": first.metric,
            "splits": len(self.distinct),
        }
        for name, score in self.scores.items():
            found |= {name: score.mean if score else None, f"{name}_std": score and score.std}
        found |= self.over_knn.to_json("over_knn")
        return found | {
            "seeds": [each.seed for each in self.runs],
            "n_train": [len(each.split.train) for each in self.runs],
            "n_test": [len(each.split.test) for each in self.runs],
            "split_description": self.split.description,
            **({} if first.split.where is None else {"where": first.split.where}),
            "notes": list(self.split.notes),
        }


def probe_splits(
    store: Store,
    plan: ProbePlan,
    seeds: Sequence[int],
    *,
    device: str | torch.device = "cpu",
    progress: Progress = no_progress,
) -> list[RepeatedProbe]:
    """Probe the labels of a plan on splits drawn with these seeds instead of its own.

    Each split is stratified by the label, with the plan's groups in one part each. Progress counts
    the probes: one for each label and split.

    Raises:
        EvaluationError: If the plan names a split, of which there is one; and as `probe`.
    """
    plan = with_columns(store, plan)
    if plan.split is not None:
        raise EvaluationError(
            f"split {plan.split!r} is one split, expected none to draw {len(seeds)}; "
            "leave out --split or --splits"
        )
    data = read_data(store, plan)
    runs: list[list[LabelProbe]] = [[] for _ in data.labels]
    for number, seed in enumerate(seeds):
        drawn = replace(plan, seed=seed)
        for place, found in enumerate(probe_data(store, drawn, data, device=device)):
            runs[place].append(found)
            done = number * len(runs) + place + 1
            progress(done, len(seeds) * len(runs), 0)
    return [RepeatedProbe(runs=tuple(some)) for some in runs]


def _with_seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"with seed {seeds[0]}"
    if list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"with seeds {seeds[0]} to {seeds[-1]}"
    return f"with seeds {', '.join(map(str, seeds))}"


def _values(each: LabelProbe) -> Mapping[str, Estimate | float | None]:
    others = {name: score for name, score in each.result.metrics.items() if name != each.metric}
    hierarchy = {"hierarchy_f1": each.hierarchy.scores.f1} if each.hierarchy else {}
    macro_f1 = {f"{n}_macro_f1": value for n, value in each.macro_f1.items() if n != "probe"}
    return {**each.scores, **others, **macro_f1, **hierarchy}


def _repeat(scores: list[Estimate | float | None]) -> Repeated | None:
    values = [score.value if isinstance(score, Estimate) else score for score in scores]
    known = [value for value in values if value is not None and not np.isnan(value)]
    if not known or len(known) < len(values):
        return None
    std = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Repeated(float(np.mean(known)), std)
