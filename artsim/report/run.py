"""The page of a run: what it reached beside what is reached without training, and its mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from artsim.report import bars, gallery
from artsim.report.bars import percent, ranges, spread
from artsim.report.figures import lines
from artsim.report.gallery import Pictures
from artsim.report.judgment import corners, judged, surest_mistakes
from artsim.report.pages import escape, page
from artsim.report.study import STYLE
from artsim.report.ways import METRICS, draw_ways
from artsim.study.results import Mistake, RunStudy, TaskStudy

__all__ = ["run_page"]

_STYLE = """
.table + .table { margin-top: 1.6rem; }
"""
_TILES = 4  # tasks whose score is seen first
# Of ways to find alike works: what is no score, or the same as P@1.
_NO_SCORE = ("label", "vectors", "measure", "queries", "chance", "HitRate@1", "mAP@1")


def run_page(found: RunStudy, command: str, *, workers: int = 2) -> tuple[str, int]:
    """Write the page: one file of HTML with small copies of pictures in it.

    Args:
        found: The run.
        command: That makes it again.
        workers: Threads that decode pictures.

    Returns:
        The page, and how many pictures are in it.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    shown: list[Mistake] = []
    for task in found.tasks:
        shown += task.judgment.mistakes if task.judgment else ()
    pictures = Pictures(shown, workers)
    parts = [*_head(found), *_scores(found), *_curves(found)]
    for number, task in enumerate(found.tasks):
        parts += _task(task, pictures, f"task-{number}")
    parts += _foot(found, command)
    title = f"{found.name}: a run of {found.recipe}"
    return page(title, parts, style=bars.STYLE + gallery.STYLE + STYLE + _STYLE), pictures.count


def _head(found: RunStudy) -> Iterator[str]:
    yield f"<header><h1>{escape(found.recipe)}: what it reached</h1>"
    yield f'<p class="soft">Run <b>{escape(found.name)}</b>: {escape(found.facts)}</p>'
    if found.tasks:
        yield '<div class="tiles">'
        for task in found.tasks[:_TILES]:
            value = percent(task.ways[0].estimate.value)
            said = f"{task.name}, {'told right' if task.metric == 'top1' else task.metric} on test"
            yield f'<div class="tile"><b>{value}</b><span>{escape(said)}</span></div>'
        yield "</div>"
    yield '<nav aria-label="Parts of the page"><a href="#scores">Scores</a>'
    if any(found.curves.values()):
        yield '<a href="#curves">Curves</a>'
    for number, task in enumerate(found.tasks):
        yield f'<a href="#task-{number}">{escape(task.name)}</a>'
    yield '<a href="#made">How it was made</a></nav></header>'


def _scores(found: RunStudy) -> Iterator[str]:
    yield '<section aria-labeledby="scores"><h2 id="scores">Scores</h2>'
    for metric, meaning in METRICS.items():
        tasks = [task for task in found.tasks if task.metric == metric]
        if tasks:
            yield from _score_table(tasks, meaning)
    for label in dict.fromkeys(way["label"] for way in found.retrieved):
        yield from _way_table(label, [way for way in found.retrieved if way["label"] == label])
    if found.notes:
        yield f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in found.notes)}</ul>"
    yield "</section>"


def _score_table(tasks: Sequence[TaskStudy], meaning: str) -> Iterator[str]:
    ways = list(dict.fromkeys(way.name for task in tasks for way in task.ways))
    yield from _table_head(
        f"On the test pictures: {meaning}; validation and train are of the network",
        ["Task"],
        [*ways, "validation", "train", "test pictures"],
    )
    for task in tasks:
        values = {way.name: percent(way.estimate.value) for way in task.ways}
        cells = [values.get(way, "") for way in ways]
        cells += ["" if each is None else percent(each) for each in (task.chosen, task.learned)]
        yield _table_row([task.name], [*cells, f"{task.sizes[2]:,}"])
    yield "</tbody></table></div>"


def _way_table(label: str, ways: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = [name for name in ways[0] if name not in _NO_SCORE]
    yield f"<h3>Works that share {escape(label)}</h3>"
    yield from _table_head(
        f"{ways[0]['queries']:,} works ask; any two share it with a chance of "
        f"{ways[0]['chance']:.3f}",
        ["Vectors", "Measure"],
        names,
    )
    for way in ways:
        values = (way.get(name) for name in names)
        cells = ["" if value is None else f"{value:.3f}" for value in values]
        yield _table_row([way["vectors"], way["measure"]], cells)
    yield "</tbody></table></div>"


def _table_head(caption: str, texts: Sequence[str], numbers: Sequence[str]) -> Iterator[str]:
    yield f'<div class="scroll table"><table><caption>{escape(caption)}</caption><thead><tr>'
    yield "".join(f'<th scope="col">{escape(name)}</th>' for name in texts)
    yield "".join(f'<th scope="col" class="n">{escape(name)}</th>' for name in numbers)
    yield "</tr></thead><tbody>"


def _table_row(texts: Sequence[str], numbers: Sequence[str]) -> str:
    first, *others = (escape(text) for text in texts)
    cells = "".join(f"<td>{text}</td>" for text in others)
    cells += "".join(f'<td class="n">{escape(number)}</td>' for number in numbers)
    return f'<tr><th scope="row">{first}</th>{cells}</tr>'


def _curves(found: RunStudy) -> Iterator[str]:
    if not any(found.curves.values()):
        return
    yield '<section aria-labeledby="curves"><h2 id="curves">Curves</h2>'
    yield "<p>After each epoch. Dashed: the loss on the pictures learned from.</p>"
    yield '<div class="figures">'
    for network, rows in found.curves.items():
        for figure in _figures(rows, network):
            yield f"<figure>{figure[0]}<figcaption>{escape(figure[1])}</figcaption></figure>"
    yield "</div></section>"


def _figures(rows: Sequence[Mapping[str, float]], network: str) -> Iterator[tuple[str, str]]:
    """Draw a network's losses, and its validation score on each task, with what they say."""
    if not rows:
        return
    epochs = [row["epoch"] + 1 for row in rows]
    loss = f"{network}: loss" if network else "Loss"
    losses = [row["val_loss"] for row in rows]
    best = min(range(len(rows)), key=losses.__getitem__)
    text = (
        f"{loss} on validation pictures, least in epoch {epochs[best]:.0f} ({losses[best]:.3g}; "
        f"{rows[best]['train_loss']:.3g} on those learned from)."
    )
    yield (
        lines(
            epochs,
            losses,
            [row["train_loss"] for row in rows],
            title=loss,
            description=text,
            unit="epoch",
            ticks=lambda value: f"{value:.3g}",
        ),
        text,
    )
    for name in rows[0]:
        if not name.startswith("val_") or name == "val_loss":
            continue
        task, scores = name.removeprefix("val_"), [row[name] for row in rows]
        best = max(range(len(rows)), key=scores.__getitem__)
        text = (
            f"{task}: score on validation pictures, best in epoch {epochs[best]:.0f} "
            f"({scores[best]:.1%})."
        )
        figure = lines(
            epochs,
            scores,
            title=f"{task}: validation score",
            description=text,
            unit="epoch",
            ticks=lambda value: f"{value:.0%}",
            share=True,
        )
        yield figure, text


def _task(task: TaskStudy, pictures: Pictures, anchor: str) -> Iterator[str]:
    yield f'<section aria-labeledby="{anchor}"><h2 id="{anchor}">{escape(task.name)}</h2>'
    yield f"<p>{_in_short(task)}</p>"
    learned, chosen, tested = task.sizes
    notes = "".join(f" {escape(note)}." for note in task.notes)
    yield (
        f'<p class="soft"><small>{escape(task.split)}: {learned:,} training, {chosen:,} '
        f"validation and {tested:,} test pictures.{notes}</small></p>"
    )
    yield from draw_ways(task.ways, metadata=task.metadata, k=task.k)
    if task.judgment is None:
        yield "<h3>Which classes are told</h3><p>Of the test pictures that have a class, those "
        yield "that it is said of. The lines are 95% Wilson intervals.</p>"
        yield from ranges(task.classes)
    else:
        yield from judged(task.judgment)
        yield from corners(task.judgment)
        yield from surest_mistakes(task.judgment, pictures)
    yield "</section>"


def _in_short(task: TaskStudy) -> str:
    """Say in HTML what the training reached, and whether it was worth it."""
    network, *others = task.ways
    said = (
        f"{escape(network.name.capitalize())} gets <b>{spread(network.estimate)}</b> on "
        f"{task.sizes[2]:,} test pictures ({METRICS[task.metric]})."
    )
    best = max(others, key=lambda way: way.estimate.value)
    points = 100 * (best.estimate.value - network.estimate.value)
    than = "more" if points >= 0 else "less"
    return (
        f"{said} The best of what it stands beside, {escape(best.name)}, gets "
        f"{spread(best.estimate)}, {abs(points):.1f} points {than}."
    )


def _foot(found: RunStudy, command: str) -> Iterator[str]:
    yield '<section aria-labeledby="made"><h2 id="made">How it was made</h2>'
    yield f"<pre><code>{escape(command)}</code></pre>"
    yield f"<p>artsim {escape(found.version)}, with these settings:</p>"
    yield '<div class="scroll"><table><tbody>'
    for name, value in found.settings.items():
        yield f'<tr><th scope="row">{escape(name)}</th><td class="text">{escape(value)}</td></tr>'
    yield "</tbody></table></div></section>"
    yield "<footer><small>One file; nothing is loaded from elsewhere.</small></footer>"
