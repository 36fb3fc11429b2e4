"""The types of option values, and options of one kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click


class _LocalPath(click.Path):
    """A path on this machine: ``s3://bucket/x`` would name a folder ``s3:`` in the present one."""

    what = "a path"

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the value as a path."""
        scheme, found, _ = os.fsdecode(value).partition("://")
        if found and len(scheme) > 1 and "/" not in scheme:  # not a Windows drive
            self.fail(
                f"{os.fsdecode(value)!r} is not on this machine, expected {self.what}; copy or "
                "mount it first",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


class _Place(_LocalPath):
    """A path on this machine or in an object store."""

    what = "a path or s3://, gs://, hf://"

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the value as a path."""
        if not is_address(os.fsdecode(value)):
            return super().convert(value, param, ctx)
        from artsim.places import as_path

        return as_path(os.fsdecode(value))


class _NewFile(_LocalPath):
    """A file to write: its folder must exist, which is checked before any work."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the value as a path."""
        file = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not file.parent.is_dir():
            self.fail(f"no folder {str(file.parent)!r} to write {file.name!r} to", param, ctx)
        return file


class _IndexType(_Place):
    """An index folder, as a path; or the address of a published index, as it was given."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the path or the text."""
        if isinstance(value, str) and value.startswith(PUBLISHED):
            return value
        return super().convert(value, param, ctx)


PUBLISHED = ("lance:", "milvus:")  # what the address of a published index begins with
_STORES = ("s3://", "gs://", "hf://")
INDEX = _IndexType(file_okay=False, path_type=Path)
FOLDER = _LocalPath(file_okay=False, path_type=Path)
PLACE = _Place(file_okay=False, path_type=Path)
NEW_FILE = _NewFile(dir_okay=False, path_type=Path)
NEW_PATH = _NewFile(path_type=Path)  # a file or a folder
PICTURE = click.Path(path_type=Path)

INDEXES = Path("indexes")
RUNS = Path("runs")  # where 'artsim train' leaves its networks

Command = TypeVar("Command", bound=Callable[..., Any])


def is_address(text: str) -> bool:
    """Return whether text is the address of something in an object store."""
    return text.startswith(_STORES)


def count_option(
    *names: str, least: int = 1, most: int | None = None, **attributes: Any
) -> Callable[[Command], Command]:
    """Make an option for a whole number; its default is shown."""
    attributes.setdefault("metavar", "N")
    shown = "default" in attributes
    return click.option(*names, type=click.IntRange(least, most), show_default=shown, **attributes)


def file_option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """Make an option for a file to write."""
    return click.option(*names, metavar="FILE", type=NEW_FILE, **attributes)


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Split each NAME=VALUE that was given for an option."""
    split = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        split[name] = value
    return split


def column_and_number(text: str, option: str) -> tuple[str, int]:
    """Read COLUMN=N."""
    column, _, number = text.rpartition("=")
    if not (column and number.strip().isdecimal() and int(number)):
        raise click.BadParameter(f"{text!r} is not COLUMN=N", param_hint=option)
    return column, int(number)


def numbers(texts: Sequence[str], option: str) -> tuple[int, ...]:
    """Read comma-separated numbers from 1 that were given for an option; sorted."""
    found = set()
    for part in ",".join(texts).split(",") if texts else ():
        if not part.strip().isdecimal() or int(part) < 1:
            raise click.BadParameter(
                f"{part!r} is not a number from 1, as in 1,5,10", param_hint=option
            )
        found.add(int(part))
    return tuple(sorted(found))


def split_names(
    context: click.Context, parameter: click.Parameter, texts: Sequence[str]
) -> tuple[str, ...]:
    """Split names at their commas, each once; an expression may contain commas."""
    from artsim.labels import is_derivation

    parts = [[text] if is_derivation(text) else text.split(",") for text in texts]
    return tuple(dict.fromkeys(part.strip() for some in parts for part in some if part.strip()))


def count_cores() -> int:
    """Count the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
