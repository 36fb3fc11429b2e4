"""Time reading 137,000 NGA-shaped works: seconds and peak memory of the join.

    .venv/bin/python scripts/bench/readers.py [--works 137000]

The tables have the National Gallery of Art's real headers and generated values: objects,
published_images (one primary view a work and one alternate for every fourth), objects_terms (five a
work), objects_dimensions (three a work), constituents and objects_constituents.
"""

from __future__ import annotations

import argparse
import csv
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

OBJECTS = (
    "objectid,accessioned,accessionnum,locationid,title,displaydate,beginyear,endyear,"
    "visualbrowsertimespan,medium,dimensions,inscription,markings,attributioninverted,attribution,"
    "provenancetext,creditline,classification,subclassification,visualbrowserclassification,"
    "parentid,isvirtual,departmentabbr,portfolio,series,volume,watermarks,"
    "lastdetectedmodification,wikidataid,customprinturl"
)
IMAGES = (
    "uuid,iiifurl,iiifthumburl,viewtype,sequence,width,height,maxpixels,created,modified,"
    "depictstmsobjectid,assistivetext"
)
TERMS = "termid,objectid,termtype,term,visualbrowsertheme,visualbrowserstyle"
DIMENSIONS = "objectid,element,dimensiontype,dimension,unitname"
CONSTITUENTS = (
    "constituentid,ulanid,preferreddisplayname,forwarddisplayname,lastname,displaydate,"
    "artistofngaobject,beginyear,endyear,visualbrowsertimespan,nationality,"
    "visualbrowsernationality,constituenttype,wikidataid"
)
LINKS = (
    "objectid,constituentid,displayorder,roletype,role,prefix,suffix,displaydate,beginyear,"
    "endyear,country,zipcode"
)
WORDS = ("battle", "flowers", "garden", "harbor", "letter", "madonna", "portrait", "river", "saint")


def main() -> None:
    """Write the tables and read them in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--works", type=int, default=137_000)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        read(args.read)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder), args.works)
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        print(f"{args.works:,} works in 6 tables, {size / 1e6:.0f} MB")
        subprocess.run([sys.executable, __file__, "--read", folder], check=True)


def read(folder: str) -> None:
    """Read all rows and print time and memory."""
    from artsim.readers import read_collection

    started = time.perf_counter()
    catalog = read_collection(f"nga:{folder}")
    rows = sum(batch.num_rows for batch in catalog.batches())
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{rows:,} rows with {len(catalog.schema)} columns in {seconds:.1f} s, peak {peak:.0f} MB"
    )


def write_tables(folder: Path, works: int) -> None:
    """Write an export of that many works."""
    draw = random.Random(0)

    def text(n: int) -> str:
        return " ".join(draw.choices(WORDS, k=n))

    with (
        Table(folder / "objects.csv", OBJECTS) as objects,
        Table(folder / "published_images.csv", IMAGES) as images,
        Table(folder / "objects_terms.csv", TERMS) as terms,
        Table(folder / "objects_dimensions.csv", DIMENSIONS) as dimensions,
        Table(folder / "constituents.csv", CONSTITUENTS) as constituents,
        Table(folder / "objects_constituents.csv", LINKS) as links,
    ):
        for number in range(works // 10):
            constituents.write(
                constituentid=number, preferreddisplayname=text(2), nationality="Dutch"
            )
        for number in range(works):
            begin = draw.randrange(1400, 1990)
            objects.write(
                objectid=number, accessioned=1, accessionnum=f"19{number}.1", title=text(5),
                displaydate=f"c. {begin}", beginyear=begin, endyear=begin + 5, medium=text(3),
                dimensions="overall: 30 x 40 cm", attribution=text(2), provenancetext=text(40),
                creditline=text(6), classification=draw.choice(["Print", "Drawing", "Painting"]),
                departmentabbr="DPD", isvirtual=0, lastdetectedmodification="2024-01-01",
            )  # fmt: skip
            views = ["primary"] + ["alternate"] * (number % 4 == 0)
            for view in views:
                key = str(uuid.UUID(int=draw.getrandbits(128)))
                url = f"https://api.nga.gov/iiif/{key}"
                images.write(
                    uuid=key, iiifurl=url, iiifthumburl=f"{url}/full/!200,200/0/default.jpg",
                    viewtype=view, sequence=0, width=3000, height=4000, depictstmsobjectid=number,
                )  # fmt: skip
            for kind in ("School", "Style", "Theme", "Technique", "Keyword"):
                terms.write(termid=number, objectid=number, termtype=kind, term=draw.choice(WORDS))
            for kind in ("height", "width", "depth"):
                dimensions.write(
                    objectid=number, element="overall", dimensiontype=kind,
                    dimension=draw.randrange(5, 300), unitname="centimeters",
                )  # fmt: skip
            links.write(
                objectid=number, constituentid=number % (works // 10), displayorder=1,
                roletype="artist", role="artist",
            )  # fmt: skip


class Table:
    """A CSV file with a header; values that a row does not give are empty."""

    def __init__(self, path: Path, header: str) -> None:
        self._file = path.open("w", newline="")
        self._rows = csv.DictWriter(self._file, header.split(","))
        self._rows.writeheader()

    def write(self, **values: object) -> None:
        """Write a row."""
        self._rows.writerow(values)

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


if __name__ == "__main__":
    main()
