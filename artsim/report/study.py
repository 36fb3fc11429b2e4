"""The page of a study: how well each label is predicted, where that fails, and why."""

from __future__ import annotations

from dataclasses import dataclass

from artsim.report.figures import Drawing, curve
from artsim.report.pages import render
from artsim.report.tables import StudyTable, label_tables
from artsim.report.thumbnails import WorkThumbnails
from artsim.report.vector_map import MapDrawing, draw_map
from artsim.study import Curve, LabelStudy, Outlier, PredictionError, Study

_SETTINGS = {"k": "Neighbors", "C": "Probe: inverse penalty C", "alpha": "Probe: penalty"}


@dataclass(frozen=True, kw_only=True)
class _Label:
    """A label as its section needs it."""

    study: LabelStudy
    anchor: str
    tables: list[StudyTable]
    curves: list[Drawing]
    map: MapDrawing | None

    @property
    def link(self) -> tuple[str, str]:
        return self.anchor, self.study.name


def study_page(study: Study, command: str, *, workers: int = 2) -> tuple[str, int]:
    """Write the page of a study, which ``command`` makes again; return it and its images' number.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    shown: list[PredictionError | Outlier] = []
    for label in study.labels:
        shown += label.predictions.errors if label.predictions else ()
        shown += label.outliers.works if label.outliers else ()
    thumbnails = WorkThumbnails(shown, workers, alone=[work for work, _ in study.hubs.most])
    page = render(
        "study.html",
        study=study,
        labels=[_label(study, label, f"label-{n}") for n, label in enumerate(study.labels)],
        facts=_facts(study),
        thumbnails=thumbnails,
        command=command,
    )
    return page, thumbnails.count


def _label(study: Study, label: LabelStudy, anchor: str) -> _Label:
    return _Label(
        study=label,
        anchor=anchor,
        tables=label_tables(label),
        curves=[_curve(label, each) for each in label.curves],
        map=draw_map(study.map, label) if label.name in study.map.classes else None,
    )


def _facts(study: Study) -> list[tuple[str, str]]:
    taps = "; ".join(
        f"{tap.name} ({', '.join(filter(None, (tap.layer, tap.pooling)))}; {tap.dim:,} dimensions)"
        for tap in study.taps
    )
    return [
        ("Network", study.spec),
        ("Weights", study.weights),
        ("Input of the network", study.preprocessing),
        ("Taps (layer, pooling)", taps),
        ("Evaluated tap", study.tap),
    ]


def _curve(label: LabelStudy, found: Curve) -> Drawing:
    """Draw how the validation score depends on a setting."""
    name = _SETTINGS[found.setting]

    def write(value: float) -> str:
        return f"{value:.3g}" if label.metric == "MAE" else f"{value:.1%}"

    at = min(range(len(found.values)), key=lambda i: abs(found.values[i] - found.chosen))
    chosen = f"{found.chosen:,.0f}" if 100 <= found.chosen < 1e6 else f"{found.chosen:.3g}"
    worst = (max if label.metric == "MAE" else min)(found.scores)
    text = (
        f"{name}: {chosen} was chosen, with {write(found.scores[at])} on "
        f"{label.split.validation:,} validation pictures; the worst setting has {write(worst)}."
    )
    return curve(
        found.values,
        found.scores,
        found.chosen,
        title=f"{label.name}: {name}",
        description=text,
        unit=name,
        ticks=write,
    )
