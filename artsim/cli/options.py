"""Options that several commands take, and what they mean."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from artsim.models import Compute
    from artsim.readers import ReaderOptions
    from artsim.store import Store

__all__ = [
    "FOLDER",
    "NEW_FILE",
    "NEW_PATH",
    "PICTURE",
    "compute_options",
    "count_cores",
    "device_option",
    "format_option",
    "group_option",
    "index_argument",
    "index_option",
    "k_option",
    "label_option",
    "make_compute",
    "make_reader_options",
    "numbers",
    "open_store",
    "pairs",
    "reader_options",
    "seed_option",
    "split_names",
    "split_options",
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
NEW_PATH = _NewFile(path_type=Path)  # a file or a folder
PICTURE = click.Path(path_type=Path)
INDEXES = Path("indexes")

_INDEX = "artsim.index"  # what the context remembers of an index that is an argument

Command = TypeVar("Command", bound=Callable[..., Any])


def index_option(command: Command) -> Command:
    """Add --index."""

    def prefer_argument(context: click.Context, _: click.Parameter, value: Path | None) -> Any:
        argument = context.meta.get(_INDEX)
        source = context.get_parameter_source("index")
        if argument is not None and source == click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{str(argument)!r} and --index name an index; give one")
        return value if argument is None else argument

    return click.option(
        "--index",
        "index",
        metavar="DIR",
        type=FOLDER,
        callback=prefer_argument,
        envvar="ARTSIM_INDEX",
        show_envvar=True,
        help="The index to ask.  [default: the newest in indexes/]",
    )(command)


def index_argument(command: Command) -> Command:
    """Add [INDEX], and --index for the same."""

    def remember(context: click.Context, _: click.Parameter, value: Path | None) -> None:
        context.meta[_INDEX] = value

    return click.argument(
        "named",
        metavar="[INDEX]",
        type=FOLDER,
        required=False,
        expose_value=False,
        is_eager=True,  # before --index, which asks for it
        callback=remember,
    )(index_option(command))


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


def label_option(
    what: str, *, default: str = "every column of one class a picture"
) -> Callable[[Command], Command]:
    """Add --label: the names of columns or labels, in the order given.

    Args:
        what: What the command does with them: "Judge".
        default: What is taken where none is named.
    """
    return click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="A,B",
        callback=split_names,
        help=f'{what} these columns or derived labels, or "NAME = EXPRESSION".  '
        f"[default: {default}]",
    )


def split_options(*, default: str) -> Callable[[Command], Command]:
    """Add --split and --no-leaks, and refuse the second without the first.

    Args:
        default: What is done without a split.
    """

    def decorate(command: Command) -> Command:
        @click.option(
            "--split",
            metavar="NAME",
            help="A split of 'artsim split', or a column that says train, val and test.  "
            f"[default: {default}]",
        )
        @click.option(
            "--no-leaks",
            is_flag=True,
            help="Refuse a split whose sides share a file or a picture: see 'artsim leaks'.",
        )
        @functools.wraps(command)
        def checked(**options: Any) -> Any:
            if options["no_leaks"] and options["split"] is None:
                raise click.UsageError("--no-leaks looks at a split; name one with --split")
            return command(**options)

        return checked  # type: ignore[return-value]  # the command, with options more

    return decorate


def group_option(what: str) -> Callable[[Command], Command]:
    """Add --group: the names of columns or labels.

    Args:
        what: What becomes of pictures that share a value: "are never neighbors".
    """
    return click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="A,B",
        callback=split_names,
        help=f"Pictures that share a value of one of these {what}: artist, when judging style; "
        "near-duplicate, for copies of a picture.",
    )


def k_option(what: str, *, default: str) -> Callable[[Command], Command]:
    """Add -k: numbers from 1, sorted.

    Args:
        what: What there are so many of: "Neighbors that vote".
        default: What is taken where none is given.
    """
    return click.option(
        "-k",
        "--k",
        "ks",
        multiple=True,
        metavar="N,M",
        callback=lambda context, parameter, texts: numbers(texts, "-k"),
        help=f"{what}.  [default: {default}]",
    )


def seed_option(what: str) -> Callable[[Command], Command]:
    """Add --seed.

    Args:
        what: What is drawn with it: "the bootstrap intervals".
    """
    return click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help=f"Of {what}.",
    )


def device_option(command: Command) -> Command:
    """Add --device."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="NAME",
        envvar="ARTSIM_DEVICE",
        help="auto, cpu, cuda, cuda:N or mps.",
    )(command)


def compute_options(command: Command) -> Command:
    """Add --device, --backend, --precision and --weights."""
    for option in reversed(
        (
            device_option,
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


def numbers(texts: Sequence[str], option: str) -> tuple[int, ...]:
    """Read numbers from 1, separated by commas, that were given for an option; sorted."""
    found = set()
    for part in ",".join(texts).split(",") if texts else ():
        if not part.strip().isdecimal() or int(part) < 1:
            raise click.BadParameter(
                f"{part!r} is not a number from 1, as in 1,5,10", param_hint=option
            )
        found.add(int(part))
    return tuple(sorted(found))


def count_cores() -> int:
    """Count the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def make_compute(device: str, backend: str, precision: str) -> Compute:
    """Turn the options of `compute_options` into the library's value."""
    from artsim.models import BackendName, Compute, Precision

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


def split_names(
    context: click.Context, parameter: click.Parameter, texts: Sequence[str]
) -> tuple[str, ...]:
    """Split names at their commas, each once; a derivation may have commas of its own."""
    from artsim.labels import is_derivation

    parts = [[text] if is_derivation(text) else text.split(",") for text in texts]
    return tuple(dict.fromkeys(part.strip() for some in parts for part in some if part.strip()))
