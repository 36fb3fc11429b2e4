"""Try to break artsim: kill it, damage its files, take its disk and memory away.

Not a test of the quick suite: it takes hours on two cores. Run all of it, or one part:

    python scripts/torture            # everything
    python scripts/torture kills --trials 200
    python scripts/torture faults
    python scripts/torture indexes --trials 200
    python scripts/torture server --trials 5000
    python scripts/torture pictures --trials 5000

Every part prints what went wrong as it finds it, and its figures as it goes on; the exit status is
1 if anything went wrong. The first trial starts after a minute: everything is imported once, and
each trial is forked from that.
Linux only: trials are forked processes with a limit of memory.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
from attacks import attack_server
from damage import damage_indexes
from faults import inject_faults
from kills import kill_commands
from museum import build_museum
from pictures import mutate_pictures
from trials import Findings, compile_maps, preload

PARTS: dict[str, tuple[Callable[[Path, int, int], Findings], int]] = {
    "kills": (kill_commands, 200),
    "faults": (inject_faults, 400),
    "indexes": (damage_indexes, 200),
    "server": (attack_server, 5_000),
    "pictures": (mutate_pictures, 5_000),
}


@click.command(help=__doc__)
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--trials", type=click.IntRange(min=1), help="Trials of each part.")
@click.option("--seed", type=int, default=0, show_default=True)
def main(parts: tuple[str, ...], trials: int | None, seed: int) -> None:
    """Torture artsim."""
    parts = parts or tuple(PARTS)
    needs_museum = parts != ("pictures",)
    broken = 0
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        museum = Path(folder)
        if needs_museum:
            preload()
            compile_maps()
            build_museum(museum)
        for name in parts:
            run, default = PARTS[name]
            began = time.monotonic()
            findings = run(museum, trials or default, seed)
            print(f"{name}: {findings.summary()} in {time.monotonic() - began:.0f} s", flush=True)
            broken += len(findings.faults)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
