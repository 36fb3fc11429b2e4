"""Time and memory of reading a large LIDO file, which is written first.

python scripts/bench/lido.py FILE [MEGABYTES]
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from artsim.readers.record_files import read_records

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


def write(file: Path, megabytes: int) -> None:
    """Write records until the file is that large."""
    with file.open("w", encoding="utf-8") as stream:
        stream.write('<lido:lidoWrap xmlns:lido="http://www.lido-schema.org">\n')
        n = 0
        while stream.tell() < megabytes * 1_000_000:
            stream.writelines(
                RECORD.format(n=n + each, text="Fruit on a table. " * 20) for each in range(1000)
            )
            n += 1000
        stream.write("</lido:lidoWrap>\n")


def main() -> None:
    """Write the file unless it is there, read it, and print what that took."""
    file = Path(sys.argv[1])
    if not file.exists():
        write(file, int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
    started = time.process_time()
    count = sum(1 for _ in read_records(file, "lido"))
    seconds, peak = (
        time.process_time() - started,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    )
    size = file.stat().st_size / 1e6
    print(
        f"{count:,} records, {size:,.0f} MB: {seconds:.0f} s of one core, peak {peak / 1e3:,.0f} MB"
    )


if __name__ == "__main__":
    main()
