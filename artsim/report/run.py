"""The page of a run: its scores compared with baselines, its curves, and its errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from artsim.report.figures import Drawing, lines
from artsim.report.pages import render
from artsim.report.reliability import draw_reliability
from artsim.report.sizes import draw_sizes
from artsim.report.thumbnails import PageThumbnails
from artsim.study import Misfit, RunStudy


def run_page(found: RunStudy, command: str, *, workers: int = 2) -> tuple[str, int]:
    """Write the page of a run, made by ``command``; return it and the number of its pictures.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    shown: list[Misfit] = []
    for task in found.tasks:
        shown += task.predictions.errors if task.predictions else ()
    thumbnails = PageThumbnails.of_works(shown, workers=workers)
    page = render(
        "run.html",
        run=found,
        links=[(f"task-{number}", task.name) for number, task in enumerate(found.tasks)],
        curves=[
            drawn for network, rows in found.curves.items() for drawn in _curves(rows, network)
        ],
        sizes=list(draw_sizes(found.sizes)),
        thumbnails=thumbnails,
        command=command,
        draw=draw_reliability,
    )
    return page, len(thumbnails)


def _curves(rows: Sequence[Mapping[str, float]], network: str) -> Iterator[Drawing]:
    """Draw a network's losses, and its validation score on each task."""
    if not rows:
        return
    epochs = [row["epoch"] + 1 for row in rows]
    loss = f"{network}: loss" if network else "Loss"
    losses = [row["val_loss"] for row in rows]
    best = min(range(len(rows)), key=losses.__getitem__)
    yield lines(
        epochs,
        losses,
        [row["train_loss"] for row in rows],
        title=loss,
        description=f"{loss} on the validation set, lowest in epoch {epochs[best]:.0f} "
        f"({losses[best]:.3g}; {rows[best]['train_loss']:.3g} on the training set).",
        unit="epoch",
        ticks=lambda value: f"{value:.3g}",
    )
    for name in rows[0]:
        if not name.startswith("val_") or name == "val_loss":
            continue
        task, scores = name.removeprefix("val_"), [row[name] for row in rows]
        best = max(range(len(rows)), key=scores.__getitem__)
        yield lines(
            epochs,
            scores,
            title=f"{task}: validation score",
            description=f"{task}: score on the validation set, best in epoch "
            f"{epochs[best]:.0f} ({scores[best]:.1%}).",
            unit="epoch",
            ticks=lambda value: f"{value:.0%}",
            share=True,
        )
