"""``artsim dupes``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options import (
    FOLDER,
    NEW_FILE,
    count_cores,
    device_option,
    format_option,
    open_store,
    tap_option,
)
from artsim.cli.output import (
    check_rows_file,
    print_json_lines,
    print_table,
    show_progress,
    wants_json,
    write_rows,
)

if TYPE_CHECKING:
    from artsim.duplicates import Group, Threshold
    from artsim.store import Store

_COLUMNS = {
    "group": "int32",
    "kind": "string",
    "index": "string",
    "id": "string",
    "image": "string",
    "other_index": "string",
    "other_id": "string",
    "other_image": "string",
    "bits": "int32",
    "score": "float",
}
_SHOWN = 4  # ids of a group in the table; the file and JSON have all
_DRAWN = 240  # pictures on a sheet


@click.command()
@click.argument("indexes", nargs=-1, type=FOLDER, metavar="[INDEX]...")
@click.option(
    "--within",
    type=click.IntRange(0, 64),
    default=4,
    show_default=True,
    help="Bits of 64 that the perceptual hashes of near copies may differ by.",
)
@click.option(
    "--threshold",
    type=float,
    metavar="COSINE",
    help="From which score two are the same work.  [default: drawn from the works, see above]",
)
@click.option("--across", is_flag=True, help="Only pairs of works of different indexes.")
@click.option(
    "--out", metavar="FILE", type=NEW_FILE, help="Write all pairs to a .csv or .parquet file."
)
@click.option(
    "--sheet", metavar="FILE", type=NEW_FILE, help="Draw the groups, one after the other."
)
@tap_option
@device_option
@format_option
def dupes(
    indexes: tuple[Path, ...],
    within: int,
    threshold: float | None,
    across: bool,
    out: Path | None,
    sheet: Path | None,
    tap: str | None,
    device: str,
    as_json: bool | None,
) -> None:
    """Find what is there twice: the same file, a copy of a picture, the same work.

    Works are joined that share a file's bytes (exact), whose perceptual hashes are a few bits apart
    while their vectors are not unlike (near), or whose vectors are more alike than the nearest
    neighbors of these works are otherwise (same-work): the cosine is 4 spreads above the median of
    nearest neighbors and 6 above that of random pairs, measured on ln(1 - cosine). Candidates all:
    objects of a series, photographed alike, can be as near as two photographs of one.

    Several indexes are taken together; their vectors are compared if they have the same passport,
    else hashes alone. JSON and --out have a line for every pair.

    Example:

    \b
        artsim dupes
        artsim dupes indexes/paintings --out candidates.csv --sheet twice.png
        artsim dupes indexes/met indexes/cleveland --across
    """
    check_rows_file(out)
    stores = [open_store(index) for index in indexes or (None,)]
    if across and len(stores) < 2:
        raise click.UsageError("--across compares indexes with each other; name two or more")
    if len({store.path.resolve() for store in stores}) < len(stores):
        raise click.UsageError("an index is named twice; name each once")
    from artsim.duplicates import find_groups, gather
    from artsim.models import find_device
    from artsim.splits.audit import picture_hashes

    with show_progress("Hashing") as hashing:
        hashes = [
            picture_hashes(store, workers=count_cores(), progress=hashing) for store in stores
        ]
    evidence, differences = gather(stores, hashes, tap)
    with show_progress("Comparing") as comparing:
        groups, drawn = find_groups(
            evidence,
            within=within,
            threshold=threshold,
            across=across,
            device=str(find_device(device)),
            progress=comparing,
        )
    _warn(differences, evidence.hashes, drawn)
    works = _Works(stores)
    if out is not None:
        write_rows(out, _rows(groups, works), _COLUMNS)
    if sheet is not None:
        _draw(groups, works, sheet)
    if wants_json(as_json):
        print_json_lines(_rows(groups, works))
        return
    _print(groups, works, drawn)
    for file in (out, sheet):
        if file is not None:
            click.echo(f"{'Drawn' if file == sheet else 'Written'} to {file}")


class _Works:
    """The works of several indexes, numbered through."""

    def __init__(self, stores: Sequence[Store]) -> None:
        from artsim.search import locate

        self.count = sum(store.rows for store in stores)
        self.several = len(stores) > 1
        self._known = [
            (str(store.path), row["id"], locate(store, row["image"]))
            for store in stores
            for row in store.read(["id", "image"]).to_pylist()
        ]

    def __getitem__(self, row: int) -> tuple[str, str, str]:
        """Return index, id and image of a work."""
        return self._known[row]

    def name(self, row: int) -> str:
        """Name a work for people."""
        index, id_, _ = self[row]
        return f"{Path(index).name}:{id_}" if self.several else id_


def _warn(
    differences: Sequence[str], hashes: Sequence[int | None], drawn: Threshold | None
) -> None:
    if differences:
        click.echo(
            f"Note: vectors are not compared, hashes alone ({'; '.join(differences)})", err=True
        )
    elif drawn is None:
        click.echo(
            "Note: too few works to draw a threshold from, so no same works are looked for; "
            "give --threshold COSINE",
            err=True,
        )
    unhashed = sum(each is None for each in hashes)
    if unhashed:
        click.echo(
            f"Note: {unhashed:,} pictures are blank or cannot be read: not compared by look",
            err=True,
        )


def _rows(groups: Sequence[Group], works: _Works) -> Iterator[dict[str, Any]]:
    for number, group in enumerate(groups, 1):
        for pair in group.pairs:
            ends = (*works[pair.first], *works[pair.second])
            score = None if pair.score is None else round(pair.score, 6)
            values = (number, str(pair.kind), *ends, pair.bits, score)
            yield dict(zip(_COLUMNS, values, strict=True))


def _print(groups: Sequence[Group], works: _Works, drawn: Threshold | None) -> None:
    if drawn is not None:
        what = f"Same works from a cosine of {drawn.same_work:.3f}"
        if drawn.nearest is not None and drawn.random is not None:
            what += f" (median of the nearest {drawn.nearest:.3f}, of random {drawn.random:.3f})"
        click.echo(f"{what}; near copies from {drawn.confirming:.3f}")
    if not groups:
        click.echo(f"Nothing twice among {works.count:,} works")
        return
    rows = []
    for number, group in enumerate(groups, 1):
        scores = [pair.score for pair in group.pairs if pair.score is not None]
        names = [works.name(row) for row in group.works]
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        rows.append(
            [
                number,
                group.kind,
                len(names),
                f"{min(scores):.3f}" if scores else "",
                " = ".join(names[:_SHOWN]) + more,
            ]
        )
    print_table(["group", "kind", "works", "score", "ids"], rows, right=["group", "works", "score"])
    counts = ", ".join(
        f"{sum(group.kind == kind for group in groups):,} {kind}"
        for kind in dict.fromkeys(group.kind for group in groups)
    )
    total = sum(len(group.works) for group in groups)
    click.echo(f"{counts}: {total:,} of {works.count:,} works in {len(groups):,} groups")


def _draw(groups: Sequence[Group], works: _Works, file: Path) -> None:
    from artsim.report import Tile, contact_sheet, file_of, save_sheet

    tiles = [
        Tile(file_of(works[row][2]), (f"{number} · {group.kind}", works.name(row)))
        for number, group in enumerate(groups, 1)
        for row in group.works
    ]
    if len(tiles) > _DRAWN:
        click.echo(f"Note: {file} shows the first {_DRAWN} of {len(tiles):,} pictures", err=True)
    save_sheet(contact_sheet(None, tiles[:_DRAWN]), file)
