"""``artsim predict --run``: what a trained network says of pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options.values import count_cores
from artsim.cli.output import print_json_lines, show_progress, wants_json, write_rows

if TYPE_CHECKING:
    from artsim.prediction import Prediction
    from artsim.prediction.run_networks import Teller
    from artsim.store import Failure

__all__ = ["find_run", "predict_by_run"]

RUNS = Path("runs")
_SAVED = 1000  # rows that are written at a time: a kill loses as many at most

AsRow = Callable[["Prediction"], dict[str, Any]]


def find_run(run: Path) -> Path:
    """Return the folder that a name in ``runs/``, or a path, means."""
    return RUNS / run if not run.is_dir() and (RUNS / run).is_dir() else run


def predict_by_run(
    run: Path,
    picture: Path | None,
    ids: tuple[str, ...],
    *,
    top: int,
    out: Path | None,
    columns: Mapping[str, str],
    as_row: AsRow,
    show: Callable[[list[Prediction]], None],
    device: str,
    as_json: bool | None,
) -> None:
    """Tell pictures by a run, and print or write what is told.

    Args:
        run: Its folder, or its name in ``runs/``.
        picture: A picture, or a folder, table or JSON list of them.
        ids: Of pictures of the run's index, where there is no picture.
        top: Classes listed.
        out: File of rows; pictures that it has already are left out.
        columns: Arrow's name of each of its columns' types.
        as_row: Turns a prediction into one of its rows.
        show: Prints predictions as tables for people.
        device: Where it is computed.
        as_json: Whether to print JSON.
    """
    from artsim.prediction.run_networks import PHRASE, Teller

    teller = Teller(find_run(run), device=device, top=top)
    failures: list[Failure] = []
    rows = [] if out is None else _read_rows(out, {*teller.labels, PHRASE})
    found = _tell(teller, picture, ids, {row["id"] for row in rows}, failures)
    if out is not None:
        n_old = len(rows)
        for some in _whole_pictures(found):
            rows += map(as_row, some)
            write_rows(out, rows, columns)
        left_out = f", {n_old:,} were there" if n_old else ""
        click.echo(f"{len(rows) - n_old:,} predictions written to {out}{left_out}", err=True)
    elif wants_json(as_json):
        print_json_lines(each.to_json() for each in found)
    else:
        show(list(found))
    for failure in failures:
        click.echo(f"Not predicted: {failure.image or failure.id}: {failure.reason}", err=True)


def _tell(
    teller: Teller,
    picture: Path | None,
    ids: tuple[str, ...],
    done: set[str],
    failures: list[Failure],
) -> Iterator[Prediction]:
    from artsim.prediction.by_run import read_pictures, tell_collection, tell_ids, tell_picture
    from artsim.readers import is_picture
    from artsim.store import Failure

    if picture is None:
        wanted = [id_ for id_ in ids if id_ not in done]
        yield from tell_ids(teller, wanted, workers=count_cores())
    elif picture.is_file() and is_picture(picture.name):
        if str(picture) not in done:
            yield from tell_picture(teller, picture)
    else:
        with show_progress("Predicting") as update:
            for each in tell_collection(
                teller, read_pictures(picture), done=done, workers=count_cores(), progress=update
            ):
                if isinstance(each, Failure):
                    failures.append(each)
                else:
                    yield each


def _whole_pictures(found: Iterator[Prediction]) -> Iterator[list[Prediction]]:
    """Yield predictions some at a time, all of a picture together."""
    some: list[Prediction] = []
    for each in found:
        if len(some) >= _SAVED and each.id != some[-1].id:
            yield some
            some = []
        some.append(each)
    if some:
        yield some


def _read_rows(out: Path, labels: Collection[str]) -> list[dict[str, Any]]:
    """Read what is in the file of rows, if it is there: answers about these labels."""
    from artsim.errors import TrainingError

    if not out.exists():
        return []
    try:
        rows = _read_table(out)
    except (OSError, ValueError) as error:  # Arrow's and Unicode's errors are such
        raise TrainingError(
            f"{str(out)!r} cannot be gone on with ({error}); name another --out"
        ) from error
    others = [row.get("label") for row in rows if row.get("label") not in labels]
    if others:
        raise TrainingError(
            f"{str(out)!r} holds answers about {others[0]!r}, expected those of the run "
            f"({', '.join(sorted(labels))}); name another --out"
        )
    return rows


def _read_table(out: Path) -> list[dict[str, Any]]:
    if out.suffix == ".csv":
        with out.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    return rows
