"""``artsim motifs``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup
from platformdirs import user_cache_path

from artsim import __version__
from artsim.cli.options.computing import device_option
from artsim.cli.options.index import (
    index_argument,
    index_option,
    note_hidden,
    open_store,
    root_option,
    tap_option,
)
from artsim.cli.options.outputs import format_option, rows_option, sheet_option
from artsim.cli.options.values import count_option, file_option
from artsim.cli.output import (
    echo,
    print_json_lines,
    print_notes,
    print_table,
    print_written,
    resumable,
    show_progress,
    write_rows,
)
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.report import MotifPair

_COLUMNS = {
    **dict.fromkeys(("id", "other_id"), "string"),
    "score": "float",
    "points": "int32",
    "residual": "float",
    "scale": "float",
    "mirrored": "bool",
    **dict.fromkeys(("box", "other_box", "image", "other_image"), "string"),
}
_LISTED = 20  # pairs in the table; files and JSON have all
_DRAWN = 60  # pairs on a sheet or a page


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option, tap_option(), root_option)
@cloup.option_group(
    "Comparison",
    count_option(
        "--nearest", default=5, help="Nearest tiles of each tile whose works are compared."
    ),
    click.option(
        "--min-score",
        type=float,
        metavar="SCORE",
        help="Least score of a pair.  [default: 6]",
    ),
    click.option("--layer", metavar="LAYER", help="Feature map.  [default: about 14 x 14 cells]"),
    device_option,
)
@cloup.option_group(
    "Output",
    rows_option("all pairs"),
    sheet_option("the pairs"),
    file_option("--html", help="Write a page with the pairs, boxes and matched points."),
    format_option,
)
def motifs(
    index: Path | None,
    tap: str | None,
    nearest: int,
    min_score: float | None,
    layer: str | None,
    device: str,
    output: Path | None,
    sheet: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Find repeated details: a copied figure, a reused ornament.

    Two works are compared if a tile of one resembles a tile of the other. Their feature maps are
    matched cell by cell at three scales, and the matches that fit one shift, scale and slight
    stretch count, as they are or mirrored. The score is their similarity, summed over distinct
    cells. Check the pairs yourself: a high score is a hint and no proof.

    Use an index made with 'artsim embed --tiles 5'; without tiles only works that are similar as
    a whole are compared. The network must be convolutional. To resume an interrupted run, run the
    same command again.

    Example:

    \b
        artsim motifs indexes/paintings --html motifs.html
        artsim motifs -o motifs.csv --sheet motifs.png
    """
    store = open_store(index)
    from artsim.models import BackendName, Compute
    from artsim.motifs import MIN_SCORE, MotifFinder, candidate_pairs, find_motifs, journal_in
    from artsim.report import MotifPair, motif_sheet, motifs_page, save_sheet, save_text
    from artsim.search import load_index_extractor, locate

    name = store.tap(tap).name
    if not store.manifest.tiles:
        print_notes(
            "the index has no tiles, so only works that are similar as a whole are compared; "
            "make it with 'artsim embed --tiles 5'"
        )
    compute = Compute(device=device, backend=BackendName.TORCH)
    least = MIN_SCORE if min_score is None else min_score
    finder = MotifFinder(store, load_index_extractor(store, compute=compute), layer)
    settings = {
        "version": __version__,
        "index": str(store.path.resolve()),
        "fingerprint": store.fingerprint,
        "values": [name, nearest, least, finder.layer, finder.device],
    }
    folder = user_cache_path("artsim") / "motifs"
    with resumable(folder, "comparisons"), journal_in(folder, settings) as journal:
        with show_progress("Comparing tiles") as progress:
            proposed = candidate_pairs(
                store, name, each=nearest, device=finder.device, journal=journal, progress=progress
            )
        with show_progress("Comparing pairs") as progress:
            found = find_motifs(
                finder, proposed, min_score=least, journal=journal, progress=progress
            )
        known = [
            (row["id"], locate(store, row["image"]))
            for row in store.read(["id", "image"]).to_pylist()
        ]
        pairs = [MotifPair(known[each.first], known[each.second], each) for each in found]
        if output is not None:
            write_rows(output, _rows(pairs), _COLUMNS)
    if sheet is not None or html is not None:
        note_hidden(store)
        if len(pairs) > _DRAWN:
            print_notes(f"{sheet or html} shows the first {_DRAWN} of {len(pairs):,} pairs")
    if sheet is not None:
        save_sheet(motif_sheet(pairs[:_DRAWN]), sheet)
    if html is not None:
        page = motifs_page(
            pairs[:_DRAWN], index=store.path.name, compared=store.rows, layer=finder.layer
        )
        save_text(page, html)
    if as_json:
        print_json_lines(_rows(pairs))
        return
    _print(pairs, store.rows)
    print_written(output, sheet, html)


def _rows(pairs: Sequence[MotifPair]) -> Iterator[dict[str, Any]]:
    for pair in pairs:
        motif, verified = pair.motif, pair.motif.verified
        values = (
            pair.first[0],
            pair.second[0],
            round(motif.score, 4),
            verified.inliers,
            round(verified.residual, 4),
            round(verified.scale, 4),
            verified.mirrored,
            str(motif.first_box),
            str(motif.second_box),
            pair.first[1],
            pair.second[1],
        )
        yield dict(zip(_COLUMNS, values, strict=True))


def _print(pairs: Sequence[MotifPair], works: int) -> None:
    if pairs:
        rows = [
            [
                pair.first[0],
                pair.second[0],
                f"{pair.motif.score:.1f}",
                pair.motif.verified.inliers,
                "mirrored" if pair.motif.verified.mirrored else "",
            ]
            for pair in pairs[:_LISTED]
        ]
        print_table(["id", "other id", "score", "points", ""], rows, right=["score", "points"])
    echo(f"{plural(len(pairs), 'pair')} of {works:,} works that share a detail")
