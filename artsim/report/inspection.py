"""The page about a collection: what was found, its labels and their baselines, its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from artsim import __version__
from artsim.datatypes import FieldType
from artsim.inspection import (
    EXPLANATIONS,
    Column,
    Example,
    Finding,
    Inspection,
    Kind,
    Label,
    Sample,
    Weight,
)
from artsim.report.figures import histogram
from artsim.report.pages import escape, page, thumbnails

__all__ = ["inspection_page"]

_HEADINGS = {
    Weight.LOST: "Left out when it is embedded",
    Weight.LOOK: "Worth a look before anything is measured",
    Weight.NOTE: "Good to know",
}
_MEASURES = {
    "width": "Width (pixels)",
    "height": "Height (pixels)",
    "megapixels": "Megapixels",
    "aspect": "Width / height",
    "file_bytes": "File size",
}
_ASPECTS = {0.25: "1:4", 0.5: "1:2", 2 / 3: "2:3", 1.0: "1:1", 1.5: "3:2", 2.0: "2:1", 4.0: "4:1"}
_UNSEEN = (Kind.NOT_A_PICTURE, Kind.DAMAGED)
_PICTURES_SHOWN = 8  # of one example of a fault


def inspection_page(inspection: Inspection) -> str:
    """Write the page: one file of HTML, with small copies of pictures in it.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    pictures = _thumbnails(inspection)
    return page(
        f"{inspection.name}: the collection inspected",
        [
            *_head(inspection),
            *_findings(inspection, pictures),
            *_labels(inspection.labels),
            *_classes(inspection, pictures),
            *_sizes(inspection),
            *_columns(inspection.columns, inspection.rows),
            *_foot(inspection),
        ],
    )


def _thumbnails(inspection: Inspection) -> Mapping[Path, Callable[[str], str]]:
    """Make the small copies of the pictures on the page."""
    files = [file for sample in inspection.samples for file in sample.files]
    for finding in inspection.findings:
        for example in finding.examples:
            files += _shown(finding, example)
    return thumbnails(files, workers=inspection.settings.workers)


def _head(inspection: Inspection) -> Iterator[str]:
    lost, look = (_total(inspection, weight) for weight in (Weight.LOST, Weight.LOOK))
    yield f"<header><h1>{escape(inspection.name)}</h1>"
    yield (
        f'<p class="soft">{escape(inspection.source)}, read as {escape(inspection.reader)}. '
        f"{_summary(inspection)}</p></header>"
    )
    tiles = [
        ("", inspection.rows, "rows"),
        ("", inspection.pictures, "pictures found"),
        ("lost" if lost else "", lost, "faults that cost rows"),
        ("look" if look else "", look, "things worth a look"),
        ("", len(inspection.labels), "labels"),
    ]
    yield '<div class="tiles">'
    for kind, number, name in tiles:
        yield f'<div class="tile {kind}"><b>{number:,}</b><span>{name}</span></div>'
    yield "</div>"


def _summary(inspection: Inspection) -> str:
    parts = []
    for name, counts in (
        ("Files", inspection.formats),
        ("Colors", inspection.modes),
        ("Color profiles", inspection.profiles),
    ):
        if counts:
            listed = ", ".join(f"{escape(key)} {count:,}" for key, count in counts.items())
            parts.append(f"{name}: {listed}.")
    return " ".join(parts)


def _total(inspection: Inspection, weight: Weight) -> int:
    return sum(f.count for f in inspection.findings if EXPLANATIONS[f.kind].weight is weight)


def _findings(
    inspection: Inspection, pictures: Mapping[Path, Callable[[str], str]]
) -> Iterator[str]:
    yield '<section aria-labeledby="findings"><h2 id="findings">What was found</h2>'
    if not inspection.findings:
        yield "<p>Nothing is wrong with the rows and the files.</p>"
    if not inspection.settings.hashes:
        yield (
            '<p class="soft">Headers were read and no pixel was decoded: cut-off pictures, '
            "pictures that look the same and black bars are looked for with "
            "<code>--hashes</code>.</p>"
        )
    for weight in Weight:
        of_weight = [f for f in inspection.findings if EXPLANATIONS[f.kind].weight is weight]
        if of_weight:
            yield f"<h3>{_HEADINGS[weight]}</h3>"
        for finding in of_weight:
            yield from _finding(finding, pictures)
    yield "</section>"


def _finding(finding: Finding, pictures: Mapping[Path, Callable[[str], str]]) -> Iterator[str]:
    explanation = EXPLANATIONS[finding.kind]
    yield f'<article class="card {explanation.weight}">'
    title = explanation.title[0].upper() + explanation.title[1:]
    yield f'<h3>{escape(title)}: <span class="count">{finding.count:,}</span></h3>'
    each_has_one = all(len(_shown(finding, example)) == 1 for example in finding.examples)
    kind = ' class="gallery"' if each_has_one else ""
    yield f"<p>{escape(explanation.advice)}</p><ul{kind}>"
    for example in finding.examples:
        yield f"<li>{_example(example, _shown(finding, example), pictures)}</li>"
    yield "</ul></article>"


def _shown(finding: Finding, example: Example) -> tuple[Path, ...]:
    """Return the pictures to show; of those that cannot be decoded the reason says it all."""
    return () if finding.kind in _UNSEEN else example.files[:_PICTURES_SHOWN]


def _example(
    example: Example, files: Sequence[Path], pictures: Mapping[Path, Callable[[str], str]]
) -> str:
    names = " = ".join(f"<code>{escape(name)}</code>" for name in example.names[:_PICTURES_SHOWN])
    more = len(example.names) - _PICTURES_SHOWN
    names += f" and {more:,} more" if more > 0 else ""
    detail = f" <small>{escape(example.detail)}</small>" if example.detail else ""
    images = [pictures[file](name) for name, file in zip(example.names, files, strict=False)]
    strip = f'<span class="strip">{"".join(images)}</span>' if images else ""
    return f"{strip}<span>{names}{detail}</span>"


def _labels(labels: Sequence[Label]) -> Iterator[str]:
    yield '<section aria-labeledby="labels"><h2 id="labels">Labels and their baselines</h2>'
    if not labels:
        yield "<p>No column sorts the pictures into classes.</p></section>"
        return
    yield (
        "<p>What a network says of a label is worth what it says beyond two answers that need no "
        "picture. <b>Majority</b> always names the most common class. <b>Metadata only</b> names "
        "the class most common among rows with the same value of one other column or size; which "
        "column is chosen in each of five training folds, and judged on the fold left out.</p>"
    )
    yield '<div class="scroll table"><table><thead><tr><th scope="col">Label</th>'
    yield '<th scope="col" class="n">Classes</th><th scope="col" class="n">Rows</th>'
    yield '<th scope="col" class="n">Majority</th><th scope="col" class="n">Metadata only</th>'
    yield '<th scope="col">Told by</th><th scope="col"></th></tr></thead><tbody>'
    for label in labels:
        yield _label(label)
    yield "</tbody></table></div></section>"


def _label(label: Label) -> str:
    baseline = label.metadata
    if baseline is None:
        told, by = "", "several values a row" if label.several else ""
    else:
        told = f"{baseline.accuracy:.1%}"
        by = escape(baseline.column or "no column does better")
    widest = label.majority if baseline is None else max(baseline.accuracy, label.majority)
    return (
        f'<tr><th scope="row">{escape(label.name)}</th>'
        f'<td class="n">{len(label.classes):,}</td><td class="n">{label.rows:,}</td>'
        f'<td class="n">{label.majority:.1%}</td><td class="n">{told}</td><td>{by}</td>'
        f'<td><div class="bar" aria-hidden="true"><i style="width:{widest:.1%}"></i>'
        f'<i class="under" style="width:{label.majority:.1%}"></i></div></td></tr>'
    )


def _classes(
    inspection: Inspection, pictures: Mapping[Path, Callable[[str], str]]
) -> Iterator[str]:
    counts = {label.name: label for label in inspection.labels}
    if not inspection.samples:
        return
    yield '<section aria-labeledby="classes"><h2 id="classes">Classes</h2>'
    yield "<p>Pictures of each class, drawn at random: do they show what the class says?</p>"
    for name, samples in groupby(inspection.samples, key=lambda sample: sample.label):
        label, shown = counts[name], list(samples)
        more = len(label.classes) - len(shown)
        which = f"the {len(shown)} most common of " if more else ""
        yield f"<details open><summary><h3>{escape(name)}</h3> <small>{which}"
        yield f"{len(label.classes):,} classes</small></summary>"
        for sample in shown:
            yield from _class(sample, label, pictures)
        yield "</details>"
    yield "</section>"


def _class(
    sample: Sample, label: Label, pictures: Mapping[Path, Callable[[str], str]]
) -> Iterator[str]:
    count = dict(label.classes)[sample.class_]
    images = [
        pictures[file](f"{sample.class_}: {id_}")
        for id_, file in zip(sample.ids, sample.files, strict=True)
    ]
    yield f'<div class="class"><div>{escape(sample.class_)} <small class="count">{count:,}</small>'
    yield '<div class="bar" aria-hidden="true">'
    yield f'<i style="width:{count / label.classes[0][1]:.1%}"></i></div></div>'
    yield f'<div class="strip">{"".join(images)}</div></div>'


def _sizes(inspection: Inspection) -> Iterator[str]:
    quantiles = inspection.sizes.quantiles()
    if not quantiles:
        return
    yield '<section aria-labeledby="sizes"><h2 id="sizes">Sizes and shapes</h2>'
    yield '<div class="figures">'
    measures = inspection.sizes.measures
    for name, unit, marks in (
        ("megapixels", "megapixels", ()),
        ("aspect", "width : height", tuple(_ASPECTS)),
        ("file_bytes", "file size", ()),
    ):
        least, low, middle, high, most = (_value(name, each) for each in quantiles[name])
        text = (
            f"{_MEASURES[name]}: half of the pictures below {middle}, nine of ten from {low} to "
            f"{high}, the extremes {least} and {most}."
        )
        figure = histogram(
            measures[name],
            title=_MEASURES[name],
            description=text,
            unit=unit,
            ticks=_aspect if name == "aspect" else lambda value, name=name: _value(name, value),  # type: ignore[misc]  # its own name
            marks=marks,
        )
        yield f"<figure>{figure}<figcaption>{escape(text)}</figcaption></figure>"
    yield "</div>"
    yield '<div class="scroll table"><table><thead><tr><th scope="col">Measure</th>'
    for heading in ("Least", "5 %", "Median", "95 %", "Most"):
        yield f'<th scope="col" class="n">{heading}</th>'
    yield "</tr></thead><tbody>"
    for name, values in quantiles.items():
        cells = "".join(f'<td class="n">{_value(name, value)}</td>' for value in values)
        yield f'<tr><th scope="row">{_MEASURES[name]}</th>{cells}</tr>'
    yield "</tbody></table></div></section>"


def _value(name: str, value: float) -> str:
    """Write a value of a measure with its unit."""
    if name == "file_bytes":
        for unit, factor in (("MB", 1e6), ("kB", 1e3)):
            if value >= factor:
                return f"{value / factor:,.3g} {unit}" if value < 1e9 else f"{value / 1e6:,.0f} MB"
        return f"{value:,.0f} B"
    if name in ("width", "height"):
        return f"{value:,.0f}"
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _aspect(value: float) -> str:
    nearest = min(_ASPECTS, key=lambda each: abs(each - value))
    return _ASPECTS[nearest] if abs(nearest - value) < 1e-6 else f"{value:.2f}"


def _columns(columns: Sequence[Column], rows: int) -> Iterator[str]:
    if not columns:
        return
    yield '<section aria-labeledby="columns"><h2 id="columns">Columns</h2>'
    yield '<div class="scroll table"><table><thead><tr><th scope="col">Column</th>'
    yield '<th scope="col">Type</th><th scope="col" class="n">Distinct</th>'
    yield '<th scope="col" class="n">Missing</th><th scope="col"></th>'
    yield '<th scope="col">Use</th></tr></thead><tbody>'
    for column in columns:
        share = column.missing / rows
        yield (
            f'<tr><th scope="row">{escape(column.name)}</th><td>{column.type}</td>'
            f'<td class="n">{column.distinct:,}</td><td class="n">{column.missing:,}</td>'
            f'<td><div class="bar" aria-hidden="true"><i style="width:{share:.1%}"></i></div></td>'
            f'<td class="text">{escape(_use(column))}</td></tr>'
        )
    yield "</tbody></table></div></section>"


def _use(column: Column) -> str:
    if column.not_a_label is None:
        return "label"
    names = "; it names the rows" if column.names_rows and column.type is FieldType.TEXT else ""
    return f"no label: {column.not_a_label}{names}"


def _foot(inspection: Inspection) -> Iterable[str]:
    settings = inspection.settings
    yield (
        f"<footer><small>artsim {__version__} inspect, "
        f"{'with' if settings.hashes else 'without'} --hashes; folds and samples drawn with seed "
        f"{settings.seed}; tiny is below {settings.min_side:,} pixels, the cap is "
        f"{settings.max_pixels:,} pixels.</small></footer>"
    )
