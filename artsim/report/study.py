"""The page of a study: one file that says how well a picture can tell, where it fails, and why."""

from __future__ import annotations

from collections.abc import Iterator

from artsim.report import bars, gallery, plane
from artsim.report.bars import percent
from artsim.report.gallery import Pictures, work_tile
from artsim.report.label import label_section
from artsim.report.pages import escape, page
from artsim.report.ways import METRICS, in_short, score_lines
from artsim.study.results import LabelStudy, Mistake, Outlier, Study

__all__ = ["STYLE", "study_page"]

_TILES = {"top1": "told right by a probe", "mAP": "mAP of a probe"}

STYLE = """
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 1rem 0 0; }
a { color: var(--accent); } nav a { text-decoration: none; border-bottom: 1px solid; }
pre { overflow-x: auto; background: var(--track); padding: .7rem .9rem; border-radius: .4rem;
  font-size: .88rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.plane { max-width: 40rem; }
h4 { margin: 1rem 0 .2rem; }
summary small { color: var(--soft); }
"""


def study_page(study: Study, command: str, *, workers: int = 2) -> tuple[str, int]:
    """Write the page: one file of HTML with small copies of pictures in it.

    Args:
        study: What was found.
        command: That makes it again.
        workers: Threads that decode pictures.

    Returns:
        The page, and how many pictures are in it.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    shown: list[Mistake | Outlier] = []
    for label in study.labels:
        shown += label.judgment.mistakes if label.judgment else ()
        shown += label.outliers.works if label.outliers else ()
    pictures = Pictures(shown, workers, alone=[work for work, _ in study.hubs.most])
    parts = [*_head(study), *_scores(study), *_data(study)]
    for number, label in enumerate(study.labels):
        parts += label_section(label, study.layout, pictures, f"label-{number}")
    parts += _hubs(study, pictures)
    size = sum(map(len, parts)) / 1e6
    parts += _foot(study, command, size, pictures.count)
    title = f"{study.name}: how well a picture can tell"
    style = bars.STYLE + gallery.STYLE + plane.STYLE + STYLE
    return page(title, parts, style=style), pictures.count


def _head(study: Study) -> Iterator[str]:
    yield f"<header><h1>{escape(study.name)}: how well a picture can tell</h1>"
    yield (
        f'<p class="soft">{study.rows:,} pictures as the network <b>{escape(study.spec)}</b> sees '
        "them, frozen, and what a simple model reads off its vectors. Every score stands beside "
        "the test pictures it was measured on; none of them was used to choose anything.</p>"
    )
    tiles = [
        ("", f"{study.rows:,}", "pictures"),
        ("lost" if study.failures else "", f"{sum(study.failures.values()):,}", "left out"),
        *(
            ("", percent(label.way("probe").value), f"{label.name}, {_TILES[label.metric]}")
            for label in study.labels[:4]
            if label.metric != "MAE"
        ),
    ]
    yield '<div class="tiles">'
    for kind, value, name in tiles:
        yield f'<div class="tile {kind}"><b>{value}</b><span>{escape(name)}</span></div>'
    yield '</div><nav aria-label="Parts of the page"><a href="#scores">Scores</a>'
    yield '<a href="#data">The data</a>'
    for number, label in enumerate(study.labels):
        yield f'<a href="#label-{number}">{escape(label.name)}</a>'
    yield '<a href="#hubs">Hubs</a><a href="#made">How it was made</a></nav></header>'


def _scores(study: Study) -> Iterator[str]:
    yield '<section aria-labeledby="scores"><h2 id="scores">Scores</h2>'
    for label in study.labels:
        yield f"<p><b>{escape(label.name)}.</b> {in_short(label)}</p>"
    for metric, meaning in METRICS.items():
        some = [label for label in study.labels if label.metric == metric]
        if some:
            yield from _score_table(some, meaning)
    for name, reason in study.not_studied.items():
        yield f'<p class="soft">{escape(name)} is not judged: {escape(reason)}</p>'
    yield "</section>"


def _score_table(labels: list[LabelStudy], meaning: str) -> Iterator[str]:
    yield f'<div class="scroll table"><table><caption>{escape(meaning)}, with 95% intervals'
    yield '</caption><thead><tr><th scope="col">Label</th><th scope="col">Split</th>'
    for way in labels[0].ways[:5]:
        yield f'<th scope="col" class="n">{escape(way.name)}</th>'
    yield '<th scope="col" class="n">test</th></tr></thead><tbody>'
    for label in labels:
        splits = [("ordinary", label.ways[:5], label.split.test)]
        grouped = label.grouped
        if grouped is not None and grouped.split is not None:
            splits.append((f"no {grouped.group} on both sides", grouped.ways, grouped.split.test))
        for split, ways, test in splits:
            cells = "".join(
                f'<td class="n">{score_lines(label, way.estimate)}</td>' for way in ways
            )
            yield (
                f'<tr><th scope="row">{escape(label.name)}</th><td>{escape(split)}</td>{cells}'
                f'<td class="n">{test:,}</td></tr>'
            )
    yield "</tbody></table></div>"


def _data(study: Study) -> Iterator[str]:
    yield '<section aria-labeledby="data"><h2 id="data">The data</h2>'
    unfinished = "" if study.complete else " The index is unfinished: not every row was tried."
    yield (
        f"<p>{escape(study.source)}, read as {escape(study.reader)}; embedded "
        f"{escape(study.updated)}.{unfinished}</p>"
    )
    yield '<div class="scroll table"><table><tbody>'
    taps = "; ".join(
        f"{tap.name} ({', '.join(filter(None, (tap.layer, tap.pooling)))}; {tap.dim:,} numbers)"
        for tap in study.taps
    )
    for name, value in (
        ("Network", study.spec),
        ("Weights", study.weights),
        ("What it sees of a picture", study.preprocessing),
        ("Vectors (layer, pooling)", taps),
        ("Judged by", study.tap),
    ):
        yield f'<tr><th scope="row">{name}</th><td class="text">{escape(value)}</td></tr>'
    yield "</tbody></table></div>"
    if study.failures:
        stages = ", ".join(f"{escape(stage)} {count:,}" for stage, count in study.failures.items())
        yield f"<h3>Left out</h3><p>By the step that failed: {stages}. For example:</p><ul>"
        for name, reason in study.failure_examples:
            yield f"<li><code>{escape(name)}</code> <small>{escape(reason)}</small></li>"
        yield "</ul>"
    yield "<h3>Columns</h3>"
    yield '<div class="scroll table"><table><thead><tr><th scope="col">Column</th>'
    yield '<th scope="col">Type</th><th scope="col" class="n">Distinct</th>'
    yield '<th scope="col" class="n">Missing</th><th scope="col">Use</th></tr></thead><tbody>'
    for field in study.fields:
        use = "label" if field.not_a_label is None else f"no label: {field.not_a_label}"
        yield (
            f'<tr><th scope="row">{escape(field.name)}</th><td>{escape(field.type)}</td>'
            f'<td class="n">{field.distinct:,}</td><td class="n">{field.missing:,} '
            f"({field.missing / study.rows:.0%})</td>"
            f'<td class="text">{escape(use)}</td></tr>'
        )
    yield "</tbody></table></div></section>"


def _hubs(study: Study, pictures: Pictures) -> Iterator[str]:
    found = study.hubs
    if not found.most:
        return
    yield '<section aria-labeledby="hubs"><h2 id="hubs">Hubs</h2>'
    skew = (
        "" if found.skew is None else f" The skew of these counts is {found.skew:.2f}, 0 is none."
    )
    yield (
        f"<p>Some pictures are among the {found.k} nearest of far more others than the "
        f"{found.k} they would be by chance, and so turn up everywhere; {found.orphans:,} "
        f"({found.orphans / study.rows:.0%}) are nobody's neighbor.{skew}</p>"
    )
    yield '<div class="tile-row">'
    for work, times in found.most:
        yield work_tile(work, f"{work.title or work.id}: near to {times:,}", pictures)
    yield "</div></section>"


def _foot(study: Study, command: str, megabytes: float, count: int) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in study.versions.items())
    yield '<section aria-labeledby="made"><h2 id="made">How it was made</h2>'
    yield f"<pre><code>{escape(command)}</code></pre>"
    yield (
        f"<p>{escape(versions)}; seed {study.seed}. The same index and command make the same page. "
        "Majority, metadata, neighbors and probe learn from the same pictures (train and "
        "validation) and are judged by the same test pictures; k, the penalty and the temperature "
        "of the probabilities are chosen on validation. Intervals of scores are bootstrapped "
        "over the test pictures, those of classes and corners are Wilson's.</p>"
    )
    yield (
        f"</section><footer><small>One file of about {megabytes:.1f} MB with {count:,} small "
        "pictures; nothing is loaded from elsewhere.</small></footer>"
    )
