"""The part of a study's page that is about one label."""

from __future__ import annotations

from collections.abc import Iterator

from artsim.report.bars import bar, counts, matrix, numbers, percent, ranges, spread
from artsim.report.figures import curve
from artsim.report.gallery import Pictures, mistakes, outliers
from artsim.report.pages import escape
from artsim.report.plane import class_maps, coloured_map
from artsim.report.tables import label_tables
from artsim.report.ways import beside_grouped, in_short, split_text, way_bars
from artsim.study.results import (
    Coverage,
    Curve,
    Judgement,
    LabelStudy,
    Layout,
)

__all__ = ["label_section"]

_MAPS = 24  # classes that have a small map of their own
_TOP = 5
_SURE = 0.9  # probability from which an answer counts as sure


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

    yield f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{escape(label.name)}</h2>'
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
    if label.judgement is not None:
        yield from _judged(label, label.judgement)
        yield from behind("classes", "confusions", "calibration")
        yield from _coverage(label.judgement)
        yield from behind("coverage")
        yield from _mistakes(label, label.judgement, pictures)
        yield from behind("mistakes")
    if label.outliers is not None and label.outliers.works:
        found = label.outliers
        yield "<h3>Works that do not fit their label</h3>"
        yield (
            f"<p>Of all {found.asked:,} labelled pictures, told by probes that learnt from the "
            f"other {found.folds - 1} of {found.folds} folds. <b>{found.unlike:,}</b> are given "
            f"less than 5% for their label and share it with none of their {found.neighbours} "
            "nearest. A wrong label, an unusual work, or something the network does not see: only "
            "a look can tell.</p>"
        )
        yield from outliers(label, pictures)
        yield from behind("outliers")
    yield from _retrieved(label)
    yield from behind("retrieval")
    if label.name in layout.classes:
        yield from _maps(label, layout, anchor)
    yield "</section>"


def _curve(label: LabelStudy, found: Curve) -> str:
    """Draw how the validation score depends on a setting."""
    names = {"k": "Neighbours", "C": "Probe: inverse penalty C", "alpha": "Probe: penalty"}
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
        f"{len(sizes):,} classes over {label.labelled:,} pictures: from {sizes[0]:,} of "
        f"{escape(next(iter(label.counts)))} to {sizes[-1]:,} of {escape(list(label.counts)[-1])}."
    )


def _judged(label: LabelStudy, found: Judgement) -> Iterator[str]:
    top5 = f"The right class is among the five likeliest {percent(found.top5)} of the time. "
    yield (
        f"<h3>Which classes are told</h3><p>By {escape(found.source)}, on the test pictures. "
        f"{top5 if len(found.classes) > _TOP else ''}Balanced accuracy is "
        f"{percent(found.balanced_accuracy)}, macro F1 {found.macro_f1:.3f}, Cohen's kappa "
        f"{found.kappa:.3f}. The lines are 95% Wilson intervals.</p>"
    )
    yield from ranges(found.classes)
    yield "<h3>What is taken for what</h3>"
    yield f"<p>{_confused(found)}</p>"
    yield from matrix(found.confusions, sorted(score.class_ for score in found.classes))
    yield f"<h3>How sure it is, and how often right</h3><p>{_sure(found)}</p>"
    yield '<div class="bars wide">'
    for each in found.bins:
        yield (
            f"<div><span>{each.low:.0%} to {each.high:.0%} sure<small>{each.count:,} pictures, "
            f"{percent(each.confidence)} on average</small></span>"
            f"{bar(each.right, mark=each.confidence)}<span>{spread(each.right)}</span></div>"
        )
    yield "</div>"


def _confused(found: Judgement) -> str:
    wrong = [each for each in found.confusions if each.truth != each.predicted]
    if not wrong:
        return "Nothing is taken for anything else."
    tested = {score.class_: score.tested for score in found.classes}
    most = sorted(wrong, key=lambda each: (-each.count, each.truth, each.predicted))[:3]
    parts = [
        f"{escape(each.truth)} for {escape(each.predicted)} ({each.count:,} of "
        f"{tested[each.truth]:,})"
        for each in most
    ]
    return f"Most often {'; '.join(parts)}."


def _sure(found: Judgement) -> str:
    high = next((each for each in found.bins if each.low >= _SURE), None)
    text = "The bar is how often it was right, the upright line how sure it said it was."
    if high is None:
        return text
    total = sum(each.count for each in found.bins)
    return (
        f"Of {high.count / total:.0%} of the test pictures it is at least {_SURE:.0%} sure, and "
        f"right {percent(high.right.value)} of those times. {text}"
    )


def _coverage(found: Judgement) -> Iterator[str]:
    if not found.coverage:
        return
    weak = [(each, corner) for each in found.coverage for corner in each.corners if corner.weak]
    corners = sum(len(each.corners) for each in found.coverage)
    yield "<h3>Where it is weak</h3><p>Test pictures by the values of other columns. "
    if weak:
        named = "; ".join(
            f"{escape(each.column)} {escape(corner.value)} ({percent(corner.right.value)} of "
            f"{corner.count:,})"
            for each, corner in sorted(weak, key=lambda pair: pair[1].right.value)[:4]
        )
        yield f"Weakest: {named}. "
    else:
        yield "No corner is weaker than chance explains. "
    yield (
        f"The upright line is what to expect from the classes found there; <b class='weak'>weak</b>"
        f" is where the interval ends below the overall {percent(found.top1.value)}. Of {corners:,}"
        f" corners, about {max(1, round(corners / 40)):,} would be so by chance.</p>"
    )
    for each in found.coverage:
        yield from _corners(each)


def _corners(found: Coverage) -> Iterator[str]:
    weak = sum(corner.weak for corner in found.corners)
    note = f"{len(found.corners):,} values, {weak:,} weak"
    yield f"<details{' open' if weak else ''}><summary><b>{escape(found.column)}</b> "
    yield f'<small>{note}</small></summary><div class="bars wide">'
    for corner in found.corners:
        flag = '<small class="weak">weak</small>' if corner.weak else ""
        yield (
            f"<div><span>{escape(corner.value)}<small>{corner.count:,} pictures</small>{flag}"
            f"</span>{bar(corner.right, mark=corner.expected)}"
            f"<span>{spread(corner.right)}</span></div>"
        )
    yield "</div></details>"


def _mistakes(label: LabelStudy, found: Judgement, pictures: Pictures) -> Iterator[str]:
    if not found.mistakes:
        return
    wrong = label.split.test - sum(each.right for each in found.classes)
    yield (
        f"<h3>The surest mistakes</h3><p>{len(found.mistakes):,} of {wrong:,} wrong answers on the "
        "test pictures, with calibrated probabilities. Below each are its nearest pictures among "
        'those learnt from, with rank and cosine; <span class="weak">red</span> are of the class '
        "that was told, blue of the catalogued one, whose nearest stands apart. Where the "
        "catalogue errs, the mistake is not the picture's.</p>"
    )
    yield from mistakes(label, pictures)


def _retrieved(label: LabelStudy) -> Iterator[str]:
    found = label.retrieved
    if found is None:
        return
    scores = found.scores
    yield "<h3>Asked for more of the same</h3>"
    text = (
        f"Each of {found.queries:,} pictures asks all others, without any split, as nothing is "
        f"learnt: the first is of the same {escape(label.name)} {percent(scores['P@1'])} of the "
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
    yield from coloured_map(layout, label.name, text)
    yield "</figure>"
    more = len(label.counts) - _MAPS
    yield from class_maps(layout, label.name, f"{anchor}-dots", _MAPS)
    if more > 0:
        yield f'<p class="soft">and {more:,} more classes</p>'
