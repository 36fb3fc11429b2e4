"""What is said of answers that were judged: which classes, taken for what, where and how surely."""

from __future__ import annotations

from collections.abc import Iterator

from artsim.report.bars import bar, matrix, percent, ranges, spread
from artsim.report.gallery import Pictures, mistakes
from artsim.report.pages import escape
from artsim.study.results import Coverage, Judgment

__all__ = ["corners", "judged", "surest_mistakes"]

_TOP = 5
_SURE = 0.9  # probability from which an answer counts as sure


def judged(found: Judgment) -> Iterator[str]:
    """Write which classes are told, what is taken for what, and how surely."""
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


def corners(found: Judgment) -> Iterator[str]:
    """Write where the answers are weak: the values of other columns."""
    if not found.coverage:
        return
    weak = [(each, corner) for each in found.coverage for corner in each.corners if corner.weak]
    count = sum(len(each.corners) for each in found.coverage)
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
        f" is where the interval ends below the overall {percent(found.top1.value)}. Of {count:,}"
        f" corners, about {max(1, round(count / 40)):,} would be so by chance.</p>"
    )
    for each in found.coverage:
        yield from _corners(each)


def surest_mistakes(found: Judgment, pictures: Pictures) -> Iterator[str]:
    """Show the wrong answers that were surest, beside what the index's vectors are near to."""
    if not found.mistakes:
        return
    wrong = sum(each.tested - each.right for each in found.classes)
    yield (
        f"<h3>The surest mistakes</h3><p>{len(found.mistakes):,} of {wrong:,} wrong answers on the "
        "test pictures, with their probabilities. Below each are its nearest pictures among those "
        'learned from, with rank and cosine; <span class="weak">red</span> are of the class '
        "that was told, blue of the catalogd one, whose nearest stands apart. Where the "
        "catalog errs, the mistake is not the picture's.</p>"
    )
    yield from mistakes(found.mistakes, pictures)


def _confused(found: Judgment) -> str:
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


def _sure(found: Judgment) -> str:
    high = next((each for each in found.bins if each.low >= _SURE), None)
    text = "The bar is how often it was right, the upright line how sure it said it was."
    if high is None:
        return text
    total = sum(each.count for each in found.bins)
    return (
        f"Of {high.count / total:.0%} of the test pictures it is at least {_SURE:.0%} sure, and "
        f"right {percent(high.right.value)} of those times. {text}"
    )


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
