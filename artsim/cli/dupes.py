"""``artsim dupes``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import within_option
from artsim.cli.options.computing import device_option
from artsim.cli.options.index import (
    indexes_argument,
    indexes_option,
    note_hidden,
    open_stores,
    root_option,
    tap_option,
)
from artsim.cli.options.outputs import format_option, rows_option, sheet_option
from artsim.cli.options.values import PICTURE, count_cores
from artsim.cli.output import (
    echo,
    echo_wrapped,
    fixed,
    note_left_out,
    print_json_lines,
    print_notes,
    print_table,
    print_written,
    show_progress,
    write_rows,
)
from artsim.datatypes import listed_texts, plural, shell_word
from artsim.errors import StoreError

if TYPE_CHECKING:
    from artsim.duplicates import Group, Threshold
    from artsim.store import Store

_SHOWN = 6  # works of a group in the table; the file and JSON have all
_DRAWN = 240  # pictures on a sheet


@cloup.command()
@indexes_argument
@cloup.option_group("Index", indexes_option, tap_option(), root_option)
@cloup.option_group(
    "Comparison",
    within_option(12),
    click.option(
        "--transformed",
        is_flag=True,
        help="Also find mirrored, rotated and cropped copies (slower).",
    ),
    click.option(
        "--threshold",
        type=float,
        metavar="COSINE",
        help="Cosine from which two pictures show the same work.  [default: estimated, see above]",
    ),
    click.option("--across", is_flag=True, help="Compare only works of different indexes."),
    device_option,
)
@cloup.option_group(
    "Decisions",
    click.option(
        "--decisions",
        "decided",
        metavar="FILE",
        type=PICTURE,
        help="Instead of searching, read what was decided: pairs with the columns decision "
        "('duplicate' or 'not a duplicate') and keep, as exported by 'artsim serve'. Duplicates "
        "share a value of the column same_work, for --group.",
    ),
)
@cloup.option_group("Output", rows_option("all pairs"), sheet_option("the groups"), format_option)
def dupes(
    indexes: tuple[Path, ...],
    within: int,
    threshold: float | None,
    across: bool,
    transformed: bool,
    output: Path | None,
    sheet: Path | None,
    tap: str | None,
    device: str,
    as_json: bool,
    decided: Path | None,
) -> None:
    """Find duplicates: identical files, copies, the same work.

    Three kinds of duplicates are found: identical files (exact), pictures with nearly the same
    perceptual hash and edges, such as gray, smaller or compressed copies (near), and pictures
    whose vectors are more similar than those of ordinary nearest neighbors, such as other
    photographs (same-work). With --transformed there is a fourth: copies that are mirrored,
    rotated, or cropped by up to 15% at each edge (of 100 such crops some 95 are found). The
    threshold for same-work is estimated from the index, so that ordinary neighbors and random pairs
    of works are below it.

    Works that form a chain, each similar to the next although the ends are not similar to each
    other, are called a series: objects of one kind or from one mold, pages of one manuscript. The
    score of a group is the cosine of the two least similar and of the two most similar works. All
    are candidates to check: two objects of a series can be as similar as two photographs of one.

    Several indexes are searched together. Their vectors are compared if the same model made them,
    otherwise only the pictures are. JSON and --output have a row for every pair. What was found in
    one index is kept in it: 'artsim serve' shows it side by side, to decide and export. --decisions
    makes a column of what you decided, so that pictures of one work stay together in splits and
    evaluations.

    Example:

    \b
        artsim dupes
        artsim dupes indexes/paintings -o candidates.csv --sheet duplicates.png
        artsim dupes indexes/met indexes/cleveland --across
        artsim dupes --decisions decisions.csv
        artsim knn-eval --label artist --group same_work
    """
    stores = open_stores(indexes)
    if decided is not None:
        if output or sheet or across or transformed or threshold is not None:
            raise click.UsageError(
                "--decisions reads a file and finds nothing; run it without the options of a search"
            )
        _read(stores, decided, as_json=as_json)
        return
    if across and len(stores) < 2:
        raise click.UsageError("--across compares indexes with each other; name at least two")
    from artsim.duplicates import (
        PAIR_COLUMNS,
        find_groups,
        gather,
        keep_groups,
        pack_groups,
        pair_rows,
    )
    from artsim.models import find_device
    from artsim.splits import picture_looks

    stores[0].tap(tap)  # before the work, not after it
    with show_progress("Reading pictures") as hashing:
        looks = [picture_looks(store, workers=count_cores(), progress=hashing) for store in stores]
    evidence, differences = gather(stores, looks, tap)
    with show_progress("Comparing") as comparing:
        groups, drawn = find_groups(
            evidence,
            within=within,
            threshold=threshold,
            across=across,
            turned=transformed,
            device=str(find_device(device)),
            progress=comparing,
        )
    _warn(differences, evidence.hashes, drawn)
    if len(stores) == 1:
        with suppress(StoreError):  # a read-only index
            keep_groups(stores[0], pack_groups(groups))
    works = _Works(stores, groups)
    if output is not None:
        write_rows(output, pair_rows(groups, works.known), PAIR_COLUMNS)
    if sheet is not None and not groups:
        print_notes(f"{sheet} is not written, as there is nothing to draw")
        sheet = None
    if sheet is not None:
        note_hidden(*stores)
        _draw(groups, works, sheet)
    if as_json:
        print_json_lines(pair_rows(groups, works.known))
        return
    echo(f"Duplicates in {', '.join(str(store) for store in stores)}")
    _print(groups, works, drawn)
    if not transformed:
        echo("Most cropped, mirrored or rotated copies are found only with --transformed")
    _print_next(groups, stores)
    print_written(output, sheet)


def _read(stores: Sequence[Store], file: Path, *, as_json: bool) -> None:
    from artsim.duplicates import SAME_WORK, read_decisions

    if len(stores) > 1:
        raise click.UsageError("--decisions stores them in one index; name only that")
    (store,) = stores
    found = read_decisions(store, file)
    print_notes(*found.problems)
    if as_json:
        print_json_lines([vars(found)], index=store)
    elif not found.works:
        echo(
            f"No pair of {file} is decided to be a duplicate; write 'duplicate' in its column "
            "decision, and the id to keep in keep"
        )
    else:
        echo(
            f"{SAME_WORK} in {store}: {plural(found.works, 'picture')} of "
            f"{plural(found.groups, 'work')}; not duplicates: {plural(found.different, 'pair')}; "
            f"still to decide: {plural(found.open, 'pair')}"
        )
        command = f"artsim knn-eval --label COLUMN --group {SAME_WORK}"
        echo(f"To keep them apart in an evaluation: '{command}'")
    if found.problems:
        sys.exit(1)


class _Works:
    """The works of groups; those of several indexes are numbered consecutively."""

    def __init__(self, stores: Sequence[Store], groups: Sequence[Group]) -> None:
        from artsim.search import locate

        self._stores = stores
        self._rows = sorted({row for group in groups for row in group.works})
        self.known = {  # index, id, image
            row: (str(store), record["id"], locate(store, record["image"]))
            for row, store, record in self._records(lambda store: ["id", "image"])
        }
        several = len(stores) > 1
        self.names = {
            row: f"{Path(index).name}:{id_}" if several else id_
            for row, (index, id_, _) in self.known.items()
        }

    @property
    def compared(self) -> int:
        """How many works were compared."""
        return sum(store.rows for store in self._stores)

    def metadata(self) -> dict[int, dict[str, Any]]:
        """Return id and metadata of the works."""

        def fields(store: Store) -> list[str]:
            return ["id", *(field.name for field in store.fields)]

        return {row: record for row, _, record in self._records(fields)}

    def _records(
        self, columns: Callable[[Store], Sequence[str]]
    ) -> Iterator[tuple[int, Store, dict[str, Any]]]:
        """Yield columns of the works: row, index, values."""
        first = 0
        for store in self._stores:
            own = [row for row in self._rows if first <= row < first + store.rows]
            table = store.take([row - first for row in own], columns(store))
            for row, record in zip(own, table.to_pylist(), strict=True):
                yield row, store, record
            first += store.rows


def _warn(
    differences: Sequence[str], hashes: Sequence[int | None], drawn: Threshold | None
) -> None:
    if differences:
        print_notes(f"only pictures are compared, not vectors ({'; '.join(differences)})")
    elif drawn is None:
        print_notes(
            "too few works to estimate a threshold, so same works are not searched; set one with "
            "--threshold COSINE"
        )
    note_left_out(unhashed=sum(each is None for each in hashes))


def _print(groups: Sequence[Group], works: _Works, drawn: Threshold | None) -> None:
    if drawn is not None:
        what = f"Same work from cosine {drawn.same_work:.3f}"
        if drawn.nearest is not None and drawn.random is not None:
            what += f" (medians: nearest {drawn.nearest:.3f}, random pairs {drawn.random:.3f})"
        echo(what)
    if not groups:
        echo(f"No duplicates among {works.compared:,} works")
        return
    metadata = works.metadata()
    ids = [works.known[row][1] for row in metadata]
    columns, texts = listed_texts(ids, list(metadata.values()))
    listed = dict(zip(metadata, texts, strict=True))
    rows: list[list[object]] = []
    for number, group in enumerate(groups, 1):
        scores = dict.fromkeys(fixed(score) for score in (group.lowest, group.highest))
        head = [number, group.kind, "-".join(scores)]
        for place, (row, made) in enumerate([*_made(group).items()][:_SHOWN]):
            rows.append([*(["", made, ""] if place else head), works.names[row], *listed[row]])
        if len(group.works) > _SHOWN:
            more = f"and {len(group.works) - _SHOWN:,} more"
            rows.append(["", "", "", more, *[""] * len(columns)])
    print_table(["group", "kind", "score", "id", *columns], rows, right=["group"])
    kinds = Counter(group.kind for group in groups)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    total = sum(len(group.works) for group in groups)
    echo(f"{counts}: {total:,} of {works.compared:,} works in {plural(len(groups), 'group')}")
    lowest = [group.lowest for group in groups if group.kind != "same-work"]
    if drawn is not None and any(each is not None and each < drawn.same_work for each in lowest):
        echo("Files and pictures are compared as well: a copy can be below the cosine of same-work")
    _print_rule(kinds)


def _made(group: Group) -> dict[int, str]:
    """Return the works in order, those that were made of another last, and how they were."""
    made: dict[int, str] = {}
    for pair in group.pairs:
        if pair.transform == "uncropped":
            made[pair.first] = "cropped"
        elif pair.transform:
            made[pair.second] = pair.transform
    return {row: made.get(row, "") for row in sorted(group.works, key=lambda row: row in made)}


def _print_next(groups: Sequence[Group], stores: Sequence[Store]) -> None:
    if groups and len(stores) == 1:
        path = shell_word(stores[0])
        echo(f"To look at them and decide which to keep: artsim serve {path}")


def _print_rule(kinds: Collection[str]) -> None:
    """Say which duplicates an evaluation leaves out by itself."""
    from artsim.splits import WITHIN

    if {*kinds} - {"exact"}:
        echo_wrapped(
            "Evaluations and splits leave out exact copies, and of the others those whose hashes "
            f"are at most {WITHIN} bits apart; decide about the rest, see --decisions",
            indent=0,
        )


def _draw(groups: Sequence[Group], works: _Works, file: Path) -> None:
    from artsim.report import Caption, Tile, contact_sheet, file_of, save_sheet

    lines = {row: Caption.of(record).lines for row, record in works.metadata().items()}
    tiles = [
        Tile(
            file_of(works.known[row][2]),
            (f"{number} · {made or group.kind}", works.names[row], *lines[row]),
        )
        for number, group in enumerate(groups, 1)
        for row, made in _made(group).items()
    ]
    if len(tiles) > _DRAWN:
        print_notes(f"{file} shows the first {_DRAWN} of {len(tiles):,} pictures")
    sizes = [len(group.works) for group in groups]
    save_sheet(contact_sheet(None, tiles[:_DRAWN], groups=sizes), file)
