"""The losses and scores of a training by epoch, as a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from artsim.errors import StoreError
from artsim.store import write_whole

_SIZE_INCHES = (9.0, 3.4)


def save_curves(rows: Sequence[Mapping[str, float]], file: Path) -> None:
    """Draw losses left and validation scores right, and write a PNG.

    A row is an epoch: ``epoch`` from 0, ``train_loss``, ``val_loss`` and ``val_TASK``.

    Raises:
        StoreError: If matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise StoreError(
            "curves need matplotlib; install it with pip install 'artsim[report]'"
        ) from error
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [int(row["epoch"]) + 1 for row in rows]
    for name, style in (("train_loss", "--"), ("val_loss", "-")):
        left.plot(epochs, [row[name] for row in rows], style, label=name.partition("_")[0])
    for name in rows[0]:
        if name.startswith("val_") and name != "val_loss":
            scores = [row[name] for row in rows]
            right.plot(epochs, scores, label=name.removeprefix("val_"))
    right.set_ylim(0, 1)
    for axes, what in ((left, "loss"), (right, "validation score")):
        axes.set(xlabel="epoch", title=what)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
    write_whole(file, lambda stream: figure.savefig(stream, format="png", dpi=120))
