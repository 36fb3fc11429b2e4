"""``artsim teach``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.marks import read_marks
from artsim.cli.options.collection import where_option
from artsim.cli.options.index import index_option, open_store, root_option, words_argument
from artsim.cli.options.outputs import format_option, previews_option, rows_option
from artsim.cli.options.values import FOLDER, PICTURE, count_option
from artsim.cli.output import (
    echo,
    fixed,
    note_cut,
    note_unknown,
    print_json_lines,
    print_notes,
    print_table,
    print_written,
    with_metadata,
    write_rows,
)
from artsim.cli.previews import find_protocol, print_previews
from artsim.datatypes import listed_texts, plural

if TYPE_CHECKING:
    from artsim.metrics import HeldOut
    from artsim.prediction import Concept, SavedConcept
    from artsim.search import Works
    from artsim.store import Store

_SHOWN = 10
_TITLES = {"\nLikeliest": "likely", "Mark these next, as it is least sure of them": "ask"}


def _marks_option(name: str, help_: str) -> Any:
    return click.option(name, multiple=True, metavar="ID,...|FILE", help=help_)


@cloup.command()
@words_argument("names", "[NAME]", most=1)
@cloup.option_group("Index", index_option, root_option)
@cloup.option_group(
    "Marks",
    _marks_option(
        "--positive",
        "Works that show the concept: IDs, or a file with one per line. Repeat for more.",
    ),
    _marks_option("--negative", "Works that do not. Repeat for more."),
    _marks_option("--unmark", "Remove the marks of these works."),
    click.option(
        "--marks",
        "marks_file",
        metavar="FILE",
        type=PICTURE,
        help="CSV file with the columns id and mark (positive or negative), as --output and the "
        "page of 'artsim serve' write it.",
    ),
)
@cloup.option_group(
    "Works",
    count_option(
        "-k",
        help="Show and write only the N likeliest works that are not marked.  [default: show 10, "
        "and write the scores of all works]",
    ),
    count_option(
        "--ask",
        least=0,
        default=0,
        help="Also show the works whose marks would help most: the concept is least sure of them.",
    ),
    where_option,
)
@cloup.option_group(
    "Concept",
    click.option(
        "--apply",
        "other",
        metavar="INDEX",
        type=FOLDER,
        help="Take the concept to another index of the same model.",
    ),
    click.option("--delete", is_flag=True, help="Delete the concept and its columns."),
)
@cloup.option_group(
    "Output",
    rows_option("works with their scores, the likeliest first,"),
    previews_option,
    format_option,
)
def teach(
    names: tuple[str, ...],
    index: Path | None,
    k: int | None,
    ask: int,
    where: str | None,
    other: Path | None,
    delete: bool,
    output: Path | None,
    previews: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Teach a concept with a few marked works.

    A linear model is fitted to the works that you mark and ranks all others. Works that are not
    marked count a little as negative, so positive marks are enough to begin with. The concept is
    saved in the index under NAME, as two columns: NAME (yes or no) and NAME_score (0 to 1), for
    --where, facets and labels. The marks are kept: run the command again with more of them to go
    on. 'artsim predict --head NAME' applies it to new pictures. Without NAME the concepts are
    listed.

    Example:

    \b
        artsim teach boats --positive 2c2a82d5f7,a58a533b52 --ask 10
        artsim teach boats --positive more.txt --negative 0304b5def7
        artsim teach boats -k 50 -o boats.csv
        artsim find --where "boats_score > 0.9"
        artsim teach boats --apply indexes/prints
    """
    store = open_store(index)
    if not names:
        if any(given.values()):
            raise click.UsageError(f"name the concept, too: teach {store.path.name} NAME ...")
        _list(store, as_json)
        return
    name = names[0]
    from artsim.prediction import (
        Teacher,
        concept_columns,
        concept_rows,
        delete_concept,
        load_concept,
        save_concept,
    )
    from artsim.search import Works

    if delete:
        delete_concept(store, name)
        echo(f"Deleted the concept {name!r} of {store}", err=True)
        return
    works, before = Works(store), load_concept(store, name)
    teacher = Teacher.of(works, before)
    marks, problems = read_marks(teacher, teacher.marks_of(before), **given)
    if before is None and not len(marks) and not problems:
        raise click.UsageError(f"there is no concept {name!r} yet; mark works with --positive ID")
    print_notes(*problems)
    rows = works.filter.rows(where, ())
    note_unknown(works.filter.unknown(where, ()))
    concept, evaluated = teacher.learn(marks), teacher.evaluate(marks)
    saved = save_concept(name, teacher, concept, evaluated)
    shown = {"likely": concept.ranked(k or _SHOWN, rows), "ask": teacher.ask(concept, ask, rows)}
    found = {use: _rows(works, concept, some.tolist()) for use, some in shown.items()}
    if as_json:
        summary = _summary(saved, concept, evaluated)
        lines = ({"use": use, **row} for use, some in found.items() for row in some)
        print_json_lines([summary, *lines], index=store)
    else:
        _print(store, saved, concept, evaluated)
        own = {"rank", "id", "score", "image", saved.name, saved.score}
        for title, use in _TITLES.items():
            _print_works(title, found[use], own, previews)
    if output is not None:
        chosen = None if k is None and rows is None else concept.ranked(k or works.store.rows, rows)
        found_rows = concept_rows(works, concept, chosen)
        written = write_rows(output, found_rows, concept_columns(works))
        unmarked = 0 if chosen is None else len(concept.unmarked(rows))
        note_cut(written, unmarked, "works without a mark", "without -k it has all", output)
        print_written(None if as_json else output)
    if other is not None:
        _apply(store, name, other, as_json)
    if problems:
        raise click.exceptions.Exit(1)


def _rows(works: Works, concept: Concept, rows: list[int]) -> list[dict[str, Any]]:
    """Return works with their rank and score, for people and as JSON."""
    scores = concept.scores[rows].round(6).tolist()
    return [
        with_metadata({"rank": rank, "id": id_, "score": score, "image": image}, metadata)
        for rank, (score, (id_, image, metadata)) in enumerate(
            zip(scores, works.known(rows), strict=True), 1
        )
    ]


def _summary(saved: SavedConcept, concept: Concept, evaluated: HeldOut | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "concept": saved.name,
        "positive": concept.marks.of(True),
        "negative": concept.marks.of(False),
        "columns": [saved.name, saved.score],
        "yes": saved.yes,
    }
    return found | {"held_out": None if evaluated is None else evaluated.to_json()}


def _print(store: Store, saved: SavedConcept, concept: Concept, evaluated: HeldOut | None) -> None:
    positive, negative = (len(concept.marks.of(sign)) for sign in (True, False))
    echo(f"{saved.name} in {store}: {plural(positive, 'positive mark')}, {negative:,} negative")
    if evaluated is None:
        echo("  From 3 positive and 3 negative marks on, it is tested on marks that are left out.")
    else:
        if evaluated.average_precision > evaluated.chance:
            meaning = "Works that you did not choose are harder: look at the likeliest"
        else:
            meaning = "That is no better than chance: check your marks, or mark more works"
        echo(
            f"  Average precision {fixed(evaluated.average_precision)} among your marks, each left "
            f"out in turn (chance {fixed(evaluated.chance)}). {meaning}"
        )
    echo(
        f"  Saved as the columns {saved.name} ({saved.yes:,} of {saved.rows:,} yes: a score "
        f"above 0.5) and {saved.score}"
    )


def _print_works(
    title: str, rows: list[dict[str, Any]], own: Collection[str], previews: str
) -> None:
    """Print a list of works; ``own`` are the keys of a row that its record does not have."""
    from artsim.report import Caption

    if not rows:
        return
    echo(title)
    protocol = find_protocol(previews)
    if protocol is not None:
        lines = (
            (row["image"], [f"{row['id']}  {fixed(row['score'])}", *Caption.of(row).lines])
            for row in rows
        )
        print_previews(lines, protocol)
        return
    records = [{name: row[name] for name in row if name not in own} for row in rows]
    columns, texts = listed_texts([row["id"] for row in rows], records)
    print_table(
        ["score", "id", *columns],
        [[fixed(row["score"]), row["id"], *cells] for row, cells in zip(rows, texts, strict=True)],
        right=["score"],
    )


def _apply(store: Store, name: str, other: Path, as_json: bool) -> None:
    from artsim.prediction import apply_concept, load_concept

    head, target = load_concept(store, name), open_store(other)
    assert head is not None
    saved = apply_concept(head, target)
    if as_json:
        row = {"concept": saved.name, "applied": True, "yes": saved.yes}
        row["columns"] = [saved.name, saved.score]
        print_json_lines([row], index=target)
    else:
        echo(f"\n{name} in {target}: {saved.yes:,} of {plural(saved.rows, 'picture')} yes")


def _list(store: Store, as_json: bool) -> None:
    from artsim.prediction import concept_names, load_concept

    found = []
    for name in concept_names(store):
        head = load_concept(store, name)
        assert head is not None
        assert head.marks is not None
        counts = {sign: len(head.marks.of(sign == "positive")) for sign in ("positive", "negative")}
        found.append({"concept": name, **counts, "created": head.created})
    if as_json:
        print_json_lines(found, index=store)
    elif found:
        echo(f"Concepts of {store}")
        rows = [[*list(each.values())[:-1], str(each["created"])[:10]] for each in found]
        print_table(list(found[0]), rows, right=["positive", "negative"])
    else:
        echo(f"{store} has no concepts; see 'artsim teach --help'")
