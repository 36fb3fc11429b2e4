"""``artsim find``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import where_option
from artsim.cli.options.index import (
    index_option,
    note_hidden,
    open_store,
    root_option,
    words_argument,
)
from artsim.cli.options.outputs import (
    csv_option,
    format_option,
    previews_option,
    sheet_option,
)
from artsim.cli.options.values import count_option, file_option
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
from artsim.datatypes import plural, shell_word

if TYPE_CHECKING:
    from artsim.search import Found, Query, Works
    from artsim.store import Store

_FORMS = 6  # words that are listed


@cloup.command()
@words_argument("words", "[WORD]...")
@cloup.option_group("Index", index_option, root_option)
@cloup.option_group(
    "Matches",
    count_option("-k", default=20, help="Number of works."),
    where_option,
    click.option(
        "--sort",
        metavar="[-]COLUMN",
        help="Order of the works: by a column, with - from high to low. Works without a value come "
        "last.  [default: the closest title first]",
    ),
)
@cloup.option_group(
    "Output",
    csv_option("the works"),
    file_option("--html", help="Write a page with the works: pictures, captions, records."),
    sheet_option("the works"),
    previews_option,
    format_option,
)
def find(
    words: tuple[str, ...],
    index: Path | None,
    k: int,
    where: str | None,
    sort: str | None,
    csv: Path | None,
    html: Path | None,
    sheet: Path | None,
    previews: str,
    as_json: bool,
) -> None:
    """Find works by words in their title, artist or any other text.

    All words must be in the record of a work, in any column of text, list or date, or in its ID,
    also as parts of longer words. Case and accents are ignored: 'durer' finds Dürer, and an
    English plural finds its singular: 'boats' finds Boat and Rowboat. Titles come first, and words
    as you wrote them before others. Words in double quotes are found only as they are, one after
    the other, and a work with a word that has a minus before it is left out. For one word or
    another, use --where.

    Example:

    \b
        artsim find birth virgin
        artsim find mucha --where "year < 1900" -k 50
        artsim find --where "id in ('2c2a82d5f7', 'a58a533b52')" --html chosen.html
        artsim find '"birth of the virgin" -copy'
        artsim find '"cat"'
        artsim find --where "title ilike '%boat%' or title ilike '%ship%'"
        artsim find --where "boats = 'yes'" --sort -boats_score -k 50 --csv boats.csv
    """
    if not words and where is None and sort is None:
        which = f" in the index {str(index)!r}" if index else ""
        raise click.UsageError(
            f"name some words to find{which}, a condition with --where SQL, or --sort COLUMN"
        )
    store = open_store(index)
    from artsim.search import Query, Works, find_works

    works, text = Works(store), " ".join(words)
    found = find_works(works, text, k=k, where=where, sort=sort, explained=not as_json)
    known = works.known(found.rows.tolist())
    note_unknown(works.filter.unknown(where, ()))
    if csv or html or sheet:
        note_hidden(store)
        listed = [Query(name=id_, image=image, metadata=record) for id_, image, record in known]
        _write(listed, text or where or "Works", store, csv=csv, html=html, sheet=sheet)
        if not is_typed("k"):
            all_of = f"-k {found.count} writes all"
            note_cut(len(known), found.count, "works", all_of, csv, html, sheet)
    if as_json:
        rows = (
            with_metadata({"rank": rank, "id": id_, "image": image}, metadata)
            for rank, (id_, image, metadata) in enumerate(known, 1)
        )
        print_json_lines(rows, index=store)
        if not known:
            echo(_why_nothing(found, store, where), err=True)
        return
    named = text if '"' in text else repr(text)
    what = f" with {named}" if text.strip() else ""
    what += f" where {where}" if where else ""
    echo(f"{plural(found.count, 'work')}{what} in {store} ({plural(store.rows, 'picture')})")
    if not known:
        echo(_why_nothing(found, store, where))
        return
    if found.forms:
        echo(_forms(found, text))
    protocol = find_protocol(previews)
    if protocol is None:
        _print_table(works, known, sort)
    else:
        from artsim.report import Caption

        lines = ((image, [id_, *Caption.of(row).lines]) for id_, image, row in known)
        print_previews(lines, protocol)
    if found.count > len(known):
        echo(f"and {found.count - len(known):,} more; show them with -k")
    print_written(csv, html, sheet)


def _why_nothing(found: Found, store: Store, where: str | None) -> str:
    listing = f"'artsim info {shell_word(store)} --failures'"
    return found.why_nothing(conditions=where is not None, listing=listing)


def _forms(found: Found, text: str) -> str:
    """List the words that works were found by, the most frequent first after those of the text."""
    some = list(found.forms.items())[:_FORMS]
    listed = ", ".join(f"{word} ({count:,})" for word, count in some)
    others = len(found.forms) - len(some)
    more = f" and {plural(others, 'other word')}" if others else ""
    alone = f"; '\"{text}\"' finds the word alone" if text.lower() in found.forms else ""
    return f"by {listed}{more}{alone}"


def _write(
    works: Sequence[Query],
    name: str,
    store: Store,
    *,
    csv: Path | None,
    html: Path | None,
    sheet: Path | None,
) -> None:
    from artsim.report import (
        Caption,
        Tile,
        contact_sheet,
        file_of,
        save_sheet,
        save_text,
        set_csv,
        set_page,
    )

    if csv is not None:
        save_text(set_csv(works), csv)
    if html is not None:
        save_text(set_page(name, works, index=store.path.name), html)
    if sheet is not None:
        tiles = [
            Tile(file_of(work.image), tuple(Caption.of(work.metadata).lines) or (work.name,))
            for work in works
        ]
        save_sheet(contact_sheet(None, tiles), sheet)


def _print_table(
    works: Works, known: list[tuple[str, str | None, dict[str, Any]]], sort: str | None
) -> None:
    from artsim.datatypes import as_text, listed_texts

    columns, texts = listed_texts([id_ for id_, _, _ in known], [row for _, _, row in known])
    rows = [[id_, *row] for (id_, _, _), row in zip(known, texts, strict=True)]
    by = works.named(sort.removeprefix("-")) if sort else ""
    if by and by not in columns:
        columns = [*columns, by]
        numbers = [works.row(id_) for id_, _, _ in known]
        values = works.column(by).take(numbers).to_pylist()
        for row, value in zip(rows, values, strict=True):
            row.append(fixed(value) if isinstance(value, float) else as_text(value))
    print_table(["id", *columns], rows)
