"""The page about an answer: what was asked, what was found, and how to cite and repeat it.

One file of HTML with small copies of the pictures in it; nothing is fetched and nothing is run.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence

from artsim.datatypes import Passport
from artsim.errors import ImageError
from artsim.report.answers import Found, Label, Report, Shown, Why, as_text, file_of, is_address
from artsim.report.heat import legend, overlay
from artsim.report.pages import embed, escape, page, thumbnail
from artsim.report.pictures import small_copy

__all__ = ["matches_page"]

_SIDE = 360  # pixels of the longer side of a picture: 20 to 40 KB as a JPEG
_SMALL_SIDE = 176  # of those that say why
_SHOWN_CHARACTERS = 300  # of a value of the record

_STYLE = """
.asked { display: grid; gap: 1.4rem; margin: 1.6rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
.matches { display: grid; gap: 2rem 1.6rem; margin: 1.4rem 0; padding: 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.matches li { min-width: 0; }
.work img { max-width: 100%; max-height: 24rem; width: auto; height: auto; display: block;
  border: 1px solid var(--line); }
.work .gone { display: grid; place-items: center; width: 100%; height: 9rem; padding: 1rem; }
.work h3 { margin: .6rem 0 .1rem; } .work p { margin: 0; }
.why { display: flex; gap: .5rem; margin-top: .5rem; flex-wrap: wrap; }
.why figure { flex: 0 1 auto; min-width: 0; } .why img { max-height: 11rem; max-width: 100%; }
.why figcaption { font-size: .78rem; }
.scale { display: flex; gap: .6rem; align-items: center; font-size: .86rem; }
.scale img { width: 9rem; height: .8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: .4rem 0;
  font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--track); padding: .7rem 1rem;
  border-radius: .4rem; font-size: .88rem; }
a { color: var(--accent); }
@media print {
  .matches { grid-template-columns: repeat(3, 1fr); gap: 1rem; }
  .matches li { break-inside: avoid; }
  .work img { max-height: 6cm; } details:not([open]) { display: none; }
  .work a[href]::after { content: " <" attr(href) ">"; font-size: .8em; }
}
"""


def matches_page(report: Report) -> str:
    """Write the page."""
    return page(
        f"Like {report.name}",
        [*_head(report), *_asked(report), *_found(report), *_how(report)],
        style=_STYLE,
    )


def _head(report: Report) -> Iterator[str]:
    count = len(report.matches)
    yield f'<header><h1 dir="auto">Like {escape(report.name)}</h1>'
    yield (
        f'<p class="soft">{count} {"match" if count == 1 else "matches"} among '
        f"{report.rows:,} pictures, by {escape(report.by)}; asked on "
        f'<time datetime="{escape(report.date)}">{escape(report.date)}</time>.</p></header>'
    )


def _asked(report: Report) -> Iterator[str]:
    yield '<section aria-labeledby="asked"><h2 id="asked">Asked by</h2><div class="asked">'
    for query in report.queries:
        title = query.label.title or query.name
        yield f'<article class="work">{"".join(_work(query, title))}</article>'
    yield "</div></section>"


def _found(report: Report) -> Iterator[str]:
    yield '<section aria-labeledby="found"><h2 id="found">Found</h2>'
    if not report.matches:
        yield "<p>Nothing is like it.</p>"
    if any(match.why for match in report.matches):
        yield from _legend()
    yield '<ol class="matches">'
    for match in report.matches:
        title = match.label.title or match.name
        yield f'<li><article class="work">{"".join(_work(match, f"{match.rank}. {title}"))}'
        yield "</article></li>"
    yield "</ol></section>"


def _legend() -> Iterator[str]:
    out = io.BytesIO()
    legend(288, 12).save(out, "PNG")
    data = base64.b64encode(out.getvalue()).decode("ascii")
    yield (
        "<p>The small pictures show what made each match: how much every region gave of the "
        "score. Regions in pale gray were not seen by the network.</p>"
        f'<p class="scale"><span>nothing</span><img src="data:image/png;base64,{data}" alt="from '
        'dark blue to yellow"><span>the most</span></p>'
    )


def _work(shown: Shown, heading: str) -> Iterator[str]:
    label = shown.label
    yield _picture(shown)
    if isinstance(shown, Found) and shown.why:
        yield f'<div class="why">{"".join(map(_why, shown.why))}</div>'
    yield f'<h3 dir="auto">{escape(heading)}</h3>'
    if isinstance(shown, Found):
        yield f'<p class="n" style="text-align:left">{escape(shown.figures)}</p>'
    described = " · ".join(part for part in (label.artist, label.date) if part)
    if described:
        yield f'<p dir="auto">{escape(described)}</p>'
    yield "<dl>"
    for name, value in _citation(shown, label):
        yield f'<dt>{name}</dt><dd dir="auto">{value}</dd>'
    yield "</dl>"
    yield from _record(shown)


def _citation(shown: Shown, label: Label) -> Iterator[tuple[str, str]]:
    if isinstance(shown, Found) or label.title:
        yield "Id", escape(shown.name)
    for name, text in (
        ("Accession number", label.accession),
        ("Credit line", label.credit),
        ("Rights", label.rights),
    ):
        if text:
            yield name, _link(text) if is_address(text) else escape(text)
    if label.link:
        yield "Object page", _link(label.link)
    if shown.image is not None and is_address(shown.image):
        yield "Picture", _link(shown.image)


def _link(address: str) -> str:
    return f'<a href="{escape(address)}" rel="noopener noreferrer">{escape(address)}</a>'


def _record(shown: Shown) -> Iterator[str]:
    """Fold away all that is known of a work."""
    known = [(name, as_text(value)) for name, value in shown.metadata.items()]
    known = [(name, text) for name, text in known if text]
    if not known:
        return
    yield "<details><summary>All that is known</summary><dl>"
    for name, text in known:
        cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
        yield f'<dt>{escape(name)}</dt><dd dir="auto">{escape(cut)}</dd>'
    yield "</dl></details>"


def _picture(shown: Shown) -> str:
    alt = ", ".join(shown.label.caption) or shown.name
    file = file_of(shown.image)
    if file is not None:
        return thumbnail(file, alt, _SIDE, shown.box)
    where = "the picture is on the web" if shown.image else "no picture"
    return f'<span class="gone">{escape(alt)}: {where}</span>'


def _why(why: Why) -> str:
    try:
        picture = overlay(small_copy(why.image, _SMALL_SIDE), why.heat)
    except ImageError:
        return ""  # the picture above says so
    alt = f"What of {why.name} made the match"
    return f"<figure>{embed(picture, alt)}<figcaption>in {escape(why.name)}</figcaption></figure>"


def _how(report: Report) -> Iterator[str]:
    yield '<section aria-labeledby="how"><h2 id="how">How it was found</h2>'
    yield f"<p>With artsim {escape(report.version)} on {escape(report.date)}, by the command</p>"
    yield f"<pre><code>{escape(report.command)}</code></pre><dl>"
    for name, value in (
        ("Index", f"{report.index} ({report.rows:,} pictures)"),
        ("Compared by", report.by),
        *_passport(report.passport),
    ):
        yield f"<dt>{name}</dt><dd>{escape(value)}</dd>"
    yield "</dl></section>"


def _passport(passport: Passport) -> Sequence[tuple[str, str]]:
    prepared = passport.preprocessing
    height, width = prepared.size
    taps = "; ".join(
        f"{tap.name}: layer {tap.layer or 'output'}, pooling {tap.pooling}, {tap.dim} numbers"
        for tap in passport.taps
    )
    return (
        ("Model", passport.spec),
        ("Weights", passport.weights_source),
        ("Weights, sha256", passport.weights_sha256),
        ("Taps", taps),
        (
            "Preprocessing",
            f"{prepared.color}, {prepared.interpolation} to {prepared.scale[1]} x "
            f"{prepared.scale[0]}, fit {prepared.fit}, seen {width} x {height} pixels, mean "
            f"{_numbers(prepared.mean)}, std {_numbers(prepared.std)}",
        ),
        ("Computed by", f"{passport.backend} in {passport.compute_dtype}"),
        ("Versions", ", ".join(f"{name} {v}" for name, v in passport.versions.items())),
    )


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
