"""Time inspecting records as Tate publishes them, one JSON file each: seconds and peak memory.

    .venv/bin/python scripts/bench/records.py [--records 69202]

The records are generated: real keys, values as long as Tate's. Pictures are web addresses.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_FOLDER = 100  # records in a folder, as in Tate's
WORDS = ("battle", "flowers", "garden", "harbor", "letter", "madonna", "portrait", "river", "saint")


def main() -> None:
    """Write the records and inspect them in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=69_202)
    parser.add_argument("--inspect", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inspect:
        inspect(args.inspect)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder), args.records)
        print(f"{args.records:,} files of records")
        for reader in ("tate", "records"):
            source = f"{reader}:{folder}"
            subprocess.run([sys.executable, __file__, "--inspect", source], check=True)


def inspect(source: str) -> None:
    """Read and inspect the collection, and print what that took."""
    from artsim.inspection import inspect_collection
    from artsim.readers import read_collection

    started = time.perf_counter(), time.process_time()
    found = inspect_collection(read_collection(source))
    wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{found.reader}: {found.rows:,} rows, {len(found.columns)} columns, "
          f"{wall:.1f} s ({cpu:.1f} s of CPU), {peak:.0f} MB")  # fmt: skip


def write_records(folder: Path, count: int) -> None:
    """Write records into folders of a hundred."""
    rng = random.Random(0)
    for number in range(count):
        place = folder / "artworks" / f"{number // _FOLDER:03}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"a{number:05}.json").write_text(json.dumps(_record(number, rng), indent=1))


def _record(number: int, rng: random.Random) -> dict[str, object]:
    year, artist = rng.randint(1700, 2000), rng.randint(1, 3500)
    name = f"{rng.choice(WORDS).title()} {artist}"
    subjects = [{"id": rng.randint(1, 9000), "name": rng.choice(WORDS)} for _ in range(6)]
    return {
        "acno": f"A{number:05}",
        "acquisitionYear": year + 20,
        "all_artists": name,
        "classification": rng.choice(("painting", "on paper, unique", "on paper, print")),
        "contributorCount": 1,
        "contributors": [{"id": artist, "fc": name, "mda": name, "role": "artist",
                          "birthYear": year - 40, "gender": "Male", "displayOrder": 1}],
        "creditLine": f"Presented by {rng.choice(WORDS)} {rng.randint(1, 900)}",
        "dateRange": {"startYear": year, "endYear": year + 2, "text": f"c.{year}"},
        "dateText": f"c.{year}",
        "dimensions": f"support: {rng.randint(90, 900)} x {rng.randint(90, 900)} mm",
        "height": str(rng.randint(90, 900)),
        "width": str(rng.randint(90, 900)),
        "id": number,
        "inscription": None,
        "medium": rng.choice(("Graphite on paper", "Oil paint on canvas", "Lithograph on paper")),
        "movementCount": 0,
        "subjects": {"id": 1, "name": "subject", "children": [
            {"id": 91, "name": "places", "children": subjects}]},
        "thumbnailCopyright": None,
        "thumbnailUrl": f"http://museum.example/images/A{number:05}_8.jpg",
        "title": f"The {rng.choice(WORDS)} of {rng.choice(WORDS)} {number}",
        "units": "mm",
        "url": f"http://museum.example/artworks/a{number:05}",
    }  # fmt: skip


if __name__ == "__main__":
    main()
