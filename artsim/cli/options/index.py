"""Which index a command reads: one rule for all of them.

An index is named as the first argument or with ``--index``, as a folder or by its name in
``indexes/``; else ``ARTSIM_INDEX`` names it; else it is the only one in ``indexes/``. With several
there a command lists them and stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from artsim.cli.advice import must_name
from artsim.cli.options.complete import complete_index, complete_tap
from artsim.cli.options.values import INDEX, INDEXES, PLACE, PUBLISHED, Command, is_address
from artsim.cli.output import print_notes
from artsim.datatypes import plural
from artsim.errors import StoreError

if TYPE_CHECKING:
    from artsim.store import Store

_NAMED = "artsim.index"  # where the context keeps the index that an argument names
_ROOTS = "artsim.roots"  # where it keeps the folders whose pictures are shown
_COPIES = "artsim.copies"  # where it keeps the copies of indexes in object stores
_PROBED = 200  # pictures of an index that are looked at for a note


def _remember(context: click.Context, _: click.Parameter, value: Any) -> None:
    context.meta[_NAMED] = value


def _prefer_argument(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    argument = context.meta.get(_NAMED)
    if not argument:
        return value
    source = context.get_parameter_source(parameter.name or "")
    if source == ParameterSource.COMMANDLINE and not context.resilient_parsing:
        name = argument[0] if isinstance(argument, tuple) else argument
        raise click.UsageError(f"{str(name)!r} and --index both name an index; use one", context)
    return argument


def _argument(metavar: str, **attributes: Any) -> Callable[[Command], Command]:
    return click.argument(
        "named",
        metavar=metavar,
        type=INDEX,
        expose_value=False,
        is_eager=True,  # read before --index
        callback=_remember,
        shell_complete=complete_index,
        help="Index folder, or its name in indexes/.",
        **attributes,
    )


index_argument = _argument("[INDEX]", required=False)
indexes_argument = _argument("[INDEX]...", nargs=-1)


def words_argument(
    name: str, metavar: str, most: int | None = None, *, published: bool = False
) -> Callable[[Command], Command]:
    """Make an argument of words, the first of which may name the index.

    Args:
        name: The parameter that receives the other words.
        metavar: How the help names those words.
        most: The number of words allowed besides the index; None: any number.
        published: Whether the address of a published index names it too.
    """

    def callback(
        context: click.Context, parameter: click.Parameter, words: tuple[str, ...]
    ) -> tuple[str, ...]:
        if published and words and words[0].startswith(PUBLISHED):
            context.meta[_NAMED], words = words[0], words[1:]
        elif words and is_address(words[0]) and not _is_picture(words[0]):
            context.meta[_NAMED] = INDEX.convert(words[0], parameter, context)
            words = words[1:]
        elif words and _names_index(words[0], is_alone=len(words) == 1):
            context.meta[_NAMED] = Path(words[0])
            words = words[1:]
        if most is not None and len(words) > most:
            raise click.UsageError(f"unexpected argument {words[most]!r}", context)
        return words

    return click.argument(
        name,
        nargs=-1,
        metavar=f"[INDEX] {metavar}",
        callback=callback,
        is_eager=True,
        help="INDEX is an index folder, or its name in indexes/; it may be left out.",
    )


def _index_option(*names: str, help_: str, **attributes: Any) -> Callable[[Command], Command]:
    return click.option(
        "--index",
        *names,
        metavar="DIR",
        type=INDEX,
        callback=_prefer_argument,
        envvar="ARTSIM_INDEX",
        show_envvar=True,
        shell_complete=complete_index,
        help=f"{help_}  [default: the only index in indexes/]",
        **attributes,
    )


index_option = _index_option(help_="Same as INDEX.")
indexes_option = _index_option("indexes", multiple=True, help_="Same as INDEX. Repeat for more.")


def tap_option(
    *names: str, more: str = "", default: str = "the first", **attributes: Any
) -> Callable[[Command], Command]:
    """Add --tap; ``default`` says which taps are used without."""
    return click.option(
        "--tap",
        *names,
        metavar="TAP",
        shell_complete=complete_tap,
        help=f"Use the vectors of this tap.{more}  [default: {default}]",
        **attributes,
    )


taps_option = tap_option("taps", more=" Repeat for more.", default="every tap", multiple=True)


def _remember_roots(context: click.Context, _: click.Parameter, roots: tuple[Path, ...]) -> None:
    context.meta[_ROOTS] = roots


root_option = click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="DIR",
    type=PLACE,
    expose_value=False,
    callback=_remember_roots,
    help="Show pictures below this folder, and no others. Repeat for more.  [default: the "
    "collection's folder]",
)


def chosen_roots() -> tuple[Path, ...]:
    """Return the folders that the command's --root names."""
    context = click.get_current_context(silent=True)
    return context.meta.get(_ROOTS, ()) if context is not None else ()


@contextmanager
def with_roots(roots: tuple[Path, ...]) -> Iterator[None]:
    """Open indexes as a command with this --root does, in a process that it started."""
    with click.Context(click.Command("")) as context:
        context.meta[_ROOTS] = roots
        yield


def find_index(index: Path | str | None) -> Path:
    """Find an index by its folder or its name in indexes/, or the only index there.

    Raises:
        StoreError: If none is named and there is none, or a collection is named, or an address.
    """
    from artsim.store import is_store

    if isinstance(index, str):
        raise StoreError(
            f"{index!r} is where an index is published, which similar, serve and knn-eval read; "
            "name the folder of the index"
        )
    if index is None:
        return _only_index()
    if is_address(str(index)):
        return _copy_of(index)
    if is_store(index):
        return index
    if is_store(INDEXES / index):
        return INDEXES / index
    for store in _indexes() if index.exists() else ():
        if store.manifest.source == str(index.resolve()):
            raise StoreError(f"{str(index)!r} is a collection; its index is {str(store)!r}")
    if not index.exists():
        _say_what_there_is(str(index))
    return index


def _say_what_there_is(name: str) -> None:
    """Refuse a name that may be a column, or another index's misspelled."""
    stores = _indexes()
    for store in stores:
        if any(field.name == name for field in store.fields):
            what = f"{store} has a column of that name, which options such as --label take"
            raise StoreError(f"no index at {name!r}; {what}")
    if stores and Path(name).name == name:
        there = ", ".join(repr(store.path.name) for store in stores)
        raise StoreError(f"no index at {name!r}; those in {INDEXES}/ are {there}")


def _copy_of(index: Path) -> Path:
    """Bring the copy of an index in an object store up to date; the command's end sends changes."""
    from artsim.places import RemotePath
    from artsim.store import RemoteIndex

    context = click.get_current_context(silent=True)
    copies = context.meta.setdefault(_COPIES, {}) if context else {}
    if index not in copies:
        assert isinstance(index, RemotePath)
        remote = RemoteIndex(index)
        copies[index] = remote.fetch()
        if context:
            context.call_on_close(remote.send)
    copy: Path = copies[index]
    return copy


def open_store(index: Path | str | None) -> Store:
    """Open an index, see `find_index`.

    Prints a note on stderr where the index is unfinished.
    """
    from artsim.store import Store, is_being_written

    store = Store.open(find_index(index), roots=chosen_roots())
    if index is not None and is_index_named() and not _is_only(store.path):
        must_name(str(store))
    if not store.manifest.complete:
        so_far = f"({plural(store.rows, 'picture')} so far)"
        print_notes(
            f"{store} is being embedded now {so_far}"
            if is_being_written(store.path)
            else f"{store} is unfinished {so_far}; run 'artsim embed' again to finish it"
        )
    return store


def say_where(work: str) -> str:
    """Name the indexes in indexes/ that have a work, for an error; nothing if none has."""
    import pyarrow.compute as pc

    found = [
        str(store)
        for store in _indexes()
        if pc.any(pc.equal(store.read(["id"]).column("id"), work)).as_py()
    ]
    return f"\nThat id is in {' and '.join(found)}; name it with --index" if found else ""


def note_hidden(*stores: Store) -> None:
    """Print a note where pictures are not shown, as they are outside of the index's folders."""
    from artsim.search import locate

    for store in stores:
        images = store.read_part(0, ["image"]).column("image").to_pylist() if store.rows else []
        hidden = [image for image in images[:_PROBED] if locate(store, image) is None]
        if hidden:
            where = " and ".join(repr(str(root)) for root in store.roots) or "any collection"
            print_notes(
                f"pictures of {store} are outside {where} and not shown, such as "
                f"{hidden[0]!r}; name their folder with --root DIR"
            )


def open_stores(indexes: Sequence[Path]) -> list[Store]:
    """Open several indexes, each once, or the only one in indexes/ where none is named."""
    stores = [open_store(index) for index in indexes] or [open_store(None)]
    return list({store.path.resolve(): store for store in stores}.values())


def is_index_named() -> bool:
    """Return whether the command line names an index, not only the environment."""
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    sources = map(context.get_parameter_source, ("index", "indexes"))
    return bool(context.meta.get(_NAMED)) or ParameterSource.COMMANDLINE in sources


def _is_only(index: Path) -> bool:
    """Return whether a command without an index finds this one."""
    from artsim.store import is_store

    return list(filter(is_store, INDEXES.glob("*"))) == [index]


def _is_picture(address: str) -> bool:
    from artsim.readers import is_picture

    return is_picture(address)


def _names_index(word: str, *, is_alone: bool) -> bool:
    """Return whether a word names an index.

    A folder with the name of an index in indexes/, such as the collection it was made from, names
    that index only where other words follow.
    """
    from artsim.store import is_store

    try:
        path = Path(word)
        elsewhere = path.exists() and (is_alone or not path.is_dir())
        return is_store(path) or (not elsewhere and is_store(INDEXES / path))
    except (OSError, ValueError):  # too long for a name, or a zero byte
        return False


def _indexes() -> list[Store]:
    """Open the indexes in indexes/ that can be opened."""
    from artsim.store import Store, is_store

    found = []
    for path in sorted(filter(is_store, INDEXES.glob("*"))):
        with suppress(StoreError):
            found.append(Store.open(path))
    return found


def _only_index() -> Path:
    """Return the only index, or the only one with pictures."""
    from artsim.store import is_store

    found = sorted(filter(is_store, INDEXES.glob("*")))
    if len(found) > 1:
        found = [store.path for store in _indexes() if store.rows] or found
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
