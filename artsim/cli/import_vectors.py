"""``artsim import-vectors``."""

from __future__ import annotations

from pathlib import Path

import click

from artsim.cli.options import FOLDER, INDEXES, PICTURE, count_cores


@click.command("import-vectors")
@click.argument("vectors", type=PICTURE)
@click.option(
    "--catalog",
    metavar="COLLECTION",
    help="What is known of the pictures, joined by id: as for 'artsim embed'.",
)
@click.option(
    "-o", "--output", metavar="DIR", type=FOLDER, help="The index folder.  [default: indexes/NAME]"
)
@click.option("--id-column", metavar="NAME", help="Column of VECTORS with the ids.")
@click.option(
    "--vector-column",
    "vector_columns",
    multiple=True,
    metavar="NAME",
    help="Column of VECTORS with lists, or columns of numbers such as 'f*'. Repeat for more.",
)
@click.option(
    "--ids", metavar="FILE", type=PICTURE, help="For an .npy: its ids, one a line, in its order."
)
@click.option("--tap", metavar="NAME", help="Call the vectors so.  [default: as their column]")
@click.option("--catalog-id", metavar="NAME", help="Column of the catalog with the ids.")
@click.option(
    "--images",
    metavar="DIR",
    type=FOLDER,
    help="Folder that the catalog's picture paths are relative to.",
)
def import_vectors(
    vectors: Path,
    catalog: str | None,
    output: Path | None,
    id_column: str | None,
    vector_columns: tuple[str, ...],
    ids: Path | None,
    tap: str | None,
    catalog_id: str | None,
    images: Path | None,
) -> None:
    """Make an index of vectors that someone else computed; no network is run.

    VECTORS is a CSV or Parquet of ids and numbers (a column of lists such as [0.1, 0.2], or
    numbered columns f0, f1, ...), or an .npy with --ids. The index answers 'similar --id' and
    'knn-eval'; how a new picture would be embedded is not known.

    Example:

    \b
        artsim import-vectors features.csv --catalog mame/ --vector-column 'MobileNetV1 features'
        artsim import-vectors clip.npy --ids ids.txt -o indexes/clip
    """
    from artsim.external.files import open_vectors
    from artsim.readers import ReaderOptions, read_collection

    if catalog is None and (catalog_id or images):
        raise click.UsageError("--catalog-id and --images are of the catalog; add --catalog")
    file = open_vectors(vectors, ids=ids, id_column=id_column, vector_columns=vector_columns)
    read = None
    if catalog is not None:
        options = ReaderOptions(id_column=catalog_id, images=images)
        read = read_collection(catalog, options=options)

    from artsim.external.adopt import import_vectors as adopt

    path = output or INDEXES / (read.name if read else file.path.stem)
    summary = adopt(file, path, catalog=read, tap=tap, workers=count_cores())
    click.echo(f"{summary.path}: {summary.rows:,} vectors of {summary.dim:,} ({summary.tap})")
    if summary.unused or summary.without:
        click.echo(
            f"  {summary.unused:,} vectors could not be used, {summary.without:,} rows of the "
            f"catalog have none: see 'artsim info --failures --index {summary.path}'",
            err=True,
        )
