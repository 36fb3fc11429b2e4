"""``artsim predict``."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.computing import (
    compute_for_few,
    compute_options,
    make_compute,
    query_model_option,
)
from artsim.cli.options.index import index_option, is_index_named, open_store, words_argument
from artsim.cli.options.labels import hierarchy_option, min_confidence_option
from artsim.cli.options.outputs import format_option, rows_option
from artsim.cli.options.values import FOLDER, RUNS, count_cores, count_option
from artsim.cli.output import (
    echo,
    fixed,
    print_json_lines,
    print_table,
    show_progress,
    write_rows,
)
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.labels.trees import Hierarchy
    from artsim.prediction import Prediction, Predictor
    from artsim.store import Failure, Store

_SEEN = {"file": " (in training set)", "look": " (same look in training set)"}
_SAVED = 1000  # rows between two writes of --output, at least: the work lost if interrupted


@cloup.command()
@words_argument("pictures", "[PICTURE]", most=1)
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
    min_confidence_option,
    hierarchy_option,
    count_option("--top", default=5, help="Classes listed with their probabilities."),
    count_option("-k", "neighbors", least=0, default=5, help="Similar works shown as evidence."),
)
@cloup.option_group("Output", rows_option("a row for each picture and label"), format_option)
@cloup.option_group("Compute", query_model_option, *compute_options)
def predict(
    pictures: tuple[str, ...],
    ids: tuple[str, ...],
    head_name: str | None,
    run: Path | None,
    min_confidence: float,
    hierarchy: Hierarchy | None,
    neighbors: int,
    top: int,
    output: Path | None,
    index: Path | None,
    model: str | None,
    device: str,
    backend: str,
    precision: str,
    weights: Path | None,
    as_json: bool,
) -> None:
    """Predict the labels of pictures.

    PICTURE is a picture, or a folder or table of them; --id predicts works of the index. A probe
    saved by 'artsim probe' gives the probability of each class. Next to it are the catalog's value
    and the most similar works of the index with their labels. Predictions for pictures that it was
    fitted to are marked, since they are no evidence: the same file and, once 'artsim dupes' has
    hashed the pictures, another scan of the same photograph. Crops are not found. With --run a
    network trained by 'artsim train' predicts.

    With --hierarchy the prediction is the deepest class whose probability, summed over the classes
    below it, is sure enough: --min-confidence, or what 'artsim probe --hierarchy' chose.

    Example:

    \b
        artsim predict query.jpg --head artist+style
        artsim predict --id 002ff77bbd --min-confidence 0.5
        artsim predict new-photos/ --head medium -o predictions.csv
        artsim predict new-photos/ --head medium --hierarchy media.csv
        artsim predict new-photos/ --run heritage-two-stage-20260102-030405 -o predictions.csv
    """
    from artsim.places import as_path

    picture = as_path(pictures[0]) if pictures else None
    if (picture is None) == (not ids):
        raise click.UsageError("name a picture, a folder or table of pictures, or --id ID")
    if run is not None and hierarchy is not None:
        raise click.UsageError("--hierarchy backs off what a probe predicts; leave out --run")
    if run is not None and (head_name or is_index_named() or model or weights):
        raise click.UsageError(
            "--run brings its own network; leave out --head, --index and --model"
        )
    from artsim.prediction import HeadPredictor, find_head, is_collection, load_head
    from artsim.search import load_index_extractor

    rows: list[dict[str, Any]] = []
    store: Store | None = None
    predictor: Predictor
    options: dict[str, Any] = {"top": top, "min_confidence": min_confidence}
    if run is not None:
        from artsim.prediction import PHRASE, RunPredictor
        from artsim.training import find_run

        predictor = RunPredictor(find_run(run, RUNS), device=device, **options)
        rows = [] if output is None else _read_rows(output, {*predictor.labels, PHRASE})
        title, seen = None, "the network was trained on, or chosen by,"
    else:
        store = open_store(index)
        many = picture is not None and is_collection(picture)
        compute = (make_compute if many else compute_for_few)(device, backend, precision)
        load = partial(load_index_extractor, store, model=model, weights=weights, compute=compute)
        head = load_head(find_head(store, head_name))
        predictor = HeadPredictor(
            store, head, extractor=load, neighbors=neighbors, hierarchy=hierarchy, **options
        )
        if model is not None or weights is not None:
            _ = predictor.extractor  # compare its passport, even if no picture needs it
        title = f", by head {head.name} of {head.index} ({head.tap})"
        seen = "the head was trained on"
    failures: list[Failure] = []
    found = _predict(predictor, picture, ids, {row["id"] for row in rows}, failures)
    if output is not None:
        _write(output, rows, found, with_paths=hierarchy is not None)
    elif as_json:
        print_json_lines((each.to_json() for each in found), index=store)
    else:
        _print(list(found), title, seen)
    for failure in failures:
        echo(f"Not predicted: {failure.image or failure.id}: {failure.reason}", err=True)


def _predict(
    predictor: Predictor,
    picture: Path | None,
    ids: tuple[str, ...],
    done: set[str],
    failures: list[Failure],
) -> Iterator[Prediction]:
    from artsim import prediction
    from artsim.store import Failure

    if picture is None:
        wanted = [id_ for id_ in ids if id_ not in done]
        yield from prediction.predict_ids(predictor, wanted, workers=count_cores())
    elif not prediction.is_collection(picture):
        if str(picture) not in done:
            yield from prediction.predict_picture(predictor, picture)
    else:
        catalog = prediction.read_pictures(picture)
        with show_progress("Predicting") as update:
            for each in prediction.predict_collection(
                predictor, catalog, done=done, workers=count_cores(), progress=update
            ):
                if isinstance(each, Failure):
                    failures.append(each)
                else:
                    yield each


def _write(
    out: Path, rows: list[dict[str, Any]], found: Iterator[Prediction], *, with_paths: bool
) -> None:
    """Write predictions from time to time, always with all labels of a picture."""
    from artsim.prediction import COLUMNS, HIERARCHY_COLUMNS

    columns = COLUMNS | (HIERARCHY_COLUMNS if with_paths else {})

    n_old = n_written = len(rows)
    for each in found:
        is_next = not rows or each.id != rows[-1]["id"]
        # A tenth more at least, so that rewriting the file stays cheap.
        if is_next and len(rows) - n_written >= max(_SAVED, n_written // 10):
            n_written = write_rows(out, rows, columns)
        rows.append(each.to_row())
    write_rows(out, rows, columns)
    skipped = f", {n_old:,} already there" if n_old else ""
    new = plural(len(rows) - n_old, "prediction")
    echo(f"{new} written to {out}{skipped}", err=True)


def _read_rows(out: Path, labels: Collection[str]) -> list[dict[str, Any]]:
    """Read the predictions of an earlier command, if any: they must be of these labels."""
    from artsim.errors import TrainingError

    if not out.exists():
        return []
    try:
        if out.suffix == ".csv":
            with out.open(newline="", encoding="utf-8") as stream:
                rows: list[dict[str, Any]] = list(csv.DictReader(stream))
        else:
            import pyarrow.parquet as pq

            rows = pq.read_table(out.absolute()).to_pylist()
    except (OSError, ValueError) as error:  # Arrow's and Unicode's errors are such
        raise TrainingError(
            f"cannot continue {str(out)!r} ({error}); name another --output"
        ) from error
    others = [row.get("label") for row in rows if row.get("label") not in labels]
    if others:
        raise TrainingError(
            f"{str(out)!r} has predictions of {others[0]!r}, expected those of the run "
            f"({', '.join(sorted(labels))}); name another --output"
        )
    return rows


def _print(found: Sequence[Prediction], title: str | None, seen: str) -> None:
    if len({each.id for each in found}) != 1:
        if title is not None:
            echo(f"Predictions{title}")
        _print_many(found)
        return
    echo(found[0].id + (title or ""))
    for each in found:
        what = " > ".join(each.path) or _text(each.predicted) or "no prediction: not confident"
        echo(f"\n{each.label}: {what}" + _chance(each))
        if each.error is not None:
            echo(f"  average error {each.error:.3g}")
        for one in each.classes:
            echo(f"  {one.probability:.3f}  {one.name}")
        if each.catalog is not None:
            both = f" (both are {each.shared})" if each.shared and not each.agrees else ""
            echo(f"  Catalog: {_text(each.catalog)}{both}")
        if each.seen:
            which = "this picture" if each.seen_by == "file" else "one that looks the same"
            echo(f"  Note: {seen} {which}, so the prediction is no evidence")
    if found[0].neighbors:
        echo("\nMost similar")
        columns = [each.label for each in found]
        rows = [
            [f"{near.score:.3f}", near.id, *(_text(each.neighbors[i].value) for each in found)]
            for i, near in enumerate(found[0].neighbors)
        ]
        print_table(["score", "id", *columns], rows, right=["score"])


def _chance(each: Prediction) -> str:
    """Write the probability behind a prediction whose classes are not listed below it."""
    is_phrase = each.confidence is not None and not each.classes
    return f" ({each.confidence:.3f})" if each.path or is_phrase else ""


def _print_many(found: Sequence[Prediction]) -> None:
    rows = [
        [
            each.id,
            each.label,
            _text(each.predicted),
            fixed(each.confidence),
            _text(each.catalog) + _SEEN.get(each.seen_by or "", ""),
        ]
        for each in found
    ]
    if rows:
        columns = ["id", "label", "predicted", "confidence", "catalog"]
        print_table(columns, rows, right=["confidence"])


def _text(value: Any) -> str:
    from artsim.prediction import as_text

    return as_text(value)
