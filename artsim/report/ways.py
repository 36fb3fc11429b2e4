"""How well each way tells a label, on which split, and what the split has to do with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from artsim.report.bars import bar, spread
from artsim.report.pages import escape
from artsim.study.results import Estimate, Grouped, LabelStudy, SplitFacts, Way

__all__ = [
    "METRICS",
    "beside_grouped",
    "draw_ways",
    "in_short",
    "score_lines",
    "split_text",
    "way_bars",
]

METRICS = {
    "top1": "share of test pictures told right",
    "mAP": "mean average precision over the classes",
    "MAE": "mean absolute error, less is better",
}
_BASES = {
    "top1": "always naming the most common class",
    "mAP": "scores drawn at random",
    "MAE": "always naming the median",
}


def in_short(label: LabelStudy) -> str:
    """Say in HTML how well a label is told, and by what."""
    probe, base = label.way("probe"), label.ways[0]
    metadata = escape(", ".join(label.metadata))
    said = (
        f"A linear probe gets <b>{score_text(label, probe)}</b> on {label.split.test:,} test "
        f"pictures ({METRICS[label.metric]}); the {label.k} nearest neighbors get "
        f"{score_text(label, label.way('kNN'))}, {metadata} alone "
        f"{score_text(label, label.way('metadata only'))}, and {_BASES[label.metric]} "
        f"{score_text(label, base.estimate)}."
    )
    grouped = label.grouped
    if grouped is not None and grouped.split is not None:
        again = next(way.estimate for way in grouped.ways if way.name == "probe")
        said += (
            f" Where no {escape(grouped.group)} is on both sides, the probe gets "
            f"<b>{score_text(label, again)}</b> on {grouped.split.test:,} test pictures."
        )
    return said


def score_text(label: LabelStudy, estimate: Estimate) -> str:
    """Write a score of a label, with its interval."""
    if label.metric != "MAE":
        return spread(estimate)
    text = f"{estimate.value:.3g}"
    if math.isnan(estimate.low):
        return text
    return f"{text} ({estimate.low:.3g}\N{EN DASH}{estimate.high:.3g})"


def score_lines(label: LabelStudy, estimate: Estimate) -> str:
    """Write a score of a label in HTML, with its interval below it."""
    score, _, interval = score_text(label, estimate).partition(" ")
    return f"{score}<br><small>{interval}</small>" if interval else score


def split_text(split: SplitFacts) -> str:
    """Say in HTML who judges, and what is shared with those learned from."""
    shared = {"file": "the same file", "picture": "a look-alike"}
    leaks = " and ".join(
        f"{count:,} {'has' if count == 1 else 'have'} {shared[kind]}"
        for kind, count in split.leaks.items()
    )
    said = (
        f"{escape(split.way)}: {split.train:,} pictures learned from, {split.validation:,} to "
        f"choose by, {split.test:,} test pictures, asked once. Of these {leaks} among the others."
    )
    if split.unhashed:
        said += f" {split.unhashed:,} pictures could not be compared by their looks."
    return said + "".join(f" {escape(note)}." for note in split.notes)


def way_bars(label: LabelStudy) -> Iterator[str]:
    """Draw how well each way does, where a score is a share."""
    if label.metric != "MAE":  # an error has no end that a bar could have
        yield from draw_ways(label.ways, metadata=label.metadata, k=label.k)


def draw_ways(ways: Sequence[Way], *, metadata: Sequence[str], k: int) -> Iterator[str]:
    """Draw how well each way does.

    Args:
        ways: Each with a share.
        metadata: Columns that one of them knows alone.
        k: Neighbors that another asks.
    """
    hints = {
        "majority": "always the most common class",
        "chance": "random scores",
        "metadata only": ", ".join(metadata),
        "1-NN": "the nearest picture",
        "kNN": f"the {k} nearest pictures",
        "probe": "a line through the vectors",
    }
    yield '<div class="bars wide">'
    for way in ways:
        hint = f"<small>{escape(hints[way.name])}</small>" if way.name in hints else ""
        yield (
            f"<div><span>{escape(way.name)}{hint}</span>{bar(way.estimate)}"
            f"<span>{spread(way.estimate)}</span></div>"
        )
    yield "</div>"


def beside_grouped(label: LabelStudy, grouped: Grouped) -> Iterator[str]:
    """Set the ordinary split beside the grouped one, and say what the difference means."""
    group = escape(grouped.group)
    yield f"<h3>With no {group} on both sides</h3>"
    if grouped.split is None:
        yield f"<p>There can be no such split: {escape(grouped.reason or '')}.</p>"
        return
    yield '<div class="scroll"><table><thead><tr><th scope="col">Told by</th>'
    yield '<th scope="col" class="n">ordinary split</th>'
    yield f'<th scope="col" class="n">no {group} on both sides</th></tr></thead><tbody>'
    again = {way.name: way.estimate for way in grouped.ways}
    for way in label.ways:
        if way.name not in again:
            continue
        yield (
            f'<tr><th scope="row">{escape(way.name)}</th>'
            f'<td class="n">{score_lines(label, way.estimate)}</td>'
            f'<td class="n">{score_lines(label, again[way.name])}</td></tr>'
        )
    yield "</tbody></table></div>"
    yield f"<p>{_explained(label, grouped, again['probe'])}</p>"
    yield f'<p class="soft"><small>{split_text(grouped.split)}</small></p>'


def _explained(label: LabelStudy, grouped: Grouped, again: Estimate) -> str:
    """Say what the difference between the splits means."""
    group, name = escape(grouped.group), escape(label.name)
    said = (
        f"On the ordinary split the {group} of {grouped.known:,} of the {label.split.test:,} test "
        "pictures was learned from"
    )
    if grouped.tied is not None:
        said += f", and {grouped.tied:.0%} of all pictures have the usual {name} of their {group}"
    said += f": whoever recognizes the {group} knows much of the {name}. The right-hand column is "
    said += f"what is known of the {name} where the {group} was never seen. "
    if label.metric == "MAE":
        return said
    probe = label.way("probe")
    points = f"{100 * abs(probe.value - again.value):.1f} points"
    if again.high < probe.low:
        return said + (
            f"The probe loses {points} there, more than chance explains: that much of its score it "
            f"owes to having seen the same {group}."
        )
    way = "loses" if again.value < probe.value else "gains"
    return said + (
        f"The probe {way} {points} there and the intervals overlap: its score owes little to "
        f"having seen the same {group}."
    )
