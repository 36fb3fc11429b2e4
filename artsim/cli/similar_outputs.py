"""What ``artsim similar`` prints and writes: table or JSON, sheet, page, manifest, CSV."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click
import numpy as np

from artsim.api import answer_sheet
from artsim.cli.options.index import note_hidden
from artsim.cli.options.outputs import csv_option, previews_option, sheet_option
from artsim.cli.options.values import file_option
from artsim.cli.output import (
    echo,
    fixed,
    is_typed,
    note_cut,
    note_unknown,
    print_json_lines,
    print_table,
    print_written,
    with_metadata,
)
from artsim.cli.previews import find_protocol, print_previews
from artsim.datatypes import percentile, plural, shell_word
from artsim.places import as_path

if TYPE_CHECKING:
    from artsim.search import IndexEncoder, Match, SearchAnswer, Searcher

_LEGEND = (
    "Below each match: which regions of the query, then of the match, made it.",
    "Yellow: the most; dark blue: the least; pale gray: not compared.",
)


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What to write, as chosen by `output_options`."""

    sheet: Path | None = None
    html: Path | None = None
    csv: Path | None = None
    iiif: Path | None = None
    iiif_base: str | None = None
    why: bool = False
    previews: str = "auto"

    @classmethod
    def take(cls, settings: dict[str, Any]) -> Self:
        """Take the values of `output_options` out of a command's settings."""
        names = ("sheet", "html", "csv", "iiif", "iiif_base", "why", "previews")
        return cls(**{name: settings.pop(name) for name in names})

    def __post_init__(self) -> None:
        """Refuse options without effect."""
        if self.why and self.sheet is None and self.html is None:
            raise click.UsageError("--why is drawn on --sheet FILE or --html FILE; use one of them")
        if self.iiif_base is not None and self.iiif is None:
            raise click.UsageError("--iiif-base needs --iiif FILE; use both")

    @property
    def files(self) -> list[Path]:
        """The files to write."""
        return [file for file in (self.sheet, self.html, self.csv, self.iiif) if file is not None]


output_options = (
    sheet_option("the query and its matches"),
    file_option("--html", help="Write a page to cite: pictures, credit lines, passport, command."),
    csv_option("the matches"),
    file_option("--iiif", help="Write a IIIF manifest for Mirador and other viewers."),
    click.option(
        "--iiif-base",
        metavar="URL",
        help="URL where manifest and pictures will be published.  [default: none, small copies of "
        "the pictures are put into the manifest]",
    ),
    click.option(
        "--why", is_flag=True, help="Show on the sheet or page which regions made each match."
    ),
    previews_option,
)


def write_outputs(
    searcher: Searcher,
    answer: SearchAnswer,
    outputs: Outputs,
    encoder: IndexEncoder,
    *,
    k: int,
    as_json: bool,
) -> None:
    """Write the files and print the k matches; the encoder has the network of --why."""
    if outputs.files:
        note_hidden(searcher.store)
        _write(searcher, answer, outputs, encoder)
        # Else there are no more that meet the conditions.
        if len(answer.matches) == k and not is_typed("k"):
            note_cut(k, answer.searched, "works", "a larger -k writes more", *outputs.files)
    note_unknown(answer.unknown)
    if as_json:
        print_json_lines(map(_as_dict, answer.matches), index=searcher.store)
        if not answer.matches:
            echo(answer.nothing, err=True)
        return
    _print(searcher, answer, outputs)


def _write(
    searcher: Searcher, answer: SearchAnswer, outputs: Outputs, encoder: IndexEncoder
) -> None:
    from artsim.report import (
        cite,
        manifest,
        matches_csv,
        matches_page,
        save_manifest,
        save_sheet,
        save_text,
    )

    command = " ".join(["artsim", *map(shell_word, sys.argv[1:])])
    cited = cite(searcher, answer, command=command, encoder=encoder if outputs.why else None)
    if outputs.sheet is not None:
        regions = cited.regions or ()
        legend = _LEGEND if any(regions) else ()
        save_sheet(answer_sheet(answer, regions, legend=legend), outputs.sheet)
    if outputs.html is not None:
        save_text(matches_page(cited), outputs.html)
    if outputs.csv is not None:
        save_text(matches_csv(answer.matches), outputs.csv)
    if outputs.iiif is not None:
        root = as_path(searcher.store.manifest.root)
        save_manifest(manifest(cited, root=root, base=outputs.iiif_base), outputs.iiif)


def _print(searcher: Searcher, answer: SearchAnswer, outputs: Outputs) -> None:
    store = searcher.store
    some = "" if answer.searched == store.rows else f"{answer.searched:,} of "
    pictures = f"{some}{plural(store.rows, 'picture')}"
    echo(f"Similar to {answer.name} in {store} ({pictures}, by {answer.by})")
    if between := _between(searcher, answer):
        echo(between)
    if answer.missing:
        echo(f"Left out, as they are not in the other index: {answer.missing:,}")
    if not answer.matches:
        echo(answer.nothing)
        return
    protocol = find_protocol(outputs.previews)
    if protocol is not None:
        print_previews(((match.image, _lines(match)) for match in answer.matches), protocol)
    else:
        _print_matches(searcher, answer)
    if answer.matches[0].evidence is not None:
        _print_verdict(answer)
    print_written(*outputs.files)


def _print_verdict(answer: SearchAnswer) -> None:
    """Say how many matches have the detail."""
    from artsim.motifs import MIN_SCORE

    sure = sum((match.evidence or 0) >= MIN_SCORE for match in answer.matches)
    which = f"{sure:,} of {len(answer.matches):,} matches" if sure else "No match"
    has = "have" if sure else "has"
    echo(f"{which} {has} the detail: evidence of {MIN_SCORE:g} or more, by where the parts lie")


def _between(searcher: Searcher, answer: SearchAnswer) -> str:
    """Say how similar two works are that are searched with together."""
    rows = [query.row for query in answer.queries if query.row is not None and query.box is None]
    if len(answer.queries) != 2 or len(rows) != 2 or len(answer.methods) != 1:
        return ""
    (method,) = answer.methods
    if method.joined is not None or method.records is not None or method.details:
        return ""
    first, second = method.vectors(np.array(rows))
    names = " and ".join(query.name for query in answer.queries)
    return f"{names} have the score {first @ second:.3f} with each other"


def _print_matches(searcher: Searcher, answer: SearchAnswer) -> None:
    from artsim.datatypes import as_text, listed_texts

    matches = answer.matches
    listed, texts = listed_texts(
        [match.id for match in matches], [match.metadata for match in matches]
    )
    compared = [
        name
        for name in dict.fromkeys(each.column for each in answer.relations)
        if name not in listed and any(match.metadata.get(name) for match in matches)
    ]
    has_percentile = any(match.percentile is not None for match in matches)
    has_box = matches[0].box is not None
    is_verified = matches[0].evidence is not None
    numbers = [
        "rank",
        *(["evidence"] if is_verified else []),
        "score",
        *matches[0].cosines,
        *(["percentile"] if has_percentile else []),
    ]
    numbers += ["box"] if has_box else []
    rows = [
        [
            match.rank,
            *([fixed(match.evidence, 1)] if is_verified else []),
            fixed(match.score),
            *map(fixed, match.cosines.values()),
            *(["" if rank is None else percentile(rank)] if has_percentile else []),
            *([match.box] if has_box else []),
            match.id,
            *cells,
            *(as_text(match.metadata[name]) for name in compared),
        ]
        for match, cells in zip(matches, texts, strict=True)
        for rank in [match.percentile]
    ]
    print_table([*numbers, "id", *listed, *compared], rows, right=numbers)


def _as_dict(match: Match) -> dict[str, Any]:
    """Return a match as JSON has it: rank, id, score, ..., then the metadata."""
    own: dict[str, Any] = {"rank": match.rank, "id": match.id, "score": round(match.score, 6)}
    own |= {"percentile": match.percentile and round(match.percentile, 4), "image": match.image}
    if match.evidence is not None:
        own["evidence"] = round(match.evidence, 4)
    if match.box is not None:
        own["box"] = str(match.box)
    if match.shares:
        own["shares"] = {name: round(share, 6) for name, share in match.shares.items()}
        own["cosines"] = {name: round(cosine, 6) for name, cosine in match.cosines.items()}
    return with_metadata(own, match.metadata)


def _lines(match: Match) -> list[str]:
    from artsim.report import Caption, match_figures

    figures = f"{match.rank} · {match_figures(match)}"
    return [figures, match.id, *Caption.of(match.metadata).lines]
