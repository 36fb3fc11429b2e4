r"""The names of picture files as text: bytes that are not UTF-8, as in Latin-1, are ``\xNN``."""

from __future__ import annotations


def name_as_text(name: str) -> str:
    r"""Write a file name as text; bytes of it that are not UTF-8 become ``\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
