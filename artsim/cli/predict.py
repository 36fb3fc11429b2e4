"""``artsim predict``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.computing import compute_options, make_compute, query_model_option
from artsim.cli.options.index import LEADING_INDEX, index_option, open_store, take_index
from artsim.cli.options.outputs import format_option, rows_option
from artsim.cli.options.values import FOLDER, count_cores
from artsim.cli.output import (
    check_rows_file,
    print_json_lines,
    print_table,
    show_progress,
    wants_json,
    write_rows,
)
from artsim.cli.predict_run import predict_by_run

if TYPE_CHECKING:
    from artsim.models import Compute, Extractor
    from artsim.prediction import Head, Prediction, Predictor
    from artsim.store import Failure, Store

_COLUMNS = {
    "id": "string",
    "image": "string",
    "label": "string",
    "predicted": "string",
    "confidence": "double",
    "catalog": "string",
    "agrees": "bool",
    "seen": "bool",
    "classes": "string",
    "neighbors": "string",
}


@cloup.command()
@click.argument(
    "pictures",
    nargs=-1,
    metavar="[INDEX] [PICTURE]",
    callback=take_index(most=1),
    is_eager=True,
    help=LEADING_INDEX,
)
@cloup.option_group(
    "Pictures",
    click.option(
        "--id", "ids", multiple=True, metavar="ID", help="A work of the index. Repeat for more."
    ),
)
@cloup.option_group(
    "Model",
    index_option,
    click.option(
        "--head",
        "head_name",
        metavar="NAME",
        help="Probe saved by 'artsim probe', or the path of its .json.  [default: the newest]",
    ),
    click.option(
        "--run",
        metavar="RUN",
        type=FOLDER,
        help="Predict with a network trained by 'artsim train' instead: its folder, or its name "
        "in runs/. Pictures already in --output are skipped.",
    ),
)
@cloup.option_group(
    "Predictions",
    click.option(
        "--min-confidence",
        type=click.FloatRange(0, 1),
        default=0.0,
        metavar="P",
        help="Predict nothing if no class is this likely.  [default: always predict]",
    ),
    click.option(
        "--top",
        type=click.IntRange(1),
        default=5,
        show_default=True,
        metavar="N",
        help="Classes listed with their probabilities.",
    ),
    click.option(
        "-k",
        "neighbors",
        type=click.IntRange(0),
        default=5,
        show_default=True,
        metavar="N",
        help="Similar works shown as evidence.",
    ),
)
@cloup.option_group("Output", rows_option("a row for each picture and label"), format_option)
@cloup.option_group("Compute", query_model_option, compute_options)
def predict(
    pictures: tuple[str, ...],
    ids: tuple[str, ...],
    head_name: str | None,
    run: Path | None,
    min_confidence: float,
    neighbors: int,
    top: int,
    output: Path | None,
    index: Path | None,
    model: str | None,
    device: str,
    backend: str,
    precision: str,
    weights: Path | None,
    as_json: bool | None,
) -> None:
    """Predict the labels of pictures.

    PICTURE is a picture, or a folder or table of them; --id predicts works of the index. A probe
    saved by 'artsim probe' gives the probability of each class. Next to it are the catalog's
    value and the most similar works of the index with their labels. Predictions for pictures of
    the training set are marked, since they are no evidence. With --run a network trained by
    'artsim train' predicts.

    Example:

    \b
        artsim predict query.jpg --head artist+style
        artsim predict --id 002ff77bbd --min-confidence 0.5
        artsim predict new-photos/ --head medium -o predictions.csv
        artsim predict new-photos/ --run heritage-two-stage-20260102-030405 -o predictions.csv
    """
    picture, out = (Path(pictures[0]) if pictures else None), output
    if (picture is None) == (not ids):
        raise click.UsageError("name a picture, a folder or table of pictures, or --id ID")
    check_rows_file(out)
    if run is not None:
        if head_name or index or model or weights:
            raise click.UsageError(
                "--run brings its own network; leave out --head, --index and --model"
            )
        predict_by_run(
            run,
            picture,
            ids,
            top=top,
            out=out,
            columns=_COLUMNS,
            as_row=_as_row,
            show=_print_told,
            device=device,
            as_json=as_json,
        )
        return
    store = open_store(index)
    from artsim.prediction import Predictor, find_head, load_head, predict_ids, predict_picture

    head = load_head(find_head(store, head_name))
    several = picture is not None and _is_collection(picture)
    compute = _compute(several, device, backend, precision)
    predictor = Predictor(
        store,
        head,
        extractor=lambda: _load(store, model, weights, compute),
        neighbors=neighbors,
        top=top,
        min_confidence=min_confidence,
    )
    if model is not None or weights is not None:
        _ = predictor.extractor  # what was named is held to its passport, needed or not
    if picture is not None and several:
        _predict_collection(predictor, picture, out, as_json)
        return
    found = predict_picture(predictor, picture) if picture else list(predict_ids(predictor, ids))
    if out is not None:
        write_rows(out, map(_as_row, found), _COLUMNS)
        click.echo(f"{len(found):,} predictions written to {out}", err=True)
    elif wants_json(as_json):
        print_json_lines(each.to_json() for each in found)
    elif len({each.id for each in found}) == 1:
        _print_one(head, found)
    else:
        _print_many(found)


def _is_collection(picture: Path) -> bool:
    from artsim.readers import is_picture

    return picture.is_dir() or (picture.is_file() and not is_picture(picture.name))


def _compute(several: bool, device: str, backend: str, precision: str) -> Compute | None:
    """Choose nothing for one picture unless asked: the library's own way is then the quickest."""
    if not several and (device, backend, precision) == ("auto", "auto", "auto"):
        return None
    return make_compute(device, backend, precision)


def _load(
    store: Store, model: str | None, weights: Path | None, compute: Compute | None
) -> Extractor:
    from artsim.search import load_index_extractor

    return load_index_extractor(store, model=model, weights=weights, compute=compute)


def _predict_collection(
    predictor: Predictor, source: Path, out: Path | None, as_json: bool | None
) -> None:
    from artsim.prediction import predict_collection
    from artsim.readers import read_collection

    failures: list[Failure] = []
    catalog = read_collection(source)
    with show_progress("Predicting") as update:
        results = predict_collection(predictor, catalog, workers=count_cores(), progress=update)
        found = _without_failures(results, failures)
        if out is not None:
            count = write_rows(out, map(_as_row, found), _COLUMNS)
        elif wants_json(as_json):
            print_json_lines(each.to_json() for each in found)
        else:
            _print_many(list(found))
    if out is not None:
        click.echo(f"{count:,} predictions written to {out}", err=True)
    for failure in failures:
        click.echo(f"Not predicted: {failure.image or failure.id}: {failure.reason}", err=True)


def _without_failures(
    results: Iterator[Prediction | Failure], failures: list[Failure]
) -> Iterator[Prediction]:
    from artsim.store import Failure

    for each in results:
        if isinstance(each, Failure):
            failures.append(each)
        else:
            yield each


def _print_one(head: Head, found: Sequence[Prediction]) -> None:
    click.echo(f"{found[0].id}, by head {head.name} of {head.index} ({head.tap})")
    _print_labels(found, "the head was fitted on this picture")
    if found[0].neighbors:
        click.echo("\nNearest")
        columns = [each.label for each in found]
        rows = [
            [f"{near.score:.3f}", near.id, *(_shown(each.neighbors[i].value) for each in found)]
            for i, near in enumerate(found[0].neighbors)
        ]
        print_table(["score", "id", *columns], rows, right=["score"])


def _print_told(found: Sequence[Prediction]) -> None:
    if len({each.id for each in found}) == 1:
        click.echo(found[0].id)
        _print_labels(found, "the network learned from this picture, or was chosen by it")
    else:
        _print_many(found)


def _print_labels(found: Sequence[Prediction], where_seen: str) -> None:
    for each in found:
        click.echo(f"\n{each.label}: {_shown(each.predicted) or 'not sure enough to say'}")
        if each.error is not None:
            click.echo(f"  wrong by {each.error:.3g} on average")
        for guess in each.guesses:
            click.echo(f"  {guess.probability:.3f}  {guess.name}")
        if each.catalog is not None:
            click.echo(f"  The catalog says: {_shown(each.catalog)}")
        if each.seen:
            click.echo(f"  Note: {where_seen}, so its answer is no evidence")


def _print_many(found: Sequence[Prediction]) -> None:
    rows = [
        [
            each.id,
            each.label,
            _shown(each.predicted),
            "" if each.confidence is None else f"{each.confidence:.3f}",
            _shown(each.catalog) + (" (fitted on)" if each.seen else ""),
        ]
        for each in found
    ]
    columns = ["id", "label", "predicted", "confidence", "catalog"]
    if rows:
        print_table(columns, rows, right=["confidence"])


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _as_row(each: Prediction) -> dict[str, Any]:
    return {
        "id": each.id,
        "image": each.image,
        "label": each.label,
        "predicted": _shown(each.predicted) or None,
        "confidence": each.confidence,
        "catalog": _shown(each.catalog) or None,
        "agrees": each.agrees,
        "seen": each.seen,
        "classes": json.dumps({g.name: round(g.probability, 4) for g in each.guesses},
                              ensure_ascii=False),
        "neighbors": json.dumps(
            [{"id": n.id, "score": round(n.score, 4), "value": n.value} for n in each.neighbors],
            ensure_ascii=False,
        ),
    }  # fmt: skip
