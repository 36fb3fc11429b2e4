"""Repeated details: planted ones are found, with their place and whether they are mirrored."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageOps

import artsim
from artsim.cli import cli
from artsim.index import Vectors
from artsim.motifs import Cells, finding, journal_in, proposing, verify

BENCH = Path(__file__).parents[1] / "scripts" / "bench" / "motifs.py"


def _cells(random, places, vectors=None, size=10.0):
    """Make cells with random vectors, or given ones, in a picture of 200 x 200 pixels."""
    vectors = random.standard_normal((len(places), 32)) if vectors is None else vectors
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    sizes = np.full(len(places), size)
    return Cells(vectors.astype(np.float16), np.asarray(places, float), sizes, (200.0, 200.0))


def _grid(count, step=10.0):
    y, x = np.mgrid[:count, :count]
    return (np.column_stack([x.ravel(), y.ravel()]) + 0.5) * step


def test_a_detail_that_moved_is_found_with_all_its_points():
    random = np.random.default_rng(0)
    whole = _cells(random, _grid(20))
    inside = (whole.places < 60).all(axis=1)  # 6 x 6 cells
    moved = whole.places[inside] + (90, 40)
    others = random.standard_normal((100, 32))
    noise = random.uniform(0, 200, (100, 2))
    second = _cells(
        random,
        np.concatenate([moved, noise]),
        np.concatenate([whole.vectors[inside].astype(float), others]),
    )
    found = verify(whole, second)
    assert found is not None
    assert found.inliers == 36
    assert found.residual == pytest.approx(0, abs=1e-6)
    assert found.scale == pytest.approx(1)
    np.testing.assert_allclose(found.second - found.first, np.tile((0.45, 0.2), (36, 1)), atol=1e-9)


def test_a_detail_of_half_the_size_has_its_scale():
    random = np.random.default_rng(1)
    whole = _cells(random, _grid(8))
    half = _cells(random, whole.places / 2 + 7, whole.vectors.astype(float), size=5.0)
    found = verify(whole, half)
    assert found is not None
    assert found.inliers == 64
    assert found.scale == pytest.approx(0.5)


def test_similar_cells_without_a_common_place_are_no_detail():
    random = np.random.default_rng(2)
    whole = _cells(random, _grid(8))
    scattered = _cells(random, random.uniform(0, 2000, (64, 2)), whole.vectors.astype(float))
    found = verify(whole, scattered)
    assert found is None or found.score < 6


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """An index of four pictures: details of a and c are in b, mirrored, and in d."""
    spec = importlib.util.spec_from_file_location("bench_motifs", BENCH)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    folder = tmp_path_factory.mktemp("motifs")
    artsim.make_sample(folder / "museum", pictures=8, seed=3)
    pictures = sorted((folder / "museum").rglob("*.jpg"))[:4]
    made = folder / "made"
    made.mkdir()
    images = [Image.open(each).convert("RGB").resize((240, 240)) for each in pictures]
    random = np.random.default_rng(0)
    detail = images[0].crop((20, 20, 150, 150))
    images[1].paste(bench.altered(detail, "mirrored", random), (90, 60))
    images[3].paste(images[2].crop((80, 80, 180, 180)), (10, 30))
    assert bench.altered(detail, "mirrored", random) == ImageOps.mirror(detail)
    for name, image in zip("abcd", images, strict=True):
        image.save(made / f"{name}.png")
    bench.embed(made, folder / "index", 3)
    return folder / "index"


def test_a_mirrored_detail_is_the_first_pair_with_its_place(planted, tmp_path):
    table = tmp_path / "motifs.csv"
    page, sheet = tmp_path / "motifs.html", tmp_path / "motifs.png"
    command = ["motifs", str(planted), "-o", str(table), "--html", str(page), "--sheet", str(sheet)]
    result = CliRunner().invoke(cli, [*command, "--json", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    first = json.loads(result.stdout.splitlines()[0])
    assert (Path(first["id"]).stem, Path(first["other_id"]).stem) == ("a", "b")
    assert first["mirrored"] is True
    assert first["scale"] == pytest.approx(1, abs=0.1)
    x, y, width, height = (float(each.rstrip("%")) for each in first["other_box"].split(","))
    assert 30 <= x <= 52  # pasted from 37.5% to 91.7%, and 25% to 79.2%
    assert 18 <= y <= 40
    assert 75 <= x + width <= 98
    assert 62 <= y + height <= 86
    with table.open(newline="") as lines:
        assert len(list(csv.DictReader(lines))) == len(result.stdout.splitlines())
    assert "data:image/jpeg" in page.read_text()
    with Image.open(sheet) as drawn:
        assert drawn.width > 200


def test_verified_matches_have_their_detail_where_it_lies(planted, tmp_path):
    with Image.open(planted.parent / "made" / "a.png") as picture:
        picture.crop((20, 20, 150, 150)).save(tmp_path / "detail.png")
    command = ["similar", str(tmp_path / "detail.png"), "--index", str(planted), "--details"]
    result = CliRunner().invoke(cli, [*command, "--verify", "--json", "-k", "3"])
    assert result.exit_code == 0, result.output
    own, pasted, other = (json.loads(line) for line in result.stdout.splitlines())
    assert [Path(each["id"]).stem for each in (own, pasted)] == ["a", "b"]
    assert own["evidence"] > pasted["evidence"] > 6 > other["evidence"]
    shown = CliRunner().invoke(cli, [*command, "--verify", "--table", "-k", "3"]).stdout
    verdict = "2 of 3 matches have the detail: evidence of 6 or more, by where the parts lie"
    assert shown.splitlines()[-1] == verdict
    plain = CliRunner().invoke(cli, [*command, "--json", "-k", "3"])
    before = {each["id"]: each["box"] for each in map(json.loads, plain.stdout.splitlines())}
    assert other["box"] == before[other["id"]]  # what may be chance is no place of the detail
    x, y, width, height = (float(each.rstrip("%")) for each in pasted["box"].split(","))
    assert 30 <= x <= 52  # pasted from 37.5% to 91.7%, and 25% to 79.2%
    assert 18 <= y <= 40
    assert x + width <= 98
    assert y + height <= 86
    for more in ([], ["--details", "-o", "x.csv"]):
        refused = CliRunner().invoke(
            cli, ["similar", "a", "--index", str(planted), "--verify", *more]
        )
        assert refused.exit_code == 2
        assert "--verify needs --details, and one query without --output" in refused.output


def test_a_layer_without_a_map_is_refused_with_the_next_step(planted):
    result = CliRunner().invoke(cli, ["motifs", str(planted), "--layer", "classifier"])
    assert result.exit_code == 1
    assert "'classifier' has no feature map" in result.output


@pytest.fixture
def search(planted):
    """Return a function that searches the planted pictures, and the finder that it uses."""
    from artsim.models import BackendName, Compute
    from artsim.motifs import MotifFinder, candidate_pairs, find_motifs
    from artsim.search import load_index_extractor
    from artsim.store import Store

    store = Store.open(planted)
    compute = Compute(device="cpu", backend=BackendName.TORCH)
    finder = MotifFinder(store, load_index_extractor(store, compute=compute))

    def found(journal, progress=lambda *_: None):
        pairs = candidate_pairs(store, store.tap(None).name, each=5, journal=journal)
        motifs = find_motifs(finder, pairs, min_score=0, journal=journal, progress=progress)
        return [motif.to_json() for motif in motifs]

    return found


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_search_that_is_interrupted_goes_on_and_finds_the_same(
    search, tmp_path, monkeypatch, stop
):
    monkeypatch.setattr("artsim.motifs.finding._SAVED", 2)
    monkeypatch.setattr("artsim.motifs.proposing.BLOCK", 10)
    whole = search(None)
    assert len(whole) >= 2

    def interrupt(done, _total, _failures):
        if done == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), journal_in(tmp_path, {"a": 1}) as journal:
        search(journal, interrupt)
    with journal_in(tmp_path, {"a": 1}) as journal:
        kept = len(journal.compared())
        assert kept == (stop - 1) // 2
        assert len(journal.candidates()) == 4  # of 36 tiles
        with (journal.folder / "compared.jsonl").open("ab") as torn:
            torn.write(b'[{"rows": [0,')
        left = []
        assert search(journal, lambda _done, total, _: left.append(total)) == whole
    assert left == [6 - 2 * kept] * len(left)
    assert not journal.folder.exists()  # the search is done


def test_other_settings_are_another_search_and_the_same_one_is_refused_meanwhile(tmp_path):
    with journal_in(tmp_path, {"a": 1}) as journal:
        journal.add_compared([])
        with journal_in(tmp_path, {"a": 2}) as other:
            assert other.compared() == []
        assert journal.compared() == [[]]
        with pytest.raises(artsim.ArtsimError, match="under way in another process"):
            journal_in(tmp_path, {"a": 1}).__enter__()


def test_a_killed_command_goes_on_and_writes_the_same_bytes(planted, tmp_path):
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    files = [tmp_path / "whole.csv", tmp_path / "resumed.csv"]
    runs = [sys.executable, "-c", _KILLED, planted, tmp_path / "cache" / "artsim", *files]
    done = subprocess.run(runs, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert files[1].read_bytes() == files[0].read_bytes()
    assert len(files[1].read_text().splitlines()) > 2


# The command several times, each a fork of one process that has imported what it needs: as a whole,
# then with small blocks and killed after it has kept the first one of a kind, then to its end.
_KILLED = """
import os, signal, sys
from pathlib import Path
import timm, torch
from artsim.cli import cli
from artsim.motifs import Journal, finding, proposing

index, cache, whole, resumed = map(Path, sys.argv[1:])

def run(file, kills=None):
    child = os.fork()
    if not child:
        if kills:
            keep = getattr(Journal, kills)
            def add(*values):
                keep(*values)
                os.kill(os.getpid(), signal.SIGKILL)
            setattr(Journal, kills, add)
        words = ["motifs", str(index), "--min-score", "1", "--device", "cpu", "-o", str(file)]
        try:
            cli(words, standalone_mode=False)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

assert run(whole) == 0
assert not list(cache.glob("motifs/*/*"))
finding._SAVED = 1
proposing.BLOCK = 10
# Each run keeps one more of 4 blocks of tiles, or of 6 pairs, and is killed.
runs = [("add_candidates", 1), ("add_candidates", 2), ("add_compared", 4), ("add_compared", 4)]
for kills, kept in runs:
    assert run(resumed, kills) == -signal.SIGKILL
    assert len(list(cache.glob("motifs/*/candidates-*.npy"))) == kept
    assert not resumed.exists()
assert run(resumed) == 0
"""


def test_pairs_are_ordered_so_that_a_block_of_works_is_used_again_at_once(monkeypatch):
    monkeypatch.setattr(finding, "_BLOCK", 2)
    pairs = np.array([(a, b) for a in range(6) for b in range(a + 1, 6)])
    ordered = finding._by_blocks(np.random.default_rng(0).permutation(pairs)).tolist()
    assert sorted(ordered) == pairs.tolist()
    blocks = list(dict.fromkeys((a // 2, b // 2) for a, b in ordered))
    assert blocks == [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (2, 2)]


def test_neighbors_of_blocks_are_those_of_all_tiles_at_once(monkeypatch, tmp_path):
    random = np.random.default_rng(0)
    tiles = random.standard_normal((90, 8))
    tiles /= np.linalg.norm(tiles, axis=1, keepdims=True)
    bank = Vectors(tiles.astype(np.float32))
    scores = bank[:] @ bank[:].T
    owners = np.arange(90) // 9
    scores[owners[:, None] == owners] = -2
    expected = owners[np.argsort(-scores, axis=1, kind="stable")[:, :4]]
    monkeypatch.setattr(proposing, "_BANK", 13)
    for block in (slice(0, 90), slice(20, 41)):
        found = proposing._nearest_works(bank, block, 4, 9, "cpu")
        np.testing.assert_array_equal(found, expected[block])


def test_threads_batches_and_the_order_of_rows_change_no_result(planted, tmp_path):
    spec = importlib.util.spec_from_file_location("bench_motifs", BENCH)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    made = planted.parent / "made"
    orders = {"first": "abcd", "other": "dbac"}
    results = []
    for (name, order), batch, threads in zip(orders.items(), (32, 1), (2, 1), strict=True):
        table = tmp_path / f"{name}.csv"
        table.write_text("id,file\n" + "".join(f"{x},{made / x}.png\n" for x in order))
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            index = bench.embed(table, tmp_path / name, 3, batch_size=batch)
            result = artsim.find_motifs(index.path, min_score=1)
        finally:
            torch.set_num_threads(before)
        results.append([{**row, "score": round(row["score"], 3)} for row in result.rows])
    assert len(results[0]) >= 2
    assert results[0] == results[1]
