"""Which index a command reads: one rule for all of them.

An index is named as the first argument or with ``--index``, as a folder or by its name in
``indexes/``; else ``ARTSIM_INDEX`` names it; else it is the only one in ``indexes/``. With several
there a command lists them and stops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from artsim.cli.options.complete import complete_index, complete_tap
from artsim.cli.options.values import FOLDER, INDEXES, Command
from artsim.errors import StoreError

if TYPE_CHECKING:
    from artsim.store import Store

_NAMED = "artsim.index"  # where the context keeps the index that an argument names
_HELP = "Index folder, or its name in indexes/."

LEADING_INDEX = "INDEX is an index folder, or its name in indexes/; it may be left out."


def _remember(context: click.Context, _: click.Parameter, value: Any) -> None:
    context.meta[_NAMED] = value


def _prefer_argument(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    argument = context.meta.get(_NAMED)
    if not argument:
        return value
    source = context.get_parameter_source(parameter.name or "")
    if source == ParameterSource.COMMANDLINE and not context.resilient_parsing:
        name = argument if isinstance(argument, Path) else argument[0]
        raise click.UsageError(f"{str(name)!r} and --index both name an index; use one", context)
    return argument


index_argument = click.argument(
    "named",
    metavar="[INDEX]",
    type=FOLDER,
    required=False,
    expose_value=False,
    is_eager=True,  # read before --index
    callback=_remember,
    shell_complete=complete_index,
    help=_HELP,
)

indexes_argument = click.argument(
    "named",
    metavar="[INDEX]...",
    nargs=-1,
    type=FOLDER,
    expose_value=False,
    is_eager=True,
    callback=_remember,
    shell_complete=complete_index,
    help=_HELP,
)


def take_index(most: int | None = None) -> Callable[..., tuple[str, ...]]:
    """Make the callback of an argument of words, the first of which may name the index.

    Args:
        most: Words that the command takes beside the index; None: any number.
    """

    def callback(
        context: click.Context, parameter: click.Parameter, words: tuple[str, ...]
    ) -> tuple[str, ...]:
        if words and (_is_named(words[0]) or (len(words) > 1 and _is_folder_of_index(words[0]))):
            context.meta[_NAMED] = Path(words[0])
            words = words[1:]
        if most is not None and len(words) > most:
            raise click.UsageError(f"unexpected argument {words[most]!r}", context)
        return words

    return callback


index_option = click.option(
    "--index",
    metavar="DIR",
    type=FOLDER,
    callback=_prefer_argument,
    envvar="ARTSIM_INDEX",
    show_envvar=True,
    shell_complete=complete_index,
    help="Same as INDEX.  [default: the only index in indexes/]",
)

indexes_option = click.option(
    "--index",
    "indexes",
    multiple=True,
    metavar="DIR",
    type=FOLDER,
    callback=_prefer_argument,
    envvar="ARTSIM_INDEX",
    show_envvar=True,
    shell_complete=complete_index,
    help="Same as INDEX. Repeat for more.  [default: the only index in indexes/]",
)


def tap_option(*, default: str = "the first") -> Callable[[Command], Command]:
    """Add --tap.

    Args:
        default: Which taps are used where none is named.
    """
    return click.option(
        "--tap",
        metavar="TAP",
        shell_complete=complete_tap,
        help=f"Use the vectors of this tap.  [default: {default}]",
    )


def open_store(index: Path | None) -> Store:
    """Open a folder, an index by its name in indexes/, or the only index there.

    Prints a note on stderr where the index is unfinished.
    """
    from artsim.store import Store, is_store

    if index is None:
        index = _only_index()
    elif not is_store(index) and is_store(INDEXES / index):
        index = INDEXES / index
    store = Store.open(index)
    if not store.manifest.complete:
        click.echo(
            f"Note: {index} is unfinished ({store.rows:,} pictures so far); "
            "run 'artsim embed' again to finish it",
            err=True,
        )
    return store


def open_stores(indexes: Sequence[Path]) -> list[Store]:
    """Open several indexes, each once, or the only one in indexes/ where none is named."""
    stores = [open_store(index) for index in indexes] or [open_store(None)]
    return list({store.path.resolve(): store for store in stores}.values())


def is_index_named() -> bool:
    """Return whether the command line names an index, not only the environment."""
    context = click.get_current_context()
    source = context.get_parameter_source("index")
    return bool(context.meta.get(_NAMED)) or source == ParameterSource.COMMANDLINE


def _is_named(word: str) -> bool:
    """Return whether a word is an index folder, or the name of one in indexes/ only."""
    from artsim.store import is_store

    try:
        path = Path(word)
        return is_store(path) or (not path.exists() and is_store(INDEXES / path))
    except (OSError, ValueError):  # too long for a name, or a zero byte
        return False


def _is_folder_of_index(word: str) -> bool:
    """Say whether a word names a folder and an index in indexes/, such as that made from it."""
    from artsim.store import is_store

    try:
        return Path(word).is_dir() and is_store(INDEXES / word)
    except (OSError, ValueError):
        return False


def _only_index() -> Path:
    from artsim.store import is_store

    found = sorted(path for path in INDEXES.glob("*") if is_store(path))
    if not found:
        raise StoreError(
            f"no index in {str(INDEXES)!r}; make one with 'artsim embed COLLECTION', "
            "or name one with --index DIR"
        )
    if len(found) > 1:
        names = "".join(f"\n  {path}" for path in found)
        raise click.UsageError(
            f"{INDEXES}/ has {len(found)} indexes; name one with --index DIR, "
            f"or set ARTSIM_INDEX:{names}",
            click.get_current_context(silent=True),
        )
    return found[0]
