"""Compare every file of an index with its checksum; restore the manifest from its copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from artsim.errors import ShortageError, StoreError, shortage_of
from artsim.store.checksums import CHECKSUM, cannot_read_now, is_whole, unsealed
from artsim.store.failures import FAILURES
from artsim.store.files import write_whole
from artsim.store.folder import Store
from artsim.store.manifest import COPY, MANIFEST, read_manifest
from artsim.store.parquet import has_checksums, read_parquet


@dataclass(frozen=True)
class Check:
    """What comparing an index's files with their checksums showed: paths below its folder."""

    damaged: tuple[str, ...]  # of another content than was written
    unchecked: tuple[str, ...]  # without a checksum, by an older artsim

    @property
    def parts(self) -> set[str]:
        """The damaged parts."""
        return {Path(name).name for name in self.damaged if Path(name).parent.name == "parts"}

    @property
    def needs_pictures(self) -> bool:
        """Whether only embedding again restores what is damaged."""
        return bool(self.parts) or FAILURES in self.damaged


_KEPT = ("hashes.parquet", "duplicates.parquet")  # found of the pictures


def check_files(store: Store) -> Check:
    """Read every file of an index, whatever is known of it, and compare its checksum."""
    found = dict(_check(store))
    damaged = [name for name, is_sound in found.items() if is_sound is False]
    unchecked = [name for name, is_sound in found.items() if is_sound is None]
    return Check(tuple(sorted(damaged)), tuple(sorted(unchecked)))


def _check(store: Store) -> Iterator[tuple[str, bool | None]]:
    """Yield files and whether each is sound; None: nothing says so."""
    for name in store.damaged_parts():
        yield f"parts/{name}", False
    own = [store.path / name for name in (MANIFEST, COPY, FAILURES, *_KEPT)]
    folders = [store.path / name for name in ("added", "faiss", "heads", "splits", "layouts")]
    for file in (*own, *(file for folder in folders for file in sorted(folder.glob("[!.]*")))):
        if file.suffix == ".json" and file.is_file():
            yield from _check_json(store.path, file)
        elif file.suffix == ".parquet" and file.is_file():
            yield file.relative_to(store.path).as_posix(), _check_parquet(file)


def _check_json(path: Path, file: Path) -> Iterator[tuple[str, bool | None]]:
    """Check a JSON file, and those whose checksums it has."""
    name = file.relative_to(path).as_posix()
    try:
        text = file.read_text(encoding="utf-8")
        values = unsealed(text)
    except (OSError, ValueError) as problem:
        if shortage_of(problem):
            raise ShortageError(cannot_read_now(file, problem)) from problem
        yield name, False
        return
    yield name, True if f'"{CHECKSUM}"' in text else None
    listed = values.get("sha256")
    if isinstance(listed, str):  # of a head
        listed = {file.with_suffix(".safetensors").name: listed}
    if listed is None and values.get("fingerprint"):  # of a search index by artsim 0.1
        others = [file.with_suffix(suffix) for suffix in (".index", ".vectors.npy", ".codes.npy")]
        listed = {other.name: None for other in others if other.is_file()}
    for other, sha256 in (listed or {}).items():
        there = file.parent / other
        is_sound = is_whole(there, sha256, again=True)
        unknown = is_sound and sha256 is None
        yield there.relative_to(path).as_posix(), None if unknown else is_sound


def _check_parquet(file: Path) -> bool | None:
    try:
        read_parquet(file, None, remedy="")
        return True if has_checksums(file) else None
    except ShortageError:
        raise
    except (StoreError, OSError, ValueError):
        return False


def restore_manifest(path: Path) -> bool:
    """Replace a manifest that is missing or damaged by its copy; return whether that was needed.

    Raises:
        StoreError: If there is no sound copy.
    """
    try:
        read_manifest(path)
    except StoreError:
        if not (path / COPY).is_file():
            raise
        read_manifest(path, COPY)
        data = (path / COPY).read_bytes()
        write_whole(path / MANIFEST, lambda stream: stream.write(data))
        return True
    return False
