"""Try to break artsim: kill it, damage its files, take its disk and memory away.

Not a test of the quick suite: it takes half an hour. Run all of it, or one part:

    python scripts/torture            # everything
    python scripts/torture kills --trials 200
    python scripts/torture faults
    python scripts/torture indexes --trials 200
    python scripts/torture pictures --trials 5000

Every part prints its figures and what went wrong, and the exit status is 1 if anything did.
Linux only: trials are forked processes with a limit of memory.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
from damage import damage_indexes
from faults import inject_faults
from kills import kill_commands
from museum import build_museum
from pictures import mutate_pictures
from trials import Findings

PARTS: dict[str, tuple[Callable[[Path, int, int], Findings], int]] = {
    "kills": (kill_commands, 200),
    "faults": (inject_faults, 400),
    "indexes": (damage_indexes, 200),
    "pictures": (mutate_pictures, 5_000),
}


@click.command(help=__doc__)
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--trials", type=click.IntRange(min=1), help="Trials of each part.")
@click.option("--seed", type=int, default=0, show_default=True)
def main(parts: tuple[str, ...], trials: int | None, seed: int) -> None:
    broken = 0
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        museum = build_museum(Path(folder))
        for name in parts or PARTS:
            run, default = PARTS[name]
            began = time.monotonic()
            findings = run(museum, trials or default, seed)
            print(f"{name}: {findings.summary()} in {time.monotonic() - began:.0f} s", flush=True)
            for line in findings.faults[:40]:
                print(f"  {line}", flush=True)
            broken += len(findings.faults)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
