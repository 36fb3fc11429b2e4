"""``artsim import-vectors``."""

from __future__ import annotations

from pathlib import Path

import click
import cloup

from artsim.cli.options.collection import images_option
from artsim.cli.options.outputs import folder_option
from artsim.cli.options.values import INDEXES, PICTURE, count_cores
from artsim.cli.output import echo
from artsim.datatypes import plural, shell_word


@cloup.command("import-vectors")
@click.argument("vectors", type=PICTURE)
@cloup.option_group(
    "Vectors",
    click.option("--id-column", metavar="NAME", help="Column of VECTORS with the ids."),
    click.option(
        "--vector-column",
        "vector_columns",
        multiple=True,
        metavar="NAME",
        help="Column of lists, or number columns by a pattern such as 'f*'. Repeat for more.",
    ),
    click.option(
        "--ids", metavar="FILE", type=PICTURE, help="Ids of an .npy file's rows, one per line."
    ),
    click.option(
        "--tap", metavar="NAME", help="Name of the vectors in the index.  [default: their column]"
    ),
)
@cloup.option_group(
    "Catalog",
    click.option(
        "--catalog",
        metavar="COLLECTION",
        help="Collection with metadata and pictures, joined by id: as for 'artsim embed'.",
    ),
    click.option("--catalog-id", metavar="NAME", help="Column of the catalog with the ids."),
    images_option,
)
@cloup.option_group("Index", folder_option("Index folder", default="indexes/NAME"))
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
    """Create an index from vectors computed elsewhere.

    VECTORS is a CSV or Parquet file with ids and numbers (a column of lists such as [0.1, 0.2],
    or columns f0, f1, ...), or an .npy file with --ids. No model is run, so the index answers
    'similar --id' and 'knn-eval', but not queries by new pictures.

    Example:

    \b
        artsim import-vectors features.csv --catalog mame/ --vector-column 'MobileNetV1 features'
        artsim import-vectors clip.npy --ids ids.txt -o indexes/clip
    """
    if catalog is None and (catalog_id or images):
        raise click.UsageError("--catalog-id and --images describe a catalog; add --catalog")
    from artsim.external import import_vectors as run
    from artsim.external import open_vectors
    from artsim.readers import ReaderOptions, read_collection

    file = open_vectors(vectors, ids=ids, id_column=id_column, vector_columns=vector_columns)
    read = None
    if catalog is not None:
        options = ReaderOptions(id_column=catalog_id, images=images)
        read = read_collection(catalog, options=options)
    path = output or INDEXES / (read.name if read else file.path.stem)
    summary = run(file, path, catalog=read, tap=tap, workers=count_cores())
    echo(f"{summary.path}: {summary.rows:,} vectors of {summary.dim:,} ({summary.tap})")
    if summary.unused or summary.without:
        echo(
            f"  {plural(summary.unused, 'vector')} could not be used, "
            f"{plural(summary.without, 'row')} of the catalog without a vector: "
            f"see 'artsim info {shell_word(summary.path)} --failures'",
            err=True,
        )
