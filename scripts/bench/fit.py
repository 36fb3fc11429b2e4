"""Compare how pictures are fitted to a network: cropped, padded or squashed.

    .venv/bin/python scripts/bench/fit.py                 # lite0; kNN with k = 5 and a probe
    .venv/bin/python scripts/bench/fit.py --model lite0 --keep /tmp/fits

Each collection is embedded once for each fit; labels are scored on the same pictures and splits.
kNN is leave-one-out over all pictures; style also without neighbors by the same artist.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DATA = Path(os.environ.get("ARTSIM_DATA", ROOT / "../shared/data"))
FITS = ("crop", "pad", "squash")
COLLECTIONS = {  # the labels of each, and the columns whose values are kept apart
    "paintings": {"artist": None, "genre": None, "style": "artist"},
    "antiquities": {"object_type": None, "museum": None},
}


def main() -> None:
    """Embed, score and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--keep", type=Path, help="folder where the indexes are kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = args.keep or Path(folder)
        print(f"{'collection':14}{'fit':9}{'method':12}{'label':26}{'top-1':>7}{'95%':>14}")
        for name, labels in COLLECTIONS.items():
            for fit in FITS:
                index = where / f"{name}-{fit}"
                if not index.exists():
                    source = DATA / name / "objects.csv"
                    run("embed", source, "-m", args.model, "--fit", fit, "-o", index)
                compare(index, f"{name:14}{fit:9}", labels)


def compare(index: Path, begin: str, labels: dict[str, str | None]) -> None:
    """Print the scores of every label, and of those with a group without neighbors of the same."""
    for words, metric in ((("knn-eval", "-k", "5"), "top1"), (("probe",), "probe")):
        several = ("--label", ",".join(labels), "--json")
        found = [(None, run(*words, index, *several))]
        for label, group in labels.items():
            if group:
                alone = ("--label", label, "--group", group, "--json")
                found.append((group, run(*words, index, *alone)))
        for group, text in found:
            for row in map(json.loads, text.splitlines()):
                if "label" not in row:  # the mean of several
                    continue
                name = row["label"] + (f" by {group}" if row.get("resampled") and group else "")
                ends = f"{row[metric + '_low']:.3f}-{row[metric + '_high']:.3f}"
                line = f"{begin}{words[0]:12}{name:26}{row[metric]:7.3f}{ends:>14}"
                print(line, flush=True)


def run(*words: object) -> str:
    """Run an artsim command and return what it prints."""
    command = [sys.executable, "-m", "artsim", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
