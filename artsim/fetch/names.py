"""File names made from ids: safe on every file system, unique, and the same in every run."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from artsim.datatypes import format_of
from artsim.readers import is_picture

# With suffix and the marks of an unfinished file well below the 143 bytes of encrypted folders.
_LONGEST = 96
_MARK = 16  # hexadecimal digits that distinguish files of the same name

# Windows opens a device under these names, whatever suffix follows.
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICES = {"aux", "con", "nul", "prn"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(10)}

_MARKED = re.compile(rf"(?i)-[0-9a-f]{{{_MARK}}}$")


def file_stems(ids: Iterable[str], taken: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Name each id's file, without its suffix; all ids of the catalog are needed.

    An id of plain letters, digits and ``._-`` is its own name, without a picture's suffix if it has
    one. Any other is written in these, as far as they go, with a mark computed from the id behind
    it; so are all ids whose names would differ in case only. An id that has a name on the disk, in
    ``taken``, keeps it.
    """
    names = dict(taken)
    owners = {stem.lower(): id_ for id_, stem in names.items()}
    bare = {id_: _without_suffix(id_) for id_ in ids}
    same = Counter(name.lower() for name in bare.values())
    for id_, name in bare.items():
        if id_ not in names:
            plain = _plain(name)
            is_own = (
                plain == name
                and same[name.lower()] == 1
                and plain.lower() not in owners
                and not _MARKED.search(plain)  # or it could be the name of another id
            )
            names[id_] = plain if is_own else f"{plain}-{_mark(id_)}"
    return {id_: names[id_] for id_ in bare}


def suffix_of(data: bytes) -> str:
    """Name the format of a picture that can be decoded, by its first bytes."""
    found = format_of(data)
    return found.suffixes[0] if found else "img"


def _without_suffix(id_: str) -> str:
    stem, dot, _ = id_.rpartition(".")
    return stem if dot and stem and is_picture(id_) else id_


def _plain(id_: str) -> str:
    """Write an id in the letters that are safe; of a long one the end, which differs more."""
    if not id_.isascii():
        letters = unicodedata.normalize("NFKD", id_)
        id_ = "".join(letter for letter in letters if not unicodedata.combining(letter))
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", id_)[-_LONGEST:]
    plain = re.sub(r"^[._-]+|[. ]+$", "", plain)  # hidden, an option, or cut off by Windows
    if not plain or plain.partition(".")[0].lower() in _DEVICES:
        return f"_{plain}"
    return plain


def _mark(id_: str) -> str:
    return hashlib.blake2b(id_.encode(), digest_size=_MARK // 2).hexdigest()
