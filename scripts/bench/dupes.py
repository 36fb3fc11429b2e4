"""Plant altered copies of pictures, and count how many of them `artsim dupes` finds.

    python scripts/bench/dupes.py                       the sample museum, paintings and antiquities
    python scripts/bench/dupes.py FOLDER [FOLDER ...]   folders of pictures

Paintings and antiquities are those of ARTSIM_DATA (default ../shared/data), if it has them. The
kinds: gray, a third of the size, JPEG of quality 25, 5% cropped at each edge, mirrored and rotated
by 90 degrees; each of as many pictures, drawn at random. A copy is found if it is in one group with
its original. Wrong are pairs of a copy and a picture that is not made of the same original. Pairs
of two originals are listed to be looked at: they may be doubles, which nobody planted; copies of
doubles do not count as wrong if the originals are themselves a pair.

The thresholds were chosen on copies drawn with seed 0, of the sample museum of seed 0; by default
the pictures and copies are others, of seed 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from artsim.datatypes import parse_spec
from artsim.duplicates import Group, find_groups, gather
from artsim.embedding import embed_collection
from artsim.images import decode, groups_of, read_bytes
from artsim.models import load_extractor
from artsim.readers import read_collection
from artsim.sample import make_sample
from artsim.splits import picture_looks
from artsim.store import Store

DATA = Path(os.environ.get("ARTSIM_DATA", "../shared/data"))
ORIGINAL = "original"
ALTERED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "gray": lambda image: image.convert("L"),
    "third-size": lambda image: image.resize(
        (max(image.width // 3, 1), max(image.height // 3, 1)), Image.Resampling.LANCZOS
    ),
    "jpeg-q25": lambda image: image,
    "cropped-5%": lambda image: image.crop(_inside(*image.size)),
    "mirrored": ImageOps.mirror,
    "rotated-90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", help="default: see above")
    parser.add_argument("--copies", type=int, default=300, help="of each kind; at most half of all")
    parser.add_argument("--seed", type=int, default=1, help="of the copies and the sample museum")
    parser.add_argument("--model", default="lite0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folders = options.folders
        if not folders:
            museum = Path(name) / "sample"
            make_sample(museum, seed=options.seed, pictures=600)
            known = (DATA / collection / "images" for collection in ("paintings", "antiquities"))
            folders = [museum / "images", *(folder for folder in known if folder.is_dir())]
        for number, folder in enumerate(folders):
            measure(folder, Path(name) / str(number), options)


def measure(folder: Path, work: Path, options: argparse.Namespace) -> None:
    """Print what is found of the copies of a folder's pictures."""
    work.mkdir()
    files = sorted(folder.iterdir())
    copies = min(options.copies, len(files) // 2)
    originals = plant(files, work / "planted", copies, options.seed)
    extractor = load_extractor(parse_spec(options.model))
    embed_collection(read_collection(work / "planted"), work / "index", extractor)
    store = Store.open(work / "index")
    ids = store.read(["id"]).column("id").to_pylist()
    print(f"\n{folder}: {originals:,} pictures, {copies:,} copies of each kind, {options.model}")
    evidence, _ = gather([store], [picture_looks(store)])
    for turned in (False, True):
        start = time.process_time()
        groups, _ = find_groups(evidence, turned=turned)
        seconds = time.process_time() - start
        what = "dupes --transformed" if turned else "dupes"
        print(f"\n{what}, {seconds:.1f} s of processor time")
        report(groups, [Path(id_).stem.split("-", 1) for id_ in ids])


def plant(files: list[Path], into: Path, copies: int, seed: int) -> int:
    """Write pictures called NUMBER-KIND; return the number of originals."""
    into.mkdir()
    rng = np.random.default_rng(seed)
    drawn = {kind: {*rng.permutation(len(files))[:copies].tolist()} for kind in ALTERED}
    for number, file in enumerate(files):
        shutil.copyfile(file, into / f"{number:06}-{ORIGINAL}{file.suffix}")
        image = Image.fromarray(decode(read_bytes(file)).pixels)
        for kind in (kind for kind in ALTERED if number in drawn[kind]):
            path = into / f"{number:06}-{kind}.{'jpg' if kind == 'jpeg-q25' else 'png'}"
            ALTERED[kind](image).save(path, **({"quality": 25} if path.suffix == ".jpg" else {}))
    return len(files)


def report(groups: list[Group], works: list[list[str]]) -> None:
    """Print recall and precision of each kind, and the pairs that nobody planted."""
    group_of = {row: number for number, group in enumerate(groups) for row in group.works}
    row_of = {(number, kind): row for row, (number, kind) in enumerate(works)}
    same = {}  # the first of the originals that are pairs of each other
    doubles = sorted(_doubles(groups, works))
    for several in groups_of((int(a), int(b)) for a, b, _ in doubles):
        same |= {f"{number:06}": several[0] for number in several}
    right, wrong = defaultdict(int), defaultdict(int)
    for pair in (pair for group in groups for pair in group.pairs):
        (a, kind_a), (b, kind_b) = works[pair.first], works[pair.second]
        counted = right if same.get(a, int(a)) == same.get(b, int(b)) else wrong
        for kind in {kind_a, kind_b} - {ORIGINAL}:
            counted[kind] += 1
    print(f"{'copies':12} {'recall':>7} {'precision':>10} {'pairs':>6} {'wrong':>6}")
    for kind in ALTERED:
        rows = [row for (_, each), row in row_of.items() if each == kind]
        found = [
            group_of.get(row, -1) == group_of.get(row_of[works[row][0], ORIGINAL], -2)
            for row in rows
        ]
        pairs = right[kind] + wrong[kind]
        precision = right[kind] / pairs if pairs else np.nan
        print(f"{kind:12} {np.mean(found):7.3f} {precision:10.3f} {pairs:6} {wrong[kind]:6}")
    print(
        "pairs of two originals:", ", ".join(f"{a}={b} {kind}" for a, b, kind in doubles) or "none"
    )


def _doubles(groups: list[Group], works: list[list[str]]) -> Iterator[tuple[str, str, str]]:
    for pair in (pair for group in groups for pair in group.pairs):
        (a, kind_a), (b, kind_b) = works[pair.first], works[pair.second]
        if kind_a == kind_b == ORIGINAL:
            yield a, b, str(pair.kind)


def _inside(width: int, height: int) -> tuple[int, int, int, int]:
    x, y = round(width * 0.05), round(height * 0.05)
    return x, y, width - x, height - y


if __name__ == "__main__":
    main()
