"""Leaks: planted ones are found and named, nothing else is; look-alikes against brute force."""

import json

import hypothesis.strategies as st
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import noise_picture
from hypothesis import given
from PIL import Image

from artsim.cli import cli
from artsim.embedding import embed_collection
from artsim.errors import EvaluationError
from artsim.evaluation.knn import KnnPlan, knn_eval
from artsim.images.phash import perceptual_hash
from artsim.readers import read_collection
from artsim.splits import (
    Evidence,
    LeakKind,
    SplitPlan,
    audit_catalog,
    audit_splits,
    find_leaks,
    hashes,
    make_split,
    picture_hashes,
    picture_looks,
    read_stored_split,
)
from artsim.splits.leaks import Leak, nearest_hashes
from artsim.store import Store

ROWS = np.arange(8)
SEEN, HELD = ROWS[:4], ROWS[4:]


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


# --- on arrays ----------------------------------------------------------------------------


def evidence(**changes):
    return Evidence(**({"ids": list("abcdefgh")} | changes))


def test_rows_that_share_nothing_do_not_leak():
    nothing = evidence(
        files=list("ABCDEFGH"),
        hashes=[0xFF << 8 * n for n in range(8)],
        objects=[None] * 8,
        groups=list("stuvwxyz"),
    )
    assert find_leaks(nothing, SEEN, HELD) == []


def test_each_kind_is_found_with_the_first_row_that_gives_it_away():
    planted = evidence(
        files=["A", "B", "B", "D", "B", "F", None, None],
        hashes=[0, 0b1111, 1 << 40, None, 0b1111, 0b0111, 1 << 40, None],
        objects=[None, "o", None, None, None, None, None, "o"],
        groups=["x", "x", None, None, None, "x", None, None],
    )
    assert find_leaks(planted, SEEN, HELD) == [
        Leak(LeakKind.FILE, 4, 1),
        Leak(LeakKind.PICTURE, 5, 1, distance=1),
        Leak(LeakKind.PICTURE, 6, 2, distance=0),
        Leak(LeakKind.OBJECT, 7, 1),
        Leak(LeakKind.GROUP, 5, 0),
    ]


def test_a_row_in_two_parts_leaks_only_by_its_id():
    same = evidence(files=["A"] * 8, hashes=[7] * 8, groups=["x"] * 8)
    assert find_leaks(same, np.array([2, 3]), np.array([3])) == [Leak(LeakKind.ID, 3, 3)]


def test_the_limit_for_look_alikes_is_in_bits():
    near = Evidence(ids=["a", "b"], hashes=[0, 0b11111])
    assert find_leaks(near, np.array([0]), np.array([1]), within=4) == []
    (leak,) = find_leaks(near, np.array([0]), np.array([1]), within=5)
    assert leak.distance == 5
    with pytest.raises(EvaluationError, match="0 to 64 bits, got a limit of 65"):
        find_leaks(near, np.array([0]), np.array([1]), within=65)


@given(st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(0, 40), st.integers(0, 40))
def test_nearest_hashes_are_those_of_brute_force(seed, within, n, q):
    rng = np.random.default_rng(seed)
    centers = rng.integers(0, 2**64, 5, dtype=np.uint64)

    def draw(count):
        hashes = rng.choice(centers, count)
        for _ in range(int(rng.integers(0, 20))):
            hashes ^= np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64)
        return hashes

    bank, queries = draw(n), draw(q)
    places, distances = nearest_hashes(bank, queries, within)
    for query, place, distance in zip(queries, places, distances, strict=True):
        all_ = [(int(each) ^ int(query)).bit_count() for each in bank]
        if all_ and min(all_) <= within:
            assert (place, distance) == (all_.index(min(all_)), min(all_))
        else:
            assert (place, distance) == (-1, -1)


# --- the perceptual hash ------------------------------------------------------------------


def bits_apart(a, b):
    return (a ^ b).bit_count()


def test_a_copy_of_another_size_and_quality_has_nearly_the_same_hash(tmp_path):
    hashes = []
    for seed in range(20):
        file = noise_picture(tmp_path / "a.png", (300, 200), seed=seed)
        with Image.open(file) as img:
            img.resize((170, 113)).save(tmp_path / "b.jpg", quality=50)
        with Image.open(file) as a, Image.open(tmp_path / "b.jpg") as b:
            original, copy = (perceptual_hash(np.asarray(img)) for img in (a, b))
        assert bits_apart(original, copy) <= 2
        hashes.append(original)
    others = [bits_apart(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(others) > 10


def test_a_blank_picture_has_no_hash():
    assert perceptual_hash(np.full((50, 60, 3), 200, np.uint8)) is None


# --- on an index --------------------------------------------------------------------------


@pytest.fixture
def copies(tmp_path, toy):
    """Eight pictures, train and test in turn: one file twice, one scaled, one artist in both."""
    folder = tmp_path / "museum"
    folder.mkdir()
    for n in range(8):
        noise_picture(folder / f"{n}.png", (96, 80), seed=n)
    (folder / "3.png").write_bytes((folder / "0.png").read_bytes())
    with Image.open(folder / "2.png") as img:
        img.resize((60, 50)).save(folder / "5.png")
    Image.new("RGB", (20, 20), (9, 9, 9)).save(folder / "6.png")
    artists = ["Ada", "Ben", "Cy", "Dee", "Eve", "Fay", "Gil", "Eve"]
    other = ["test", "train", "", "", "train", "train", "", ""]
    lines = [f"o{n},{n}.png,{artists[n]},{('train', 'test')[n % 2]},{other[n]}" for n in range(8)]
    (folder / "objects.csv").write_text("\n".join(["id,image,artist,subset,task", *lines]))
    embed_collection(read_collection(folder), tmp_path / "index", toy)
    return Store.open(tmp_path / "index")


def test_planted_leaks_are_reported_and_nothing_else(copies):
    report = audit_splits(copies, ["subset"], group="artist")
    (only,) = report.comparisons
    assert (only.test_part, only.test_rows, only.train_part, only.train_rows) == (
        "test",
        4,
        "train",
        4,
    )
    found = [
        (leak.kind, report.ids[leak.test_row], report.ids[leak.train_row]) for leak in only.leaks
    ]
    assert found == [("file", "o3", "o0"), ("picture", "o5", "o2"), ("group", "o7", "o4")]
    assert report.unhashed == 1
    assert report.checked == ("id", "file", "picture", "group")


def test_a_picture_leaks_across_tasks_by_its_id(copies):
    report = audit_splits(copies, ["subset", "task"], pictures=False)
    across = {
        (each.test_split, each.train_split): [report.ids[leak.test_row] for leak in each.leaks]
        for each in report.comparisons
    }
    assert across == {
        ("subset", "subset"): ["o3"],
        ("task", "task"): [],
        ("subset", "task"): ["o1", "o5"],
        ("task", "subset"): ["o0"],
    }


def test_hashes_are_computed_once_and_only_for_new_pictures(copies, tmp_path, toy):
    counted = []

    def progress(done, total, failures):
        counted.append((done, total, failures))

    first = picture_hashes(copies, progress=progress)
    assert counted[-1] == (7, 7, 0)  # of eight pictures, two are the same file
    counted.clear()
    assert picture_hashes(copies, progress=progress) == first
    assert counted == []
    folder = tmp_path / "museum"
    noise_picture(folder / "1.png", (96, 80), seed=77)
    embed_collection(read_collection(folder), copies.path, toy)
    (folder / "7.png").unlink()
    again = picture_hashes(Store.open(copies.path), progress=progress)
    assert counted == [(1, 1, 0)]  # the picture that is gone was hashed before
    assert len(set(again) - set(first)) == 1


def test_the_more_hashes_there_are_the_fewer_times_they_are_written(copies, monkeypatch):
    written, write = [], hashes._write_looks

    def count(store, looks):
        written.append(len(looks))
        write(store, looks)

    monkeypatch.setattr(hashes, "_write_looks", count)
    monkeypatch.setattr(hashes, "_SAVED", 1)
    monkeypatch.setattr(hashes, "_SHARE", 2)
    found = picture_hashes(copies)
    assert written == [1, 2, 3, 4, 6, 7]  # one more, or half of what there is
    assert picture_hashes(copies) == found
    assert len(written) == 6


def test_hashes_of_an_older_version_are_kept_where_the_picture_is_gone(copies, tmp_path):
    looks = picture_looks(copies)
    file = copies.path / "hashes.parquet"
    table = pq.read_table(file)
    pq.write_table(table.drop_columns("gray"), file)
    (tmp_path / "museum" / "5.png").unlink()
    again = picture_looks(Store.open(copies.path))
    assert again.hashes == looks.hashes == picture_hashes(copies)
    gone = [row for row, gray in enumerate(again.grays) if not gray.any()]
    assert [copies.read(["image"]).column("image")[row].as_py() for row in gone] == [
        "5.png",
        "6.png",
    ]  # 6 is blank
    kept = np.delete(np.arange(copies.rows), gone)
    np.testing.assert_array_equal(again.grays[kept], looks.grays[kept])


def test_a_missing_picture_is_not_compared(copies, tmp_path):
    (tmp_path / "museum" / "5.png").unlink()
    report = audit_splits(copies, ["subset"])
    assert report.unhashed == 2
    assert [leak.kind for leak in report.comparisons[0].leaks] == ["file"]


def test_folds_leak_between_each_and_the_others(copies):
    make_split(copies, "f", SplitPlan(folds=4))
    report = audit_splits(copies, ["f"], pictures=False)
    assert [each.test_part for each in report.comparisons] == [f"fold {n}" for n in (1, 2, 3, 4)]
    assert {each.train_part for each in report.comparisons} == {"other folds"}
    parts = read_stored_split(copies, "f").parts
    leaking = [leak.test_row for each in report.comparisons for leak in each.leaks]
    assert sorted(leaking) == ([] if parts[0] == parts[3] else [0, 3])


def test_an_evaluation_refuses_a_split_that_leaks(copies):
    plan = KnnPlan(tap="rgb", labels=("task",), split="subset", no_leaks=True, ks=(1,))
    with pytest.raises(EvaluationError, match=r"leaks: .*\(1 by file, 1 by picture\); list them"):
        list(knn_eval(copies, plan))


def test_one_part_alone_cannot_leak(copies):
    with pytest.raises(EvaluationError, match=r"'artist' needs two sets, .*; it has none"):
        audit_splits(copies, ["artist"])


def test_leaks_lists_each_and_can_be_strict(copies):
    args = ("leaks", "--split", "subset", "--group", "artist", "--index", copies.path)
    lines = [json.loads(line) for line in run(*args, "--strict", code=1).splitlines()]
    assert lines[1] == {
        "kind": "picture",
        "id": "o5",
        "split": "subset",
        "set": "test",
        "from_id": "o2",
        "from_split": "subset",
        "from_set": "train",
        "distance": lines[1]["distance"],
        "index": str(copies.path),
    }
    assert lines[1]["distance"] <= 4
    table = run(*args, "--table").splitlines()
    cells = [line.split() for line in table if line.strip().startswith("subset")]
    assert [row[-3:] for row in cells] == [
        ["id", "0", "0.0%"],
        ["file", "1", "25.0%"],
        ["picture", "1", "25.0%"],
        ["group", "1", "25.0%"],
    ]
    assert table[-1] == "The split leaks 3 pictures; list each leak with --json"


def test_leaks_says_at_the_end_that_there_are_none(copies):
    args = ("leaks", "--split", "task", "--no-pictures", "--index", copies.path)
    table = run(*args, "--table").splitlines()
    assert table[-1] == "No leaks, checked by id, file"


def test_knn_eval_refuses_a_leaking_split_on_request(copies):
    args = ("knn-eval", "--index", copies.path, "--label", "task", "--split", "subset", "-k", "1")
    result = CliRunner().invoke(cli, [*map(str, args), "--no-leaks"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: split 'subset' leaks:")
    assert "--no-leaks checks a split" in run_error("knn-eval", "--no-leaks")


def run_error(*args):
    result = CliRunner().invoke(cli, list(args))
    assert result.exit_code == 2
    return result.output


# --- on real lists ------------------------------------------------------------------------


def test_the_wikiart_tasks_leak_into_each_other(museum_data):
    catalog = read_collection(museum_data / "wikiart")
    report = audit_catalog(catalog, ["style_split", "genre_split"])
    found = {
        (each.test_split, each.train_split): (each.test_rows, len(each.leaks))
        for each in report.comparisons
    }
    assert found == {
        ("style_split", "style_split"): (24_421, 0),
        ("genre_split", "genre_split"): (19_491, 0),
        ("style_split", "genre_split"): (24_421, 213),
        ("genre_split", "style_split"): (19_491, 151),
    }
    assert {leak.kind for each in report.comparisons for leak in each.leaks} == {"id"}
