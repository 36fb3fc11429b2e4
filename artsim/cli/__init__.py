"""The command line: parse options, call the library, print the result.

Only this room knows click and rich, prints, exits, and chooses a device. Every command imports what
it needs when it runs, so that ``artsim --help`` and searches of an index answer at once.
"""

from __future__ import annotations

import difflib
import errno
import io
import logging
import re
import sys
import warnings
from pathlib import Path
from typing import NoReturn

import click
import cloup

from artsim import __version__
from artsim.cli.advice import with_index
from artsim.cli.compact import compact
from artsim.cli.dupes import dupes
from artsim.cli.embed import embed
from artsim.cli.estimate import estimate
from artsim.cli.fetch import fetch
from artsim.cli.find import find
from artsim.cli.import_vectors import import_vectors
from artsim.cli.index import index
from artsim.cli.info import info
from artsim.cli.inspect_ import inspect
from artsim.cli.knn_eval import knn_eval
from artsim.cli.label import label
from artsim.cli.leaderboard import leaderboard
from artsim.cli.leaks import leaks
from artsim.cli.map_ import map_
from artsim.cli.migrate import migrate
from artsim.cli.models import layers, models
from artsim.cli.motifs import motifs
from artsim.cli.options.index import say_where
from artsim.cli.output import echo
from artsim.cli.pack import pack
from artsim.cli.predict import predict
from artsim.cli.probe import probe
from artsim.cli.publish import publish
from artsim.cli.readers import readers
from artsim.cli.repair import repair
from artsim.cli.report import report
from artsim.cli.retrieval_eval import retrieval_eval
from artsim.cli.review import review
from artsim.cli.sample import sample
from artsim.cli.serve import serve
from artsim.cli.similar import similar
from artsim.cli.split import split
from artsim.cli.stopping import end_as_ctrl_c, was_interrupted
from artsim.cli.teach import teach
from artsim.cli.train import compare, recipes, train
from artsim.cli.zero_shot import zero_shot
from artsim.datatypes import printable, shown_path
from artsim.errors import ArtsimError, UnknownWorkError, shortage_of

__all__ = ["cli"]

# What a write or a sync may fail by, without naming a file.
_OF_DISKS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
# What users call a command before they know its name.
_OTHER_WORDS = {
    "browse": ("serve",),
    "classify": ("predict", "knn-eval"),
    "cluster": ("map",),
    "duplicates": ("dupes",),
    "eval": ("knn-eval", "probe", "retrieval-eval"),
    "evaluate": ("knn-eval", "probe", "retrieval-eval"),
    "list": ("find", "info"),
    "plot": ("map",),
    "query": ("similar", "find"),
    "search": ("similar", "find"),
    "show": ("info", "serve"),
}
# What is said of an option that a command does not have on purpose.
_REFUSED = {
    "--by": "'artsim similar' has it; evaluations compare pictures by one --tap, never by text, "
    "since records may hold the label."
}
_SURROGATES = re.compile("[\ud800-\udfff]")


class _Group(cloup.Group):
    """Shows an error that the library raises on purpose as one line; Ctrl-C ends with 130."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ArtsimError as error:
            where = say_where(error.work) if isinstance(error, UnknownWorkError) else ""
            raise click.ClickException(printable(with_index(f"{error}{where}"))) from error
        except (MemoryError, OSError, RuntimeError) as error:
            if was_interrupted(error):
                _stop()
            reason = _why_system(error)
            if not reason:
                raise
            raise click.ClickException(reason) from error
        except click.ClickException as error:
            _show(error)
            sys.exit(error.exit_code)
        except UnicodeEncodeError as error:
            # Python holds a name's bytes that are not UTF-8 as surrogates, which no file format
            # or library takes; any other text that cannot be encoded is a bug.
            if not _SURROGATES.search(error.object):
                raise
            raise click.ClickException(
                f"{error.object!r} is not UTF-8; rename it, or give it in UTF-8"
            ) from error
        except (KeyboardInterrupt, SystemError) as error:
            if not was_interrupted(error):
                raise
            _stop()

    def handle_bad_command_name(
        self, bad_name: str, valid_names: list[str], error: click.UsageError
    ) -> click.UsageError:
        """Suggest commands by other words for them, or by their spelling."""
        near = difflib.get_close_matches(bad_name, [*_OTHER_WORDS, *valid_names], n=1)
        if near and near[0] in _OTHER_WORDS:
            names = " or ".join(f"'{name}'" for name in _OTHER_WORDS[near[0]])
            return click.UsageError(
                f"No such command '{bad_name}'. Did you mean {names}?", error.ctx
            )
        return super().handle_bad_command_name(bad_name, valid_names, error)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of use, not of the alphabet."""
        return list(self.commands)


def _show(error: click.ClickException) -> None:
    shown = io.StringIO()  # with the usage, and whatever the command line named
    error.show(shown)
    name = error.option_name if isinstance(error, click.NoSuchOption) else ""
    why = f" {_REFUSED[name]}" if name in _REFUSED else ""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if name and not name.startswith("--") and context and context.info_name == "find":
        why = " Words with a minus go into quotes with the others: 'Goya -portrait'"
    echo(shown.getvalue().rstrip("\n") + why, err=True)


def _stop() -> NoReturn:
    echo("\nStopped.", err=True)
    sys.exit(130)


def _why_system(error: Exception) -> str:
    """Say what the system refused and what to do; '' for a bug."""
    if short := shortage_of(error):
        return (
            f"not enough {short}; end other programs and run it again, with fewer --workers "
            "where there are some"
        )
    if not isinstance(error, OSError) or not (error.filename or error.errno in _OF_DISKS):
        return ""
    if isinstance(error, FileNotFoundError):
        named = shown_path(Path(str(error.filename)))
        return f"no file or folder {named!r}; check the path, and that its disk is there"
    what = f"{shown_path(Path(str(error.filename)))!r}: " if error.filename else "the disk: "
    return (
        f"{what}{error.strerror or error}; what is finished is safe: check the disk and the "
        "folder's permissions, then run the same command again"
    )


_EPILOG = """
Shell completion (bash): eval "$(_ARTSIM_COMPLETE=bash_source artsim)"
"""


class _Lines(logging.Formatter):
    """Writes messages that act on no terminal, whatever file name or title is in them."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning of other people's code as one line, which has a path and code otherwise."""
    echo(f"Warning: {' '.join(str(message).split())}", err=True)


@cloup.group(
    cls=_Group,
    sections=[
        cloup.Section("Collect", [fetch, inspect, readers, sample]),
        cloup.Section(
            "Index",
            [
                *(embed, import_vectors, index, info, repair, compact, migrate),
                *(models, layers, pack, estimate),
            ],
        ),
        cloup.Section("Search", [find, similar, dupes, motifs, publish]),
        cloup.Section(
            "Evaluate",
            [label, split, leaks, knn_eval, probe, zero_shot, retrieval_eval, leaderboard],
        ),
        cloup.Section("Train", [recipes, train, compare, teach, predict, review]),
        cloup.Section("Look", [map_, serve, report]),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
@click.version_option(__version__, "--version", package_name="artsim")
def cli() -> None:
    """Embed museum collections, search them by similarity, predict their labels.

    \b
        artsim embed paintings/         # pictures -> indexes/paintings
        artsim similar query.jpg -k 10  # which works look similar?
        artsim knn-eval                 # do neighbors predict the labels?
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name is printed, whatever its bytes
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_Lines("%(levelname)s: %(message)s"))
    warnings.showwarning = _show_warning
    for name in ("artsim", "uvicorn"):
        logging.getLogger(name).handlers = [handler]
    # Pillow reports some faults of a picture there, too; they are in our errors.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    end_as_ctrl_c()
