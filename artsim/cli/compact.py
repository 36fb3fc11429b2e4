"""``artsim compact``."""

from __future__ import annotations

from pathlib import Path

import cloup

from artsim.cli.options.index import find_index, index_argument, index_option
from artsim.cli.options.values import count_option
from artsim.cli.output import echo, show_progress
from artsim.datatypes import plural, shown_path


@cloup.command()
@index_argument
@cloup.option_group(
    "Index",
    index_option,
    count_option("--part-mb", default=64, help="Size of the largest file, in megabytes."),
)
def compact(index: Path | None, part_mb: int) -> None:
    """Merge the small files of an index into few large ones.

    Every update of an index adds files; thousands of them make opening and searching slow. The
    works, their vectors and all answers stay as they are. If it is stopped, the index is still
    whole, and the same command finishes the job.

    Example:

    \b
        artsim compact
        artsim compact indexes/paintings --part-mb 128
    """
    path = find_index(index)
    from artsim.index import compact_index

    with show_progress(path.name) as progress:
        done = compact_index(path, part_bytes=part_mb << 20, progress=progress)
    echo(f"{shown_path(path)}: {plural(done.before, 'file')} of rows before, {done.after:,} now")
