"""The part of a study's page that is about one label."""

from __future__ import annotations

from collections.abc import Iterator

from artsim.report.bars import counts, numbers, percent
from artsim.report.figures import curve
from artsim.report.gallery import Pictures, outliers
from artsim.report.judgment import corners, judged, surest_mistakes
from artsim.report.pages import escape
from artsim.report.plane import class_maps, colored_map
from artsim.report.tables import label_tables
from artsim.report.ways import beside_grouped, in_short, split_text, way_bars
from artsim.study.results import Curve, LabelStudy, Layout

__all__ = ["label_section"]

_MAPS = 24  # classes that have a small map of their own


def label_section(
    label: LabelStudy, layout: Layout, pictures: Pictures, anchor: str
) -> Iterator[str]:
    """Write all about a label.

    Args:
        label: What was found.
        layout: The map of the vectors.
        pictures: The small copies.
        anchor: The section's id.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    tables = {table.name: table for table in label_tables(label)}

    def behind(*names: str) -> Iterator[str]:
        found = [tables[name] for name in names if name in tables]
        if found:
            yield from numbers(found)

    yield f'<section aria-labeledby="{anchor}"><h2 id="{anchor}">{escape(label.name)}</h2>'
    yield f"<p>{in_short(label)}</p>"
    yield f'<p class="soft"><small>{split_text(label.split)}</small></p>'
    yield from way_bars(label)
    if label.grouped is not None:
        yield from beside_grouped(label, label.grouped)
    yield from behind("scores", "splits")
    yield "<h3>What was chosen, on validation pictures</h3>"
    yield '<div class="figures">'
    for each in label.curves:
        yield _curve(label, each)
    yield "</div>"
    yield from behind("curves")
    if label.counts:
        yield f"<h3>Pictures of each class</h3><p>{_balance(label)}</p>"
        yield from counts(label.counts)
    if label.judgment is not None:
        yield from judged(label.judgment)
        yield from behind("classes", "confusions", "calibration")
        yield from corners(label.judgment)
        yield from behind("coverage")
        yield from surest_mistakes(label.judgment, pictures)
        yield from behind("mistakes")
    if label.outliers is not None and label.outliers.works:
        found = label.outliers
        yield "<h3>Works that do not fit their label</h3>"
        yield (
            f"<p>Of all {found.asked:,} labeled pictures, told by probes that learned from the "
            f"other {found.folds - 1} of {found.folds} folds. <b>{found.unlike:,}</b> are given "
            f"less than 5% for their label and share it with none of their {found.neighbors} "
            "nearest. A wrong label, an unusual work, or something the network does not see: only "
            "a look can tell.</p>"
        )
        yield from outliers(found.works, pictures)
        yield from behind("outliers")
    yield from _retrieved(label)
    yield from behind("retrieval")
    if label.name in layout.classes:
        yield from _maps(label, layout, anchor)
    yield "</section>"


def _curve(label: LabelStudy, found: Curve) -> str:
    """Draw how the validation score depends on a setting."""
    names = {"k": "Neighbors", "C": "Probe: inverse penalty C", "alpha": "Probe: penalty"}
    title = f"{label.name}: {names[found.setting]}"

    def write(value: float) -> str:
        return f"{value:.3g}" if label.metric == "MAE" else f"{value:.1%}"

    at = min(range(len(found.values)), key=lambda i: abs(found.values[i] - found.chosen))
    best, worst = write(found.scores[at]), write(min(found.scores, key=lambda s: s))
    text = (
        f"{names[found.setting]}: {_setting(found.chosen)} is chosen, with {best} on "
        f"{label.split.validation:,} validation pictures; the least of all settings is {worst}."
    )
    figure = curve(
        found.values,
        found.scores,
        found.chosen,
        title=title,
        description=text,
        unit=names[found.setting],
        ticks=write,
    )
    return f"<figure>{figure}<figcaption>{escape(text)}</figcaption></figure>"


def _setting(value: float) -> str:
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.3g}"


def _balance(label: LabelStudy) -> str:
    sizes = list(label.counts.values())
    return (
        f"{len(sizes):,} classes over {label.labeled:,} pictures: from {sizes[0]:,} of "
        f"{escape(next(iter(label.counts)))} to {sizes[-1]:,} of {escape(list(label.counts)[-1])}."
    )


def _retrieved(label: LabelStudy) -> Iterator[str]:
    found = label.retrieved
    if found is None:
        return
    scores = found.scores
    yield "<h3>Asked for more of the same</h3>"
    text = (
        f"Each of {found.queries:,} pictures asks all others, without any split, as nothing is "
        f"learned: the first is of the same {escape(label.name)} {percent(scores['P@1'])} of the "
        "time"
    )
    if "P@10" in scores:
        text += f", of the first ten {percent(scores['P@10'])} are"
    text += f"; mAP@R is {scores['mAP@R']:.3f}."
    if found.told_apart is not None:
        middle = len(found.quantiles) // 2
        text += (
            f" Two pictures of one class are more alike than two of different ones "
            f"{percent(found.told_apart)} of the time (half would be chance); their cosines have "
            f"the medians {found.true_pairs[middle]:.2f} and {found.other_pairs[middle]:.2f}."
        )
    yield f"<p>{text}</p>"


def _maps(label: LabelStudy, layout: Layout, anchor: str) -> Iterator[str]:
    drawn = len(layout.rows)
    text = (
        f"{drawn:,} pictures on {layout.method}. Pictures of one {label.name} that lie together "
        "are alike to the network"
    )
    if label.retrieved is not None:
        text += f"; the nearest picture is of the same {percent(label.retrieved.scores['P@1'])} "
        text += "of the time"
    yield f"<h3>A map of the vectors</h3><p>{escape(text)}.</p>"
    yield '<figure class="plane">'
    yield from colored_map(layout, label.name, text)
    yield "</figure>"
    more = len(label.counts) - _MAPS
    yield from class_maps(layout, label.name, f"{anchor}-dots", _MAPS)
    if more > 0:
        yield f'<p class="soft">and {more:,} more classes</p>'
