"""Shares of a page in words, bars and cells: what can be read out, restyled and copied as text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from artsim.report.pages import escape
from artsim.report.tables import Table, cell
from artsim.study.results import ClassScore, Confusion, Estimate

__all__ = [
    "MATRIX",
    "STYLE",
    "bar",
    "counts",
    "matrix",
    "numbers",
    "percent",
    "ranges",
    "spread",
]

MATRIX = 30  # classes of which every pair is shown
_PAIRS = 25  # of classes that are confused, listed where there are more
_SHOWN = 24  # bars that are seen at once

STYLE = """
.bars { display: grid; gap: 0; }
.bars > div { display: grid; gap: .1rem .9rem; align-items: center; padding: .34rem 0;
  grid-template-columns: minmax(7rem, 14rem) minmax(4rem, 1fr) var(--said, 6rem);
  font-size: .92rem; border-top: 1px solid var(--line); }
.bars.wide > div { --said: 10.4rem; }
.bars.many { display: block; columns: 27rem; column-gap: 2.5rem; }
.bars.many > div { break-inside: avoid; }
.bars > div > :last-child { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.bars small { display: block; line-height: 1.25; }
.spread { position: relative; height: .62rem; border-radius: .3rem; background: var(--track); }
.spread i { position: absolute; inset: 0 auto 0 0; background: var(--accent); opacity: .8;
  border-radius: .3rem 0 0 .3rem; }
.spread u { position: absolute; top: calc(50% - 1px); height: 2px; background: var(--ink); }
.spread u::before, .spread u::after { content: ""; position: absolute; top: -3px; height: 8px;
  width: 1.5px; background: var(--ink); } .spread u::after { right: 0; }
.spread b { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--note); }
.weak { color: var(--lost); font-weight: 600; }
.heat { border-collapse: separate; border-spacing: 1px; width: auto; font-size: .8rem; }
.heat th, .heat td { padding: .16rem .3rem; border: 0; vertical-align: middle; }
.heat td { text-align: center; min-width: 1.75rem; height: 1.65rem; border-radius: .15rem;
  background: color-mix(in srgb, var(--accent) calc(var(--s) * 100%), var(--track));
  font-variant-numeric: tabular-nums; }
.heat td.much { color: var(--paper); } .heat td.own { outline: 1px solid var(--ink); }
.heat tbody th { position: sticky; left: 0; background: var(--paper); z-index: 1;
  white-space: nowrap; max-width: 12.5rem; overflow: hidden; text-overflow: ellipsis; }
.heat thead th { text-align: center; font-variant-numeric: tabular-nums; }
@media (max-width: 36rem) {
  .bars > div { grid-template-columns: 1fr auto; }
  .bars > div > .spread { grid-column: 1 / -1; grid-row: 2; }
  .heat tbody th { max-width: 8rem; }
}
"""


def percent(share: float) -> str:
    """Write a share: 68.4%."""
    return "" if math.isnan(share) else f"{share:.1%}"


def spread(estimate: Estimate) -> str:
    """Write a share with its interval: 68.4% (64.0-72.5)."""
    if math.isnan(estimate.low):
        return percent(estimate.value)
    return f"{estimate.value:.1%} ({100 * estimate.low:.1f}\N{EN DASH}{100 * estimate.high:.1f})"


def bar(estimate: Estimate, *, mark: float | None = None) -> str:
    """Draw a share as a bar with its interval; its numbers are to be written beside it.

    Args:
        estimate: The share.
        mark: Another share to compare it with.
    """
    inside = f'<i style="width:{estimate.value:.1%}"></i>'
    if not math.isnan(estimate.low):
        width = estimate.high - estimate.low
        inside += f'<u style="left:{estimate.low:.1%};width:{width:.1%}"></u>'
    if mark is not None:
        inside += f'<b style="left:calc({mark:.1%} - 1px)"></b>'
    return f'<div class="spread" aria-hidden="true">{inside}</div>'


def ranges(scores: Sequence[ClassScore]) -> Iterator[str]:
    """Draw the recall of each class that was tested, the lowest first, long lists folded."""
    tested = sorted(
        ((score.recall, score) for score in scores if score.recall is not None),
        key=lambda pair: (pair[0].value, pair[1].class_),
    )
    rows = [
        f"<div><span>{escape(score.class_)}{_taken(score)}</span>{bar(recall)}"
        f"<span>{percent(recall.value)}<small>{score.right:,} of {score.tested:,}</small></span>"
        "</div>"
        for recall, score in tested
    ]
    yield from _folded(rows, "classes")


def counts(classes: Mapping[str, int]) -> Iterator[str]:
    """Draw how many pictures each class has, long lists folded."""
    most = max(classes.values())
    rows = [
        f'<div><span>{escape(name)}</span><div class="spread" aria-hidden="true">'
        f'<i style="width:{count / most:.1%}"></i></div><span>{count:,}</span></div>'
        for name, count in classes.items()
    ]
    yield from _folded(rows, "classes")


def matrix(confusions: Sequence[Confusion], classes: Sequence[str]) -> Iterator[str]:
    """Draw the confusion matrix as a table of shaded counts, or list the pairs of too many classes.

    Args:
        confusions: Every pair that occurs.
        classes: In the order of the rows.
    """
    if len(classes) > MATRIX:
        yield from _pairs(confusions)
        return
    count = {(each.truth, each.predicted): each.count for each in confusions}
    total = Counter[str]()
    for each in confusions:
        total[each.truth] += each.count
    yield '<p class="soft"><small>Rows: what it is. Columns, by number: what it is taken for. '
    yield "A cell is darker the larger its share of the row.</small></p>"
    yield '<div class="scroll"><table class="heat">'
    yield '<thead><tr><th scope="col"></th>'
    for number, name in enumerate(classes, start=1):
        yield f'<th scope="col" title="{escape(name)}" aria-label="{escape(name)}">{number}</th>'
    yield "</tr></thead><tbody>"
    for number, truth in enumerate(classes, start=1):
        yield f'<tr><th scope="row">{number} {escape(truth)}</th>'
        for predicted in classes:
            n = count.get((truth, predicted), 0)
            share = n / total[truth] if total[truth] else 0.0
            kind = ("own " if truth == predicted else "") + ("much" if share > 0.55 else "")
            said = f"{truth}, taken for {predicted}: {n:,} of {total[truth]:,}"
            yield (
                f'<td class="{kind.strip()}" style="--s:{share:.2f}" title="{escape(said)}">'
                f"{n or ''}</td>"
            )
        yield "</tr>"
    yield "</tbody></table></div>"


def numbers(tables: Iterable[Table], summary: str = "The numbers") -> Iterator[str]:
    """Fold tables away behind a figure; the first column, the label, is known from where it is."""
    yield f"<details><summary>{escape(summary)}</summary>"
    for table in tables:
        columns = table.columns[1:]
        numeric = [
            all(isinstance(row[i], int | float | None) for row in table.rows)
            for i in range(1, len(table.columns))
        ]
        yield f'<div class="scroll table"><table><caption>{escape(table.title)}</caption>'
        yield "<thead><tr>"
        for name, right in zip(columns, numeric, strict=True):
            yield f'<th scope="col"{_right(right)}>{escape(name)}</th>'
        yield "</tr></thead><tbody>"
        for row in table.rows:
            cells = zip(row[1:], numeric, strict=True)
            yield "<tr>"
            yield "".join(
                f"<td{_right(right)}>{escape(cell(value))}</td>" for value, right in cells
            )
            yield "</tr>"
        yield "</tbody></table></div>"
    yield "</details>"


def _right(right: bool) -> str:
    return ' class="n"' if right else ""


def _taken(score: ClassScore) -> str:
    if score.taken_for is None:
        return ""
    return f"<small>{score.times:,} taken for {escape(score.taken_for)}</small>"


def _folded(rows: Sequence[str], what: str) -> Iterator[str]:
    """Show rows, of many the first and the last, and the others on demand."""
    if len(rows) <= _SHOWN:
        yield f'<div class="bars many">{"".join(rows)}</div>'
        return
    half = _SHOWN // 2
    yield f'<div class="bars many">{"".join(rows[:half])}</div>'
    yield f"<details><summary>{len(rows) - _SHOWN:,} more {what}</summary>"
    yield f'<div class="bars many">{"".join(rows[half:-half])}</div></details>'
    yield f'<div class="bars many">{"".join(rows[-half:])}</div>'


def _pairs(confusions: Sequence[Confusion]) -> Iterator[str]:
    wrong = [each for each in confusions if each.truth != each.predicted]
    wrong = sorted(wrong, key=lambda each: (-each.count, each.truth, each.predicted))[:_PAIRS]
    yield '<div class="scroll table"><table><caption>The pairs that are confused most</caption>'
    yield '<thead><tr><th scope="col">It is</th><th scope="col">taken for</th>'
    yield '<th scope="col" class="n">test pictures</th></tr></thead><tbody>'
    for each in wrong:
        yield (
            f'<tr><th scope="row">{escape(each.truth)}</th><td>{escape(each.predicted)}</td>'
            f'<td class="n">{each.count:,}</td></tr>'
        )
    yield "</tbody></table></div>"
