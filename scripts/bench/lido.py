"""Time and memory of large files of records, which are written first: read, inspected, planned.

    .venv/bin/python scripts/bench/lido.py [--megabytes 2000] [--folder /tmp] [--only inspect]

One file is LIDO (XML), the other one JSON list. Each step has a process of its own: the catalog is
read twice, it is inspected, and `embed` plans what to do with each row (all are on the web). The
rows are in temporary files, not in memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from artsim.datatypes import Catalog, Fit, Passport, Preprocessing
from artsim.readers import read_collection

RECORD = """<lido:lido>
 <lido:lidoRecID lido:type="local">work-{n}</lido:lidoRecID>
 <lido:descriptiveMetadata xml:lang="en"><lido:objectIdentificationWrap>
  <lido:titleWrap><lido:titleSet><lido:appellationValue lido:pref="preferred">Still life {n}
  </lido:appellationValue></lido:titleSet></lido:titleWrap>
  <lido:objectDescriptionWrap><lido:objectDescriptionSet><lido:descriptiveNoteValue>{text}
  </lido:descriptiveNoteValue></lido:objectDescriptionSet></lido:objectDescriptionWrap>
 </lido:objectIdentificationWrap></lido:descriptiveMetadata>
 <lido:administrativeMetadata xml:lang="en"><lido:resourceWrap><lido:resourceSet>
  <lido:resourceRepresentation lido:type="image_master">
   <lido:linkResource>https://museum.example/{n}.jpg</lido:linkResource>
  </lido:resourceRepresentation></lido:resourceSet></lido:resourceWrap>
 </lido:administrativeMetadata>
</lido:lido>
"""
TEXT = "Fruit on a table. " * 20
HEADS = {
    "lido": ('<lido:lidoWrap xmlns:lido="http://www.lido-schema.org">\n', "</lido:lidoWrap>\n"),
    "records": ("[\n", "{}]\n"),
}


def main() -> None:
    """Write each file, and read it in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=STEPS, nargs="+", default=STEPS)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.source:
        measure(args.only[0], args.source)
        return
    for reader, suffix in (("lido", "xml"), ("records", "json")):
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            file = Path(folder) / f"export.{suffix}"
            write(file, reader, args.megabytes)
            for step in args.only:
                command = [sys.executable, __file__, "--only", step, "--source"]
                subprocess.run([*command, f"{reader}:{file}"], check=True)


def write(file: Path, reader: str, megabytes: int) -> None:
    """Write records until the file is that large."""
    first, last = HEADS[reader]
    record = xml_record if reader == "lido" else json_record
    with file.open("w", encoding="utf-8") as stream:
        stream.write(first)
        n = 0
        while stream.tell() < megabytes * 1_000_000:
            stream.writelines(record(n + each) for each in range(1000))
            n += 1000
        stream.write(last)


def xml_record(n: int) -> str:
    """Return a LIDO record."""
    return RECORD.format(n=n, text=f"{TEXT} {n}")


def json_record(n: int) -> str:
    """Return a record of as many letters, with a comma behind it."""
    makers = [{"name": f"Painter {n % 900}", "role": "painter"}]
    image = f"https://museum.example/{n}.jpg"
    found = {"id": f"work-{n}", "image": image, "title": f"Still life {n}", "makers": makers}
    return json.dumps(found | {"year": 1600 + n % 300, "note": f"{TEXT * 2} {n}"}) + ",\n"


def measure(step: str, source: str) -> None:
    """Do one step, and print what it took."""
    started = time.process_time()
    catalog = read_collection(source)
    rows = STEPS[step](catalog)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    size = catalog.source.stat().st_size / 1e6
    print(
        f"{catalog.reader} {step}: {rows:,} records, {len(catalog.schema)} columns, {size:,.0f} MB:"
        f" {seconds:.0f} s of one core, peak {peak:,.0f} MB",
        flush=True,
    )


def read(catalog: Catalog) -> int:
    """Read the catalog twice."""
    rows = [sum(batch.num_rows for batch in catalog.batches()) for _ in range(2)]
    return rows[0]


def inspect(catalog: Catalog) -> int:
    """Inspect the collection."""
    from artsim.inspection import inspect_collection

    return inspect_collection(catalog).rows


def plan(catalog: Catalog) -> int:
    """Plan what `embed` does with each row; none of its pictures is there."""
    from artsim.embedding import EmbedSettings
    from artsim.embedding.plan import make_plan
    from artsim.store import Manifest, Store, spooled

    manifest = Manifest(
        name=catalog.name,
        reader=catalog.reader,
        source=str(catalog.source),
        root=str(catalog.root),
        fields=tuple(catalog.fields),
        passport=Passport(
            spec="none",
            weights_sha256="0" * 64,
            weights_source="none",
            preprocessing=Preprocessing(
                size=(8, 8),
                scale=(8, 8),
                fit=Fit.SQUASH,
                interpolation="bilinear",
                mean=(0.0, 0.0, 0.0),
                std=(1.0, 1.0, 1.0),
                fill=(0, 0, 0),
            ),
            taps=(),
            backend="none",
            compute_dtype="float32",
            versions={},
        ),
    )
    index = catalog.source.parent / "index"
    store = Store.create(index, manifest)
    with spooled(catalog, index) as rows:
        found = make_plan(store, catalog, rows, EmbedSettings())
    return found.failed + len(found.to_embed)


STEPS = {"read": read, "inspect": inspect, "plan": plan}

if __name__ == "__main__":
    main()
