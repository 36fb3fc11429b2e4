"""``artsim publish``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import cloup

from artsim.cli.options.index import index_option, open_store, words_argument
from artsim.cli.options.outputs import format_option
from artsim.cli.options.published import milvus_token
from artsim.cli.options.values import PUBLISHED
from artsim.cli.output import echo, print_json_lines, show_progress
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.search.published import PublishSummary
    from artsim.store import Store


@cloup.command()
@words_argument("addresses", "[ADDRESS]...")
@cloup.option_group("Index", index_option)
@cloup.option_group("Output", format_option)
def publish(index: Path | None, addresses: tuple[str, ...], as_json: bool) -> None:
    """Publish an index to a vector database, which then searches it.

    ADDRESS is lance:FOLDER or lance:s3://BUCKET/PATH for LanceDB (the extra 'lance'), or
    milvus:http://HOST:19530 for Milvus (the extra 'milvus'; MILVUS_TOKEN is its token). Without
    ADDRESS, every database that the index was published to is brought up to date; only what has
    changed is sent.

    The vectors are copied. The index folder is still needed: 'similar', 'serve' and 'knn-eval' with
    --index ADDRESS read metadata and conditions from it, and refuse a copy that is out of date.

    Example:

    \b
        artsim publish indexes/paintings lance:published/paintings
        artsim publish indexes/paintings milvus:http://localhost:19530
        artsim similar 002ff77bbd --index lance:published/paintings
    """
    wrong = [address for address in addresses if not address.startswith(PUBLISHED)]
    if wrong:
        raise click.UsageError(
            f"{wrong[0]!r} is no address; give lance:FOLDER, lance:s3://BUCKET/PATH or "
            "milvus:http://HOST:19530"
        )
    store = open_store(index)
    from artsim.search.published import publish as publish_to
    from artsim.search.published import published_addresses

    places = addresses or published_addresses(store.path)
    if not places:
        raise click.UsageError(
            f"{str(store)!r} is not published yet; give an address, such as "
            f"lance:published/{store.path.name}"
        )
    for address in places:
        with show_progress("publishing") as progress:
            summary = publish_to(store, address, token=milvus_token(), progress=progress)
        if as_json:
            print_json_lines([vars(summary)], index=store)
        else:
            _print(store, summary)


def _print(store: Store, summary: PublishSummary) -> None:
    echo(f"{store}: {plural(summary.rows, 'picture')} at {summary.address}")
    old = f", {plural(summary.removed, 'old part')} removed" if summary.removed else ""
    echo(f"  {summary.added:,} added, {summary.kept:,} kept{old}")
    for tap, recall in summary.recall.items():
        echo(f"  searches by {tap} without conditions are approximate: recall@10 {recall:.3f}")
