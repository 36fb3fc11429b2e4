"""``artsim similar``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import allow_private_option, where_option
from artsim.cli.options.computing import (
    choose_gpu,
    compute_for_few,
    compute_options,
    make_compute,
    make_encoder,
    query_model_option,
)
from artsim.cli.options.index import (
    index_option,
    root_option,
    tap_option,
    words_argument,
)
from artsim.cli.options.labels import column_option
from artsim.cli.options.outputs import format_option, rows_option, strict_option
from artsim.cli.options.published import open_searched
from artsim.cli.options.values import PICTURE, count_cores, count_option, split_names
from artsim.cli.output import print_notes, show_progress
from artsim.cli.similar_batch import answer_batch, pictures_of, read_ids
from artsim.cli.similar_outputs import Outputs, output_options, write_outputs
from artsim.cli.similar_query import (
    TermReader,
    cut,
    other_indexes,
    read_aspects,
    read_limits,
)
from artsim.datatypes import shell_word

if TYPE_CHECKING:
    from artsim.search import IndexEncoder, SearchAnswer, Searcher, SearchRequest, Term


@cloup.command()
@words_argument("queries", "[PICTURE|ID|URL|FOLDER]...", published=True)
@cloup.option_group(
    "Query",
    click.option(
        "--id", "ids", multiple=True, metavar="ID", help="A work of the index. Repeat for more."
    ),
    click.option(
        "--text",
        "texts",
        multiple=True,
        metavar="WORDS",
        help="Words, for CLIP models or --by text; those with a - before them count against: "
        "'boat -sea'. Repeat for more.",
    ),
    click.option("--plus", multiple=True, metavar="QUERY", help="Add a picture, ID or text:WORDS."),
    click.option(
        "--minus", multiple=True, metavar="QUERY", help="Subtract a picture, ID or text:WORDS."
    ),
    click.option(
        "--any",
        "best_of_each",
        is_flag=True,
        help="Rank by the closest query instead of the mean of all queries.",
    ),
    click.option(
        "--crop",
        metavar="X,Y,W,H",
        help="Search with a detail of the picture, in pixels, percent or fractions: "
        "10%,10%,30%,40% or 0.1,0.1,0.3,0.4.",
    ),
    click.option(
        "--details",
        is_flag=True,
        help="Find works that contain the query as a detail, and where. Needs an index made with "
        "'artsim embed --tiles 3'.",
    ),
    click.option(
        "--verify",
        is_flag=True,
        help="With --details: also compare where the parts of the detail lie, and rank by that. "
        "Takes seconds, and needs a convolutional network.",
    ),
    allow_private_option,
)
@cloup.option_group(
    "Index",
    index_option,
    root_option,
    tap_option(),
    click.option(
        "--by",
        metavar="TAP=W,...",
        callback=read_aspects,
        help="Compare by several taps with weights; see above.",
    ),
    column_option(
        "--text-columns",
        multiple=True,
        metavar="COLUMN,...",
        callback=split_names,
        help="Columns whose words the text of --by compares.  [default: all columns of text]",
    ),
)
@cloup.option_group(
    "Matches",
    count_option("-k", default=10, help="Number of matches."),
    where_option,
    column_option(
        "--not-same",
        multiple=True,
        help="Only works with a different value from the queries. Repeat for more.",
    ),
    click.option(
        "--earlier-than", metavar="YEAR|ID", help="Only works made before this year or work."
    ),
    click.option(
        "--contemporary",
        type=int,
        metavar="N",
        help="Only works made within N years of the query.",
    ),
    column_option("--years", help="Column with the years.  [default: chosen by type or name]"),
    click.option(
        "--max-per",
        multiple=True,
        metavar="COLUMN=N",
        callback=read_limits,
        help="At most N matches with the same value. Repeat for more.",
    ),
    column_option(
        "--collapse",
        multiple=True,
        help="At most one match with the same value. Repeat for more.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="ID", help="Leave out this work. Repeat for more."
    ),
    click.option(
        "--min-percentile",
        type=click.FloatRange(0, 100),
        metavar="P",
        help="Only matches more similar than P% of random pairs.",
    ),
)
@cloup.option_group(
    "Many queries",
    rows_option("the matches of each picture or ID, searched separately,"),
    click.option(
        "--ids",
        "id_file",
        metavar="FILE",
        type=PICTURE,
        help="File of IDs to search, one per line.",
    ),
    strict_option("a query failed; otherwise only if all failed"),
)
@cloup.option_group("Output", *output_options, format_option)
@cloup.option_group("Compute", query_model_option, *compute_options)
@click.pass_context
def similar(
    ctx: click.Context,
    /,
    queries: tuple[str, ...],
    ids: tuple[str, ...],
    texts: tuple[str, ...],
    plus: tuple[str, ...],
    minus: tuple[str, ...],
    crop: str | None,
    index: Path | None,
    tap: str | None,
    allow_private: bool,
    output: Path | None,
    id_file: Path | None,
    strict: bool,
    as_json: bool,
    verify: bool,
    **settings: Any,
) -> None:
    """Find the works most similar to a picture, a work or words.

    A query is a picture file, the ID of a work or a URL; several are averaged. A number and a
    star give a query a weight: '1.5*gold.jpg'. The score is the cosine similarity, 1 for the same
    picture; the percentile is the share of random pairs in the index that are less similar.

    With conditions, all works that meet them are compared. Works with a missing value never meet a
    condition on that column, while --max-per and --collapse keep them all. If nothing is found, the
    exit status is 0.

    --by names taps of the index. 'style' is its Gram tap, 'content' its other tap, 'palette' the
    colors; INDEX:TAP is a tap of another index of the same works. The score is the weighted mean of
    the cosines, which are shown next to it. 'image' is the picture, 'text' the words of its record
    (TF-IDF of --text-columns): then --text WORDS are compared with the records, by any model.

    Example:

    \b
        artsim similar query.jpg -k 10
        artsim similar 002ff77bbd --where "style = 'Baroque' and year < 1650" --not-same artist
        artsim similar saint.jpg --plus '1.5*gold.jpg' --minus crucifix.jpg
        artsim similar 002ff77bbd --crop 10%,10%,30%,40% --max-per artist=2 --sheet matches.png
        artsim similar halo.jpg --details --verify --sheet halos.png
        artsim similar 002ff77bbd --by image=0.7,text=0.3 --text-columns title,medium
        artsim similar queries/ -k 10 -o matches.parquet
    """
    if not (queries or ids or texts or plus or id_file):
        raise click.UsageError("name a picture file, the id of a work, or --text WORDS")
    outputs = Outputs.take(settings)
    # Path raises if a name is too long.
    folders = [text for text in queries if os.path.isdir(text)]  # noqa: PTH112
    if output is None and (folders or id_file):
        source = "--ids" if id_file else f"the folder {folders[0]!r}"
        raise click.UsageError(
            f"{source} holds many queries; write their matches to a .parquet or .csv file with "
            "--output FILE"
        )
    if output is not None and outputs.files:
        raise click.UsageError(f"{outputs.files[0]} shows one query; leave it out, or --output")
    _check_pairs(settings, output, strict=strict)
    if verify and (output is not None or not settings["details"]):
        raise click.UsageError("--verify needs --details, and one query without --output")
    if crop is not None and (output is not None or len(queries) + len(ids) != 1):
        raise click.UsageError(
            "--crop takes a detail of one picture; use one file or ID as the query"
        )
    searcher, encoder = _open(index, tap, settings, many=output is not None)
    from artsim.search import SearchRequest, Term, read_words

    reader = TermReader(searcher.works, allow_private)
    settings["max_per"] |= dict.fromkeys(settings.pop("collapse"), 1)
    settings["earlier_than"] = reader.year_or_id(settings["earlier_than"])
    common = [
        *(cut(Term(id=id_), crop) for id_ in ids),
        *(term for text in texts for term in read_words(text)),
        *(reader.read(text) for text in plus),
        *(reader.read(text, sign=-1.0) for text in minus),
    ]
    if output is None:
        own = [reader.read(text, box=crop) for text in queries]
        request = SearchRequest(terms=(*own, *common), **settings)
        answer = _verified(searcher, encoder, request) if verify else searcher.search(request)
        _note_detail(searcher, is_cut=crop is not None, inside=settings["details"])
        write_outputs(searcher, answer, outputs, encoder, k=request.k, as_json=as_json)
        return
    each: list[Term] = []
    for text in queries:
        files = pictures_of(Path(text)) if text in folders else []
        each += [Term(file=file) for file in files] or [reader.read(text)]
    each += [Term(id=id_) for id_ in (read_ids(id_file) if id_file else ())]
    if not each:
        raise click.UsageError(
            "--output searches with each picture of a folder, or each ID; name some"
        )
    requests = [SearchRequest(terms=(term, *common), **settings) for term in each]
    failed = answer_batch(searcher, requests, output)
    if failed and (strict or failed == len(each)):
        ctx.exit(1)


def _note_detail(searcher: Searcher, *, is_cut: bool, inside: bool) -> None:
    """Note that a detail is not looked for inside of works, if so, and what would find it there."""
    if inside or not is_cut:
        return
    manifest = searcher.store.manifest
    embed = f"'artsim embed {shell_word(manifest.source)} --tiles 3 -o DIR'"
    made = "" if manifest.tiles else f"{embed} and "
    print_notes(
        "the detail is compared with whole pictures; to find works that contain it, use "
        f"{made}--details"
    )


def _verified(searcher: Searcher, encoder: IndexEncoder, request: SearchRequest) -> SearchAnswer:
    """Search for details, and rank what is found by where their parts lie."""
    from artsim.motifs import MotifFinder, candidates, verify_matches

    answer = searcher.search(replace(request, k=candidates(request.k)))
    with show_progress("Comparing") as progress:
        finder = MotifFinder(searcher.store, encoder.by_torch)
        return verify_matches(answer, finder, searcher.works, request.k, progress=progress)


def _check_pairs(settings: dict[str, Any], output: Path | None, *, strict: bool) -> None:
    """Refuse options that have no effect without others, or with them."""
    if strict and output is None:
        raise click.UsageError("--strict needs --output FILE; use both")
    dated = settings["earlier_than"] is not None or settings["contemporary"] is not None
    if settings["years"] is not None and not dated:
        raise click.UsageError("--years needs --earlier-than or --contemporary; use one of them")
    if settings["details"] and settings["by"]:
        raise click.UsageError("--details compares by one tap; use --tap instead of --by")


def _open(
    index: Path | str | None, tap: str | None, settings: dict[str, Any], *, many: bool
) -> tuple[Searcher, IndexEncoder]:
    """Make the searcher; a model that is named is checked against the passport, needed or not."""
    store, searched_by = open_searched(index)
    from artsim.search import IndexEncoder, Searcher

    model, weights = settings.pop("model"), settings.pop("weights")
    gpu = choose_gpu(settings["device"], many=many)
    chosen = tuple(settings.pop(name) for name in ("device", "backend", "precision"))
    compute = make_compute(*chosen) if many else compute_for_few(*chosen)
    encoder = IndexEncoder(store, model=model, weights=weights, compute=compute)
    if model is not None or weights is not None:
        _ = encoder.extractor
    others = other_indexes(
        settings["by"], lambda other: make_encoder(other, store, weights, compute)
    )
    workers = count_cores() if many else 1
    searcher = Searcher(
        store,
        tap=tap,
        others=others,
        encoder=encoder,
        gpu=gpu,
        workers=workers,
        backend=searched_by,
    )
    return searcher, encoder
