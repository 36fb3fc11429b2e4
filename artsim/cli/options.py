"""Options that several commands take, and what they mean."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from artsim.models.extractor import Compute
    from artsim.readers import ReaderOptions
    from artsim.store import Store

__all__ = [
    "FOLDER",
    "NEW_FILE",
    "PICTURE",
    "compute_options",
    "count_cores",
    "format_option",
    "index_option",
    "make_compute",
    "make_reader_options",
    "open_store",
    "pairs",
    "reader_options",
    "tap_option",
]


class _NewFile(click.Path):
    """A file to write: that its folder is there is looked at before any work."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Turn what was given into a path."""
        file = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not file.parent.is_dir():
            self.fail(f"no folder {str(file.parent)!r} to write {file.name!r} to", param, ctx)
        return file


FOLDER = click.Path(file_okay=False, path_type=Path)
NEW_FILE = _NewFile(dir_okay=False, path_type=Path)
PICTURE = click.Path(path_type=Path)
INDEXES = Path("indexes")

Command = TypeVar("Command", bound=Callable[..., Any])


def index_option(command: Command) -> Command:
    """Add --index."""
    return click.option(
        "--index",
        "index",
        metavar="DIR",
        type=FOLDER,
        envvar="ARTSIM_INDEX",
        show_envvar=True,
        help="The index to ask.  [default: the newest in indexes/]",
    )(command)


def tap_option(command: Command) -> Command:
    """Add --tap."""
    return click.option(
        "--tap", metavar="TAP", help="By which of the index's vectors.  [default: the first]"
    )(command)


def format_option(command: Command) -> Command:
    """Add --json and --table."""
    return click.option(
        "--json/--table",
        "as_json",
        default=None,
        help="JSON, one object a line, or a table.  [default: a table on a terminal, else JSON]",
    )(command)


def compute_options(command: Command) -> Command:
    """Add --device, --backend, --precision and --weights."""
    for option in reversed(
        (
            click.option(
                "--device",
                default="auto",
                show_default=True,
                metavar="NAME",
                envvar="ARTSIM_DEVICE",
                help="auto, cpu, cuda, cuda:N or mps.",
            ),
            click.option(
                "--backend",
                type=click.Choice(["auto", "openvino", "torch"]),
                default="auto",
                help="What computes.  [default: OpenVINO on a CPU, else torch]",
            ),
            click.option(
                "--precision",
                type=click.Choice(["auto", "bf16", "f32"]),
                default="auto",
                help="Numbers of the forward pass.  [default: bf16 on a GPU, else f32]",
            ),
            click.option(
                "--weights",
                metavar="FILE",
                type=PICTURE,
                help="Weights from this file (.safetensors, .pth) instead of the model's own.",
            ),
        )
    ):
        command = option(command)
    return command


def reader_options(command: Command) -> Command:
    """Add --id-column, --image-column, --images, --type and --set."""
    for option in reversed(
        (
            click.option("--id-column", metavar="NAME", help="Column with each picture's id."),
            click.option(
                "--image-column", metavar="NAME", help="Column with the path of the picture."
            ),
            click.option(
                "--images",
                metavar="DIR",
                type=FOLDER,
                help="Folder that picture paths are relative to.",
            ),
            click.option(
                "--type",
                "types",
                multiple=True,
                metavar="COLUMN=TYPE",
                help="Read a column as text, list or number. Repeat for more.",
            ),
            click.option(
                "--set",
                "settings",
                multiple=True,
                metavar="KEY=VALUE",
                help="A setting of the reader's own. Repeat for more.",
            ),
        )
    ):
        command = option(command)
    return command


def make_reader_options(
    *,
    id_column: str | None,
    image_column: str | None,
    images: Path | None,
    types: tuple[str, ...],
    settings: tuple[str, ...],
) -> ReaderOptions:
    """Turn the options of `reader_options` into the library's value."""
    from artsim.readers import ReaderOptions

    return ReaderOptions(
        id_column=id_column,
        image_column=image_column,
        images=images,
        types=pairs(types, "--type"),
        settings=pairs(settings, "--set"),
    )


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """Split each NAME=VALUE that was given for an option."""
    split = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        split[name] = value
    return split


def count_cores() -> int:
    """Count the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def make_compute(device: str, backend: str, precision: str) -> Compute:
    """Turn the options of `compute_options` into the library's value."""
    from artsim.models.extractor import BackendName, Compute, Precision

    return Compute(device=device, backend=BackendName(backend), precision=Precision(precision))


def open_store(index: Path | None) -> Store:
    """Open the index asked for: a folder, a name in indexes/, or the newest there.

    Says so on stderr where an index is unfinished.
    """
    from artsim.search import find_index
    from artsim.store import Store, is_store

    if index is None:
        index = find_index(INDEXES)
    elif not is_store(index) and is_store(INDEXES / index):
        index = INDEXES / index
    store = Store.open(index)
    if not store.manifest.complete:
        click.echo(
            f"Note: {index} is unfinished ({store.rows:,} pictures so far); "
            "'artsim embed' goes on with it",
            err=True,
        )
    return store
