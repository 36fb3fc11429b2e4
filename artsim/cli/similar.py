"""``artsim similar``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options import (
    NEW_FILE,
    PICTURE,
    compute_options,
    count_cores,
    format_option,
    index_option,
    make_compute,
    open_store,
    tap_option,
)
from artsim.cli.output import check_rows_file
from artsim.cli.searching import choose_gpu, make_encoder
from artsim.cli.similar_batch import answer_batch, pictures_of, read_ids
from artsim.cli.similar_outputs import Outputs, output_options, write_outputs
from artsim.cli.similar_question import TermReader, is_folder, limits, other_indexes, read_aspects

if TYPE_CHECKING:
    from artsim.search import IndexEncoder, Question, Searcher, Term


@click.command()
@click.argument("asked", nargs=-1, metavar="[PICTURE|ID|URL|FOLDER]...")
@click.option("--id", "ids", multiple=True, metavar="ID", help="Ask by a work of the index.")
@click.option("--text", "texts", multiple=True, metavar="WORDS", help="Ask by words (CLIP models).")
@click.option("--plus", multiple=True, metavar="ASKED", help="Add a picture, ID or text:WORDS.")
@click.option("--minus", multiple=True, metavar="ASKED", help="Take one away.")
@click.option(
    "--any", "best_of_each", is_flag=True, help="As like as to the nearest of them, not their mean."
)
@click.option("--crop", metavar="X,Y,W,H", help="A detail of the picture: pixels, or each with %.")
@click.option(
    "--details",
    is_flag=True,
    help="Find the works that hold it, and where: by their tiles ('artsim embed --tiles 3').",
)
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@click.option("--by", metavar="TAP=W,...", help="Compare by several taps, weighted; see above.")
@click.option(
    "--where", metavar="SQL", help="Only works that meet a condition on metadata and labels."
)
@click.option(
    "--not-same",
    multiple=True,
    metavar="COLUMN",
    help="Only works that differ in it from those asked by.",
)
@click.option("--earlier-than", metavar="YEAR|ID", help="Only works made before it.")
@click.option("--contemporary", type=int, metavar="N", help="Only works made within N years of it.")
@click.option("--years", metavar="COLUMN", help="Where the years are.  [default: by type or name]")
@click.option(
    "--max-per", multiple=True, metavar="COLUMN=N", help="At most N matches of one value."
)
@click.option("--collapse", multiple=True, metavar="COLUMN", help="At most one match of one value.")
@click.option("--exclude", multiple=True, metavar="ID", help="Not this work. Repeat for more.")
@click.option(
    "--min-percentile",
    type=click.FloatRange(0, 100),
    metavar="P",
    help="Only what is more alike than P % of random pairs.",
)
@click.option(
    "--allow-private", is_flag=True, help="Fetch URLs from this machine's own network too."
)
@click.option(
    "--out",
    metavar="FILE",
    type=NEW_FILE,
    help="Ask by each picture and ID apart; write a .csv or .parquet file of all matches.",
)
@click.option("--ids", "id_file", metavar="FILE", type=PICTURE, help="IDs for --out, one a line.")
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 1 if one of --out could not be asked, not only if none could.",
)
@index_option
@tap_option
@output_options
@click.option(
    "-m",
    "--model",
    metavar="SPEC",
    help="Embed the query by this; refused unless it is the index's own.",
)
@compute_options
@format_option
@click.pass_context
def similar(
    ctx: click.Context,
    /,
    asked: tuple[str, ...],
    ids: tuple[str, ...],
    texts: tuple[str, ...],
    plus: tuple[str, ...],
    minus: tuple[str, ...],
    crop: str | None,
    index: Path | None,
    tap: str | None,
    by: str | None,
    allow_private: bool,
    out: Path | None,
    id_file: Path | None,
    strict: bool,
    as_json: bool | None,
    **settings: Any,
) -> None:
    """Find the works of an index that look most like a picture, several of them, or words.

    What is asked by is a picture file, a work's ID or a web address; several are averaged. A
    number and a star weigh one: '1.5*gold.jpg'. The score is the cosine of the vectors, 1 for the
    same picture; the percentile says how many per cent of random pairs of the index are no more
    alike. Under conditions the works that meet them are all compared. A work that says nothing
    in a column meets no condition on it, and counts as different from all in --max-per and
    --collapse. Where nothing is found, that is said, and the exit code is 0.

    --by names taps, or 'style' (the Gram tap), 'palette' (the colors) and 'content' (the other
    one), or INDEX:TAP of another index of the same works; the score is the weighted mean of the
    cosines.

    Example:

    \b
        artsim similar query.jpg -k 10
        artsim similar 002ff77bbd --where "style = 'Baroque' and year < 1650" --not-same artist
        artsim similar saint.jpg --plus '1.5*gold.jpg' --minus crucifix.jpg
        artsim similar 002ff77bbd --crop 10%,10%,30%,40% --max-per artist=2 --sheet matches.png
        artsim similar halo.jpg --details --sheet halos.png
        artsim similar queries/ -k 10 --out matches.parquet
    """
    if not (asked or ids or texts or plus or id_file):
        raise click.UsageError("give a picture file, or --id ID, or --text WORDS")
    check_rows_file(out)
    outputs = Outputs.take(settings)
    folders = [text for text in asked if is_folder(text)]
    if out is None and (folders or id_file):
        source = "--ids" if id_file else f"the folder {folders[0]!r}"
        raise click.UsageError(
            f"{source} asks many questions; give --out FILE.parquet or FILE.csv for the answers"
        )
    if out is not None and outputs.files:
        raise click.UsageError(f"{outputs.files[0]} would show one question; leave out --out or it")
    _check_pairs(settings, by, out, strict=strict)
    if crop is not None and (out is not None or len(asked) + len(ids) != 1):
        raise click.UsageError("--crop cuts a detail out of one picture; ask by one file or ID")
    searcher, encoder = _open(index, tap, by, out, settings)
    reader = TermReader(searcher.works, allow_private)
    settings["earlier_than"] = reader.year_or_id(settings["earlier_than"])
    common = [
        *(reader.id(id_, box=crop) for id_ in ids),
        *(reader.words(text) for text in texts),
        *(reader.read(text) for text in plus),
        *(reader.read(text, sign=-1.0) for text in minus),
    ]
    if out is None:
        own = [reader.read(text, box=crop) for text in asked]
        question = _question((*own, *common), by, settings)
        write_outputs(searcher, searcher.ask(question), outputs, encoder, as_json=as_json)
        return
    each = [term for text in asked for term in _read_each(reader, text)]
    each += [reader.id(id_) for id_ in (read_ids(id_file) if id_file else ())]
    if not each:
        raise click.UsageError("--out asks by each picture of a folder or ID; name some")
    failed = answer_batch(
        searcher,
        each,
        lambda term: _question((term, *common), by, settings),
        out,
        aspects=[aspect.name for aspect in read_aspects(by)],
        details=settings["details"],
    )
    if failed and (strict or len(failed) == len(each)):
        ctx.exit(1)


def _check_pairs(
    settings: dict[str, Any], by: str | None, out: Path | None, *, strict: bool
) -> None:
    """Refuse options that say something of others which are not given, or not together."""
    if strict and out is None:
        raise click.UsageError("--strict is of the questions of --out FILE; give both")
    dated = settings["earlier_than"] is not None or settings["contemporary"] is not None
    if settings["years"] is not None and not dated:
        raise click.UsageError("--years is for --earlier-than and --contemporary; give one of them")
    if settings["details"] and by is not None:
        raise click.UsageError("--details looks by one tap; leave out --by, or name it with --tap")


def _open(
    index: Path | None, tap: str | None, by: str | None, out: Path | None, settings: dict[str, Any]
) -> tuple[Searcher, IndexEncoder]:
    """Open the index; what is named of the network is held to its passport, needed or not."""
    store = open_store(index)
    from artsim.search import IndexEncoder, Searcher

    model, weights = settings.pop("model"), settings.pop("weights")
    gpu = choose_gpu(settings["device"], many=out is not None)
    chosen = tuple(settings.pop(name) for name in ("device", "backend", "precision"))
    # For one picture the library's own way is the quickest.
    compute = None if out is None and set(chosen) == {"auto"} else make_compute(*chosen)
    encoder = IndexEncoder(store, model=model, weights=weights, compute=compute)
    if model is not None or weights is not None:
        _ = encoder.extractor
    others = other_indexes(
        read_aspects(by), lambda other: make_encoder(other, store, weights, compute)
    )
    workers = 1 if out is None else count_cores()
    searcher = Searcher(store, tap=tap, others=others, encoder=encoder, gpu=gpu, workers=workers)
    return searcher, encoder


def _question(terms: tuple[Term, ...], by: str | None, settings: dict[str, Any]) -> Question:
    """Make the question of the options whose names are the library's, and those that are not."""
    from artsim.search import Question

    options = dict(settings)
    return Question(
        terms=terms,
        by=read_aspects(by),
        max_per=limits(options.pop("max_per"), options.pop("collapse")),
        **options,
    )


def _read_each(reader: TermReader, text: str) -> list[Term]:
    from artsim.search import Term

    if is_folder(text):
        return [Term(file=file) for file in pictures_of(Path(text))]
    return [reader.read(text)]
