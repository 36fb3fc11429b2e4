"""Paste details of pictures into others, and count how many of them `artsim motifs` finds.

    python scripts/bench/motifs.py [FOLDER]    a folder of pictures; default: the paintings

Paintings are those of ARTSIM_DATA (default ../shared/data). Each detail is 35% to 50% (--share) of
the sides of a picture and is pasted once into another: as it is, mirrored, recolored, or rescaled
by 0.7 to 1.4. Counted are the pairs that pasting made:

    right     a detail of one was pasted into the other
    no count  the same two pictures have the score before anything is pasted, too: what they share
              was there, such as two heads in the same pose
    wrong     all others

Recall is the part of the pasted details that are found. The counts of all seeds are summed. The
threshold was chosen on seed 0.

With --queries each detail is a query instead, as it was cut out and not as it was altered: is the
picture that it was pasted into the first match of `artsim similar --details`, and with --verify?
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from artsim.datatypes import parse_spec
from artsim.embedding import EmbedSettings, embed_collection
from artsim.models import BackendName, Compute, load_extractor
from artsim.motifs import (
    MIN_SCORE,
    MotifFinder,
    candidate_pairs,
    candidates,
    find_motifs,
    verify_matches,
)
from artsim.readers import read_collection
from artsim.search import IndexEncoder, Searcher, SearchRequest, Term
from artsim.store import Store

DATA = Path(os.environ.get("ARTSIM_DATA", "../shared/data"))
KINDS = ("pasted", "mirrored", "recolored", "rescaled")
SHARE = (0.35, 0.5)  # of a picture's sides that a detail has
SPREAD = 25  # of the grays of a detail, at least: a blank wall is no motif


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=DATA / "paintings" / "images")
    parser.add_argument("--details", type=int, default=24, help="that are pasted")
    parser.add_argument("--others", type=int, default=24, help="pictures without one")
    parser.add_argument("--seeds", type=int, nargs="+", default=(10, 11, 12))
    parser.add_argument("--tiles", type=int, default=5)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--layer")
    parser.add_argument("--share", type=float, nargs=2, default=SHARE, help="of a picture's sides")
    parser.add_argument("--queries", action="store_true", help="search with each detail")
    wanted = parser.parse_args()
    counts: list[Found] = []
    for seed in wanted.seeds:
        with tempfile.TemporaryDirectory() as name:
            made = Path(name, "made")
            truth = paste_details(
                wanted.folder,
                made,
                wanted.details,
                others=wanted.others,
                seed=seed,
                share=tuple(wanted.share),
            )
            store = embed(made, Path(name, "index"), wanted.tiles)
            if wanted.queries:
                report_queries(store, Path(name, "cut"))
                continue
            before = embed(Path(name, "before"), Path(name, "index-before"), wanted.tiles)
            counts += find(store, before, truth, seed, wanted.each, wanted.layer)
    if counts:
        report(counts)


def paste_details(
    pictures: Path,
    made: Path,
    details: int,
    *,
    others: int,
    seed: int,
    share: tuple[float, float] = SHARE,
) -> dict[frozenset[str], str]:
    """Write pictures of which some share a detail; return the kind of each pair of names.

    Beside them are the same pictures as they were before, and the details as they were cut out.
    """
    random = np.random.default_rng(seed)
    files = sorted(file for file in pictures.iterdir() if file.suffix == ".jpg")
    drawn = [files[at] for at in random.permutation(len(files))[: 2 * details + others]]
    made.mkdir(parents=True)
    cuts, before = made.with_name("cut"), made.with_name("before")
    cuts.mkdir()
    before.mkdir()
    truth = {}
    for number, (source, host) in enumerate(zip(drawn[:details], drawn[details:], strict=False)):
        kind = KINDS[number % len(KINDS)]
        with Image.open(source) as opened, Image.open(host) as other:
            picture, target = opened.convert("RGB"), other.convert("RGB")
        target.save(before / host.name, quality=92)
        cut = draw_detail(picture, random, share)
        cut.save(cuts / f"{source.stem}-{host.stem}.png")
        detail = altered(cut, kind, random)
        detail.thumbnail((target.width * 0.7, target.height * 0.7))
        spare = target.width - detail.width, target.height - detail.height
        target.paste(
            detail, (int(random.integers(spare[0] + 1)), int(random.integers(spare[1] + 1)))
        )
        for folder in (made, before):
            picture.save(folder / source.name, quality=92)
        target.save(made / host.name, quality=92)
        truth[frozenset((source.stem, host.stem))] = kind
    for file in drawn[2 * details :]:
        for folder in (made, before):
            (folder / file.name).write_bytes(file.read_bytes())
    return truth


def draw_detail(
    picture: Image.Image, random: np.random.Generator, share: tuple[float, float]
) -> Image.Image:
    """Cut out the most varied of some details."""
    cuts = []
    for _ in range(20):
        width, height = (round(random.uniform(*share) * side) for side in picture.size)
        x = int(random.integers(picture.width - width + 1))
        y = int(random.integers(picture.height - height + 1))
        cut = picture.crop((x, y, x + width, y + height))
        cuts.append(cut)
        if np.asarray(cut.convert("L")).std() >= SPREAD:
            return cut
    return max(cuts, key=lambda cut: float(np.asarray(cut.convert("L")).std()))


def altered(detail: Image.Image, kind: str, random: np.random.Generator) -> Image.Image:
    """Mirror, recolor or rescale a detail."""
    if kind == "mirrored":
        return ImageOps.mirror(detail)
    if kind == "recolored":
        bands = np.asarray(detail, dtype=np.float64)[..., random.permutation(3)]
        shaded = 255 * (bands / 255) ** random.uniform(0.7, 1.4) * random.uniform(0.75, 1, 3)
        return Image.fromarray(shaded.round().astype(np.uint8))
    if kind == "rescaled":
        factor = random.uniform(0.7, 1.4)
        size = round(detail.width * factor), round(detail.height * factor)
        return detail.resize(size, Image.Resampling.LANCZOS)
    return detail


def embed(pictures: Path, index: Path, tiles: int, *, batch_size: int = 32) -> Store:
    extractor = load_extractor(parse_spec("lite0"))
    settings = EmbedSettings(tiles=tiles, batch_size=batch_size)
    embed_collection(read_collection(pictures), index, extractor, settings=settings)
    return Store.open(index)


def report_queries(store: Store, cuts: Path) -> None:
    """Print how often the picture with a query's detail is the first match, or among five."""
    encoder = IndexEncoder(store)
    searcher = Searcher(store, encoder=encoder)
    finder = MotifFinder(store, encoder.by_torch)
    places: dict[str, list[int]] = {"--details": [], "--details --verify": []}
    for file in sorted(cuts.iterdir()):
        source, host = file.stem.split("-")
        terms, own = (Term(file=file),), (f"{source}.jpg",)
        request = SearchRequest(terms=terms, k=candidates(10), details=True, exclude=own)
        answer = searcher.search(request)
        verified = verify_matches(answer, finder, searcher.works, len(answer.matches))
        for way, each in zip(places, (answer, verified), strict=True):
            ids = [match.id for match in each.matches]
            places[way].append(ids.index(f"{host}.jpg") if f"{host}.jpg" in ids else len(ids))
    for way, found in places.items():
        first, five = (sum(place < few for place in found) / len(found) for few in (1, 5))
        print(f"{way}: first {first:.3f}, among five {five:.3f} of {len(found)} details")


class Found(NamedTuple):
    """A pair of pictures, with its scores."""

    seed: int
    pair: tuple[str, ...]
    kind: str | None  # how the detail was altered that was pasted; None: none was
    score: float
    before: float  # before anything was pasted


def find(
    store: Store,
    before: Store,
    truth: dict[frozenset[str], str],
    seed: int,
    each: int,
    layer: str | None,
) -> list[Found]:
    """Find motifs; pasted details that no tile proposes have the score 0."""
    compute = Compute(device="cpu", backend=BackendName.TORCH)
    extractor = load_extractor(parse_spec("lite0"), compute=compute)
    names, same = (
        [Path(id_).stem for id_ in index.read(["id"]).column(0).to_pylist()]
        for index in (store, before)
    )
    assert names == same
    proposed = candidate_pairs(store, store.manifest.passport.taps[0].name, each=each)
    motifs = find_motifs(MotifFinder(store, extractor, layer), proposed, min_score=0)
    pairs = np.array([(motif.first, motif.second) for motif in motifs])
    old = find_motifs(MotifFinder(before, extractor, layer), pairs, min_score=0)
    had = {frozenset((motif.first, motif.second)): motif.score for motif in old}
    found = []
    for motif in motifs:
        rows = motif.first, motif.second
        pair = tuple(sorted(names[row] for row in rows))
        kind = truth.get(frozenset(pair))
        found.append(Found(seed, pair, kind, motif.score, had.get(frozenset(rows), 0)))
    missed = truth.keys() - {frozenset(each.pair) for each in found}
    pasted = [names[row] for row in proposed.ravel()]
    right = truth.keys() & {frozenset(pair) for pair in zip(pasted[::2], pasted[1::2], strict=True)}
    print(f"seed {seed}: {len(names)} pictures, {len(proposed)} candidates, ", end="")
    print(f"{len(right)} of {len(truth)} pasted details among them", flush=True)
    return found + [Found(seed, tuple(sorted(pair)), truth[pair], 0, 0) for pair in missed]


def report(pairs: list[Found]) -> None:
    """Print recall and precision at several scores, and the highest of the wrong pairs."""
    for least in sorted({2, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 8, 9, 10, 12, MIN_SCORE}):
        made = [each for each in pairs if each.before < least]
        shared = sum(each.score >= least for each in pairs) - sum(e.score >= least for e in made)
        of = Counter(each.kind for each in made)
        found = Counter(each.kind for each in made if each.score >= least)
        wrong = found.pop(None, 0)
        right = sum(found.values())
        shown = ", ".join(f"{kind} {found[kind]}/{of[kind]}" for kind in KINDS)
        print(
            f"score >= {least:g}: recall {right / (sum(of.values()) - of[None]):.3f}, precision "
            f"{right / max(right + wrong, 1):.3f} ({shown}; {wrong} wrong, {shared} shared before)"
        )
    wrong_pairs = sorted((e for e in pairs if e.kind is None), key=lambda e: -e.score)[:20]
    print("highest others, with their score before:")
    for each in wrong_pairs:
        print(f"  {each.score:.1f} {each.before:.1f} seed {each.seed} {' '.join(each.pair)}")
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{used.ru_utime + used.ru_stime:.0f} CPU seconds, {used.ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
