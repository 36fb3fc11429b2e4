"""Everything artsim raises on purpose.

* ArtsimError
  x ReaderError
  x PlaceError
  x FetchError
  x ImageError
    . UnsupportedImageError
    . ResourcesError
  x ModelError
  x StoreError
    . ShortageError
    . ConflictError
  x PassportError
  x EngineError
  x SearchError
    . UnknownWorkError
  x EvaluationError
  x TrainingError

A message names the value, what was expected and the next step: the cli prints it as one line.
"""

import errno

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS)
_NO_THREAD = "can't start new thread"  # Python's RuntimeError


def shortage_of(problem: BaseException) -> str:
    """Name what a failure is for want of, which may pass: memory, threads, files; '' if nothing."""
    if isinstance(problem, MemoryError) or getattr(problem, "errno", None) == errno.ENOMEM:
        return "memory"
    if _NO_THREAD in str(problem) or getattr(problem, "errno", None) == errno.EAGAIN:
        return "threads"
    return "file descriptors" if getattr(problem, "errno", None) in _SHORTAGES else ""


class ArtsimError(Exception):
    """Base class. The cli prints these as one line; anything else is a bug."""


class ReaderError(ArtsimError):
    """A collection lacks a file, a column or a value that its reader needs."""


class PlaceError(ArtsimError):
    """The address of an object store is wrong, or its package is not installed."""


class FetchError(ArtsimError):
    """Pictures cannot be fetched at all: no such column, a folder in use, a missing package."""


class ImageError(ArtsimError):
    """A file is not a picture that can be decoded whole."""


class UnsupportedImageError(ImageError):
    """A picture is of a kind that artsim, or this installation of it, does not decode."""


class ResourcesError(ImageError):
    """Memory, threads or file descriptors are short now: the file may be sound."""


class ModelError(ArtsimError):
    """A spec names a source, network, layer, pooling or weights that are not there."""


class StoreError(ArtsimError):
    """An index folder is missing, unfinished, damaged, or cannot be written."""


class ShortageError(StoreError):
    """File descriptors or memory are short now: the file of an index may be sound."""


class ConflictError(StoreError):
    """Another run has written to an index in an object store, or has begun to."""


class PassportError(StoreError):
    """Vectors computed by different networks or preprocessings were about to be compared."""


class EngineError(ArtsimError):
    """What embeds elsewhere is missing, cannot be reached, or would make other vectors."""


class SearchError(ArtsimError):
    """A query cannot be answered: an unknown id, a bad k, an unknown tap."""


class UnknownWorkError(SearchError):
    """No work of the index has the id ``work``."""

    def __init__(self, message: str, work: str) -> None:
        super().__init__(message)
        self.work = work


class EvaluationError(ArtsimError):
    """An evaluation cannot be done with the given data."""


class TrainingError(ArtsimError):
    """A recipe cannot be trained: a setting, too few pictures, a loss that is not a number."""
