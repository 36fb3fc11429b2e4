"""The page about an answer: query, results, and how to cite and repeat the search."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from artsim.datatypes import Passport, as_text
from artsim.errors import ImageError
from artsim.report.captions import Caption, file_of, is_url
from artsim.report.citation import Citation, detail_of, match_figures, name_of
from artsim.report.heat import legend, overlay
from artsim.report.pages import render
from artsim.report.thumbnails import Thumbnail, data_url, embedded, small_copy, thumbnail
from artsim.search import Match, Query

if TYPE_CHECKING:
    from artsim.explain import Regions

_SIDE = 360  # pixels of the longer side of a picture: 20 to 40 KB as a JPEG
_SET_SIDE = 480  # of one of a set
_SMALL_SIDE = 176  # of those with regions


def matches_page(cited: Citation) -> str:
    """Write the page: one HTML file with small copies of the pictures."""
    answer = cited.answer
    regions = cited.regions or [()] * len(answer.matches)
    return render(
        "matches.html",
        cited=cited,
        answer=answer,
        queries=[_shown(query) for query in answer.queries],
        matches=[_shown(match, own) for match, own in zip(answer.matches, regions, strict=True)],
        scale=data_url(legend(288, 12)) if any(regions) else None,
        facts=[
            ("Index", f"{cited.index} ({cited.rows:,} pictures)"),
            ("Compared by", answer.by),
            *_passport(cited.passport),
            ("Made with", f"artsim {cited.version} on {cited.date}"),
        ],
        is_url=is_url,
    )


def set_page(
    name: str, works: Sequence[Query], *, index: str, about: str = "", figures: Sequence[str] = ()
) -> str:
    """Write the page about a set of works of an index, with small copies of the pictures.

    ``about`` says in a sentence what the works have in common, ``figures`` something of each.
    """
    shown = [_shown(work, side=_SET_SIDE) for work in works]
    if figures:
        shown = [work | {"figures": said} for work, said in zip(shown, figures, strict=True)]
    return render(
        "set.html",
        name=name,
        index=index,
        about=about,
        works=shown,
        date=datetime.datetime.now().astimezone().date().isoformat(),
        is_url=is_url,
    )


def _shown(
    shown: Match | Query, regions: Sequence[Regions] = (), side: int = _SIDE
) -> dict[str, Any]:
    file = file_of(shown.image)
    known = ((name, as_text(value)) for name, value in shown.metadata.items())
    return {
        "name": name_of(shown),
        "caption": Caption.of(shown.metadata),
        "thumbnail": None if file is None else thumbnail(file, side, detail_of(shown)),
        "address": shown.image if file is None else None,
        "rank": shown.rank if isinstance(shown, Match) else None,
        "figures": match_figures(shown) if isinstance(shown, Match) else None,
        "regions": list(_heated(regions)),
        "record": [(name, text) for name, text in known if text],
    }


def _heated(regions: Sequence[Regions]) -> Iterator[tuple[Thumbnail, str]]:
    for each in regions:
        try:
            picture = small_copy(each.image, _SMALL_SIDE)
        except ImageError:
            continue  # the picture above says so
        yield embedded(overlay(picture, each.contributions, each.box)), each.name


def _passport(passport: Passport) -> list[tuple[str, str]]:
    prepared = passport.preprocessing
    height, width = prepared.size
    taps = "; ".join(
        f"{tap.name}: layer {tap.layer or 'output'}, pooling {tap.pooling}, {tap.dim} dimensions"
        for tap in passport.taps
    )
    return [
        ("Model", passport.spec),
        ("Weights", passport.weights_source),
        ("Weights, sha256", passport.weights_sha256),
        ("Taps", taps),
        (
            "Preprocessing",
            f"{prepared.color}, {prepared.interpolation} to {prepared.scale[1]} x "
            f"{prepared.scale[0]}, fit {prepared.fit}, input {width} x {height} pixels, mean "
            f"{_numbers(prepared.mean)}, std {_numbers(prepared.std)}",
        ),
        ("Computed by", f"{passport.backend} in {passport.compute_dtype}"),
        ("Versions", ", ".join(f"{name} {v}" for name, v in passport.versions.items())),
    ]


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
