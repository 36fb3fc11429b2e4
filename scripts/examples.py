#!/usr/bin/env python
"""Run the commands that the documentation shows and compare their output with what it prints.

    scripts/examples.py                      check every page
    scripts/examples.py docs/search.md       check one page
    scripts/examples.py --write docs/search.md   write the true output into it
    scripts/examples.py --place museum       only the examples on the sample museum

An example is a ``console`` block under a comment that names where it runs::

    <!-- example: paintings -->

A place is a temporary folder: ``museum`` holds the sample museum with its index, every other one
the collection of that name from ``ARTSIM_DATA`` (default ``../shared/data``). Examples of a place
run in order and share its folder. A line ``...`` in the output stands for any lines. Times, rates
and temporary paths are not compared.
"""

from __future__ import annotations

import argparse
import difflib
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ARTSIM_DATA", ROOT.parent / "shared/data"))
COLUMNS = 112  # of the terminal that the output is made for
_BLOCK = re.compile(
    r"(?P<head><!-- example: (?P<place>[\w-]+) -->\n```console\n)(?P<body>.*?)(?P<tail>```)", re.S
)
_VARIES = re.compile(r"\d[\d,.]*(?= ?(s\b|/s|ms\b|MB\b|kB\b))|20\d\d-\d\d-\d\d( \d\d:\d\d)?")


@dataclass
class Example:
    """A command and the output that the page shows."""

    command: str
    shown: str


def examples(body: str) -> Iterator[Example]:
    """Split a console block into commands, which may go on after a backslash, and outputs."""
    for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
        lines = part.split("\n")
        last = next(place for place, line in enumerate(lines) if not line.endswith("\\"))
        yield Example("\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]))


def run(command: str, folder: Path) -> str:
    """Run a command as on a terminal and return what it prints; errors are printed too."""
    master, slave = pty.openpty()
    environment = os.environ | {
        "COLUMNS": str(COLUMNS),
        "LINES": "50",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "PYTHONPATH": str(ROOT),
        "ARTSIM_PYTHON": sys.executable,
    }
    script = f'artsim() {{ "$ARTSIM_PYTHON" -m artsim "$@"; }}\n{command}'
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(slave)
        output = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            output += chunk
        assert process.stderr is not None
        errors = process.stderr.read()
    os.close(master)
    if process.returncode:
        output += errors
    text = output.decode().replace("\r\n", "\n").replace(str(DATA.resolve()), "/data")
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n") + "\n"


def make_place(name: str, folder: Path) -> Path:
    """Make the folder that the examples of a place run in."""
    place = folder / name
    if place.exists():
        return place
    place.mkdir()
    if name == "museum":
        run("artsim sample museum --pictures 60 && artsim embed museum", place)
    elif (DATA / name).exists():
        (place / name).symlink_to((DATA / name).resolve())
    else:
        raise SystemExit(f"examples: no collection {name!r} in {DATA}; set ARTSIM_DATA")
    return place


def same(shown: str, true: str) -> bool:
    """Compare outputs; a line ``...`` in what is shown stands for any lines."""
    parts = [
        re.escape(_VARIES.sub("#", part)) for part in re.split(r"^\.\.\.\n", shown, flags=re.M)
    ]
    return re.fullmatch("(?:.*\n)*?".join(parts), _VARIES.sub("#", true)) is not None


def check_page(page: Path, folder: Path, *, places: list[str], write: bool) -> int:
    """Check or write the examples of a page; return how many differ."""
    text = page.read_text(encoding="utf-8")
    wrong = 0

    def replace(block: re.Match[str]) -> str:
        nonlocal wrong
        if places and block["place"] not in places:
            return block[0]
        place = make_place(block["place"], folder)
        os.environ["ARTSIM_INDEX"] = f"indexes/{block['place']}"  # also next to other indexes
        body = ""
        for example in examples(block["body"]):
            makes_no_index = re.match(r"artsim (embed|inspect)\b", example.command) is None
            if makes_no_index and not (place / "indexes" / block["place"]).exists():
                run(f"artsim embed {block['place']}", place)
            true = run(example.command, place)
            true = "" if true == "\n" else true
            if not same(example.shown, true):
                wrong += 1
                if not write:
                    sys.stdout.writelines(
                        difflib.unified_diff(
                            example.shown.splitlines(True),
                            true.splitlines(True),
                            f"{page}: {example.command}",
                            "true output",
                        )
                    )
                elif "\n...\n" in "\n" + example.shown:
                    print(f"{page}: shorten by hand: {example.command}\n{true}")
                else:
                    example.shown = true
            body += f"$ {example.command}\n{example.shown}"
        return block["head"] + body + block["tail"]

    new = _BLOCK.sub(replace, text)
    if write and new != text:
        page.write_text(new, encoding="utf-8")
    return wrong


def main() -> None:
    """Check or write the pages named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pages", nargs="*", type=Path, help="default: README.md and docs/**/*.md")
    parser.add_argument("--write", action="store_true", help="write the true output")
    parser.add_argument("--place", action="append", default=[], help="only examples of this place")
    arguments = parser.parse_args()
    pages = arguments.pages or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    with tempfile.TemporaryDirectory(prefix="artsim-examples-") as folder:
        wrong = sum(
            check_page(page, Path(folder), places=arguments.place, write=arguments.write)
            for page in pages
        )
    if wrong and not arguments.write:
        raise SystemExit(
            f"examples: {wrong} differ; scripts/examples.py --write writes the true output"
        )


if __name__ == "__main__":
    main()
