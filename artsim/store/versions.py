"""Versions of an index: the same works by other models, each a whole index below ``versions/``.

`switch_version` makes a version the index itself. Its parts are linked into the index and the
manifest is replaced: that is the one moment at which the index becomes the other. What the index
was is a version by then, whole. The search files follow; until they have, vectors are compared
without them. After a kill the same call goes on from where it ended.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Passport, plural, shell_word
from artsim.errors import StoreError
from artsim.store.added import FOLDER as ADDED
from artsim.store.checksums import sealed, unsealed
from artsim.store.failures import Failure
from artsim.store.files import lock_index, sync_folder, write_errors, write_whole
from artsim.store.folder import Store
from artsim.store.manifest import COPY, MANIFEST

MAPPED = "mapped_vector"  # the added column that marks vectors computed from those of another model

_FOLDER = "versions"
_NOTE = "version.json"
_FOLDERS = ("faiss", "layouts")  # made of the vectors
_FILES = ("model.artsim", f"{ADDED}/{MAPPED}.parquet")  # the pack, and which vectors are mapped


@dataclass(frozen=True, kw_only=True)
class Version:
    """An index that can take the place of the one that it is kept in."""

    path: Path
    spec: str  # of the model
    rows: int
    index: str  # the fingerprint of the index that it was made for, or that replaced it
    replaced: str = ""  # when it was replaced as the index; empty if it never was the index


def read_versions(path: Path) -> list[Version]:
    """List the finished versions of an index, the latest replaced last."""
    found = []
    for folder in sorted((path / _FOLDER).glob("[!.]*")):
        with suppress(OSError, ValueError, KeyError, StoreError):  # unfinished
            values = unsealed((folder / _NOTE).read_text(encoding="utf-8"))
            store = Store.open(folder)
            found.append(
                Version(
                    path=folder,
                    spec=store.manifest.passport.spec,
                    rows=store.rows,
                    index=values["index"],
                    replaced=values["replaced"],
                )
            )
    return sorted(found, key=lambda each: each.replaced)


def version_path(path: Path, passport: Passport) -> Path:
    """Return the folder of the version with these vectors, whether or not it is there."""
    name = re.sub(r"[^\w.-]+", "-", passport.spec).strip("-.")[:100] or "model"
    number = 1
    while True:
        folder = path / _FOLDER / (name if number == 1 else f"{name}-{number}")
        if not (folder / MANIFEST).is_file():  # nothing, or what a kill has left
            return folder
        with suppress(StoreError):  # damaged: it is left for `artsim repair`
            if not Store.open(folder).manifest.passport.differences(passport):
                return folder
        number += 1


def begin_version(folder: Path) -> None:
    """Mark a version as unfinished, before it is changed."""
    (folder / _NOTE).unlink(missing_ok=True)


def finish_version(folder: Path, index: str, *, replaced: bool = False) -> None:
    """Mark a version as finished; ``index`` is the fingerprint of the index that it is for."""
    at = datetime.now(UTC).isoformat(timespec="microseconds") if replaced else ""
    note = sealed({"index": index, "replaced": at})
    write_whole(folder / _NOTE, lambda stream: stream.write(note))


def remove_version(folder: Path) -> None:
    """Delete a version; what a kill leaves of it is no version."""
    with write_errors(folder):
        for name in (_NOTE, MANIFEST, COPY):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def switch_version(store: Store, version: Version, *, allow_loss: bool = False) -> Store:
    """Make a version the index; what the index was is kept as a version.

    Returns:
        The index as it is now.

    Raises:
        StoreError: If the index has changed since the version was made, or works of it are missing
            there, without ``allow_loss``; or if it cannot be written.
    """
    with lock_index(store.path):
        store, other = store.reopen(), Store.open(version.path)
        if store.fingerprint != other.fingerprint:  # else an earlier call was killed after this
            if not allow_loss:
                _check_loss(store, other, version)
            _keep(store, other)
            _take(store, other)
        _follow(store, other)
        store.finish()
        remove_version(other.path)
    return store.reopen()


def _check_loss(store: Store, other: Store, version: Version) -> None:
    if version.index != store.fingerprint:
        raise StoreError(
            f"{str(store)!r} has changed since {version.path.name} was made; bring that up to "
            f"date with 'artsim migrate {shell_word(store)} -m {shell_word(version.spec)}', or "
            "pass --allow-loss"
        )
    ids, known = (each.read(["id"]).column("id") for each in (store, other))
    gone = ids.filter(pc.invert(pc.is_in(ids, value_set=known.combine_chunks())))
    if len(gone):
        raise StoreError(
            f"{plural(len(gone), 'work')} of {str(store)!r}, such as {gone[0].as_py()!r}, "
            f"{'has' if len(gone) == 1 else 'have'} no vector in {version.path.name}: the pictures "
            "could not be embedded; 'artsim migrate -m MODEL --map' computes their vectors from "
            "the old ones, --allow-loss leaves the works out"
        )


def _keep(store: Store, other: Store) -> None:
    """Make a version of an index as it is."""
    folder = version_path(store.path, store.manifest.passport)
    remove_version(folder)
    with write_errors(folder):
        (folder / "parts").mkdir(parents=True)
        for part in store.manifest.parts:
            _link(store.path / "parts" / part.file, folder / "parts" / part.file)
        for file in _files(store.path):
            _link(file, folder / file.relative_to(store.path))
        for each in {file.parent for file in folder.rglob("*")}:
            sync_folder(each)
    kept = Store(folder, store.manifest)
    finish_version(folder, other.fingerprint, replaced=True)
    kept.rewrite([], failures=_failures(store), manifest=store.manifest)  # the manifest comes last


def _take(store: Store, other: Store) -> None:
    """Replace the rows, vectors and failures of an index by another's, in one commit."""
    first = store.manifest.next_part
    parts = [
        replace(part, file=f"{number:06}.parquet")
        for number, part in enumerate(other.manifest.parts, first)
    ]
    with write_errors(store.path):
        for theirs, part in zip(other.manifest.parts, parts, strict=True):
            _link(other.path / "parts" / theirs.file, store.path / "parts" / part.file)
        marks = store.path / _FILES[1]
        if (other.path / _FILES[1]).is_file():  # first: no mapped vector is without its mark
            _link(other.path / _FILES[1], marks)
        sync_folder(store.path / "parts")
    # Failures of a chunk that the manifest does not list do not count, so both may stand here.
    failures = [replace(failure, chunk=first) for failure in _failures(other)]
    manifest = replace(
        other.manifest,
        name=store.manifest.name,
        labels=store.manifest.labels,
        created=store.manifest.created,
    )
    everything = [(place, pa.table({})) for place in range(len(store.manifest.parts))]
    listed = [*_failures(store), *failures]
    store.rewrite(everything, failures=listed, manifest=manifest, added=parts)


def _follow(store: Store, other: Store) -> None:
    """Give an index what belongs to the vectors that it has now, as it stands in a version."""
    theirs = {file.relative_to(other.path): file for file in _files(other.path)}
    old = [file for file in _files(store.path) if not _is_same(file, theirs, store.path)]
    with write_errors(store.path):
        for file in sorted(old, key=_is_note, reverse=True):  # without its note a file is not used
            file.unlink()
        for name, file in sorted(theirs.items(), key=lambda each: _is_note(each[1])):
            _link(file, store.path / name)
    failures = [replace(failure, chunk=-1) for failure in _failures(other)]
    store.rewrite([], failures=failures, manifest=store.manifest)


def _files(path: Path) -> Iterator[Path]:
    """Yield the files of an index that are of no use with other vectors, besides its parts."""
    for folder in _FOLDERS:
        yield from sorted((path / folder).glob("[!.]*"))
    yield from (path / name for name in _FILES if (path / name).is_file())


def _is_note(file: Path) -> bool:
    return file.suffix == ".json"


def _is_same(file: Path, theirs: dict[Path, Path], path: Path) -> bool:
    other = theirs.get(file.relative_to(path))
    return other is not None and file.samefile(other)


def _failures(store: Store) -> list[Failure]:
    return [Failure(**values) for values in store.failures().to_pylist()]


def _link(file: Path, target: Path) -> None:
    """Give a file a second name, which may be in use; on file systems without links, copy it.

    Files of an index are replaced, never changed, so one may have two names.
    """
    if target.exists() and target.samefile(file):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.link.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(file, temporary)
    except OSError:
        with file.open("rb") as stream:
            write_whole(target, lambda copy: shutil.copyfileobj(stream, copy))
        return
    temporary.replace(target)
