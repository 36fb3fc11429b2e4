"""Time the inspection of half a million rows: seconds of each step, CPU time and peak memory.

    .venv/bin/python scripts/bench/inspection.py                       # 500,000 rows, 2,000 files
    .venv/bin/python scripts/bench/inspection.py --files 500000        # a file for every row
    .venv/bin/python scripts/bench/inspection.py --files 500000 --pictures FOLDER
    .venv/bin/python scripts/bench/inspection.py --rows 100000 --hashes

The table is generated: 20 columns as museums have them, half of them labels with 2 to 20,000
values. The files are small JPEGs of noise with EXIF and a color profile, as scanners write them, or
copies of the JPEGs in a folder, each a little different. They are still in the system's cache.
"""

from __future__ import annotations

import argparse
import io
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from PIL import Image, ImageCms

from artsim.inspection import InspectSettings, inspect_collection
from artsim.readers import read_collection

# Number of values of the text columns; 0: each row has its own.
TEXTS = {
    "title": 0,
    "artist": 20_000,
    "medium": 5_000,
    "classification": 30,
    "department": 12,
    "culture": 400,
    "period": 300,
    "place": 4_000,
    "style": 25,
    "credit_line": 50_000,
    "rights": 2,
    "location": 2_000,
}
NUMBERS = {"year": 600, "height_cm": 3_000, "width_cm": 3_000, "gallery": 90}


def main() -> None:
    """Create the collection, inspect it and print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--pictures", type=Path, help="copy the JPEGs of this folder")
    parser.add_argument("--hashes", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = time.perf_counter()
        write_table(folder / "objects.csv", args.rows)
        write_files(folder / "images", args.files, pictures(args.pictures))
        print(f"made        {time.perf_counter() - made:8.1f} s")
        started, cpu_s = time.perf_counter(), time.process_time()
        catalog = read_collection(folder)
        read = time.perf_counter()
        inspection = inspect_collection(catalog, settings=InspectSettings(hashes=args.hashes))
        done, cpu_s = time.perf_counter(), time.process_time() - cpu_s
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"read        {read - started:8.1f} s   types of columns, found over all rows")
    print(f"inspected   {done - read:8.1f} s")
    print(f"together    {done - started:8.1f} s   {cpu_s:.1f} s of a core; peak {peak:.1f} GiB")
    print(
        f"{inspection.rows:,} rows, {inspection.pictures:,} pictures, "
        f"{len(inspection.columns)} columns, {len(inspection.labels)} labels"
    )
    for finding in inspection.findings:
        print(f"{finding.count:>10,}  {finding.kind}")


def write_table(file: Path, rows: int) -> None:
    """Write a table of that many rows."""
    rng = np.random.default_rng(0)
    number = np.arange(rows)
    columns = {
        "object_id": pa.array(number),
        "image": pa.array([f"images/{n % 1000:03}/{n}.jpg" for n in number]),
    }
    for name, values in TEXTS.items():
        # few values are common and many rare, as in any catalog
        drawn = number if not values else (values * rng.random(rows) ** 3).astype(int)
        missing = rng.random(rows) < 0.1
        columns[name] = pa.array([f"{name} {value}" for value in drawn], mask=missing)
    for name, values in NUMBERS.items():
        columns[name] = pa.array(rng.integers(0, values, rows), mask=rng.random(rows) < 0.2)
    pyarrow.csv.write_csv(pa.table(columns), file)


def pictures(folder: Path | None) -> list[bytes]:
    """Return the JPEGs in a folder, or one of noise."""
    if folder is not None:
        return [file.read_bytes() for file in sorted(folder.rglob("*.jpg"))]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 1, "Scanner"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((100, 80)).save(out, "JPEG", exif=exif, icc_profile=profile)
    return [out.getvalue()]


def write_files(folder: Path, files: int, pictures: list[bytes]) -> None:
    """Write that many files, each a little different."""
    for number in range(min(1000, files)):
        (folder / f"{number:03}").mkdir(parents=True)
    for number in range(files):
        # a number after the end of the picture, which decoders ignore
        data = pictures[number % len(pictures)] + number.to_bytes(4, "big")
        (folder / f"{number % 1000:03}" / f"{number}.jpg").write_bytes(data)


if __name__ == "__main__":
    main()
