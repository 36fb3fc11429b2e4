"""Duplicates: planted ones are found and named, nothing else is; vectors against brute force."""

import json
import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import noise_picture, toy_passport, unit
from hypothesis import given, settings
from PIL import Image, ImageOps
from search_toys import at, cosine, make_store

from artsim.cli import cli
from artsim.duplicates import (
    DuplicateEvidence,
    DuplicateKind,
    Group,
    Pair,
    Threshold,
    candidates,
    draw_threshold,
    find_groups,
    gather,
)
from artsim.embedding import embed_collection
from artsim.errors import EvaluationError
from artsim.images import TRANSFORMS, edges_of, gray_hashes
from artsim.models import Extractor
from artsim.readers import read_collection
from artsim.sample import make_sample
from artsim.splits import Looks, picture_looks
from artsim.store import Store


def evidence(count, *, files=None, **changes):
    values = {
        "stores": np.zeros(count, dtype=np.int64),
        "files": np.full(count, -1),
        "hashes": [None] * count,
    }
    if files is not None:
        values["files"] = np.unique(files, return_inverse=True)[1]
    return DuplicateEvidence(**(values | changes))


def works_of(groups):
    return [(str(group.kind), group.works) for group in groups]


# --- on arrays ----------------------------------------------------------------------------


def test_each_pair_has_the_most_certain_kind_it_shares():
    shared = evidence(
        7,
        files=["A", "A", "B", "C", "D", "E", "F"],
        hashes=[0, 0, 0b11, 0xFF << 8, 0xFFFF << 40, None, None],
        vectors=at(0, 0, 1, 90, 180, 182, 270),
    )
    groups, drawn = find_groups(shared, threshold=cosine(2.5))
    assert drawn == Threshold(same_work=cosine(2.5), confirming=cosine(2.5))
    assert works_of(groups) == [("near", (0, 1, 2)), ("same-work", (4, 5))]
    assert [(pair.first, pair.second, pair.kind, pair.bits) for pair in groups[0].pairs] == [
        (0, 1, DuplicateKind.EXACT, 0),
        (0, 2, DuplicateKind.NEAR, 2),
        (1, 2, DuplicateKind.SAME_WORK, 2),
    ]
    assert groups[1].pairs[0].score == pytest.approx(cosine(2), abs=1e-6)


def test_without_vectors_hashes_decide_alone():
    shared = evidence(4, files=["A", "B", "C", "A"], hashes=[0, 0b1111, 0xFF << 20, 0])
    assert find_groups(shared) == (
        [
            Group(
                DuplicateKind.NEAR,
                (0, 1, 3),
                (Pair(0, 1, DuplicateKind.NEAR, 4, None), Pair(0, 3, DuplicateKind.EXACT, 0, None)),
            )
        ],
        None,
    )
    assert works_of(find_groups(shared, within=3)[0]) == [("exact", (0, 3))]


def test_without_edges_dissimilar_vectors_contradict_a_hash():
    shared = evidence(3, hashes=[0, 1, 3], vectors=at(0, 60, 5))
    groups, _ = find_groups(shared, threshold=cosine(20))
    assert works_of(groups) == [("near", (0, 2))]


def grays(*pictures):
    return np.stack(pictures).astype(np.uint8)


def test_the_edges_of_pictures_decide_whether_their_hashes_are_right():
    ramp = np.tile(np.arange(16) * 12, (16, 1))
    lighter, steps = ramp * 0.7 + 60, ramp // 48 * 48
    shared = evidence(
        5,
        hashes=[0, 0xFFF, 0xFFF, 0x1FFF, 3],
        grays=grays(ramp, lighter, steps, lighter, ramp.T),
        vectors=at(0, 60, 5, 100, 140),
    )
    groups, _ = find_groups(shared, threshold=cosine(2))
    assert works_of(groups) == [("near", (0, 1, 3))]  # whatever the vectors are; 3 is near 1
    assert [(pair.first, pair.second, pair.bits) for pair in groups[0].pairs] == [
        (0, 1, 12),
        (1, 3, 1),
    ]
    assert find_groups(shared, threshold=cosine(2), within=11)[0][0].works == (1, 3)


def test_without_edges_hashes_a_few_bits_apart_are_enough():
    blank = np.zeros((3, 16, 16))
    shared = evidence(3, hashes=[0, 0b1111, 0b11111], grays=grays(*blank))
    groups, _ = find_groups(shared)
    assert [(p.first, p.second, p.bits) for p in groups[0].pairs] == [(0, 1, 4), (1, 2, 1)]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_copy_is_found_however_it_was_turned(name):
    drawn = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
    copy = TRANSFORMS[name](drawn[2:3])
    shared = evidence(
        7,
        hashes=[int(each) for each in gray_hashes(np.concatenate([drawn, copy]))],
        grays=np.concatenate([drawn, copy]),
    )
    assert find_groups(shared)[0] == []
    (group,), _ = find_groups(shared, turned=True)
    assert group.pairs == (Pair(2, 6, DuplicateKind.TRANSFORMED, None, None, name),)


def test_the_copies_of_one_picture_in_many_take_memory_for_a_few_pairs_each():
    rng = np.random.default_rng(0)
    gray = np.tile(np.arange(16) * 12, (16, 1))
    many = grays(*(gray + rng.integers(0, 3, (16, 16)) for _ in range(800)))
    (group,), _ = find_groups(evidence(800, hashes=[0] * 800, grays=many))
    assert len(group.works) == 800
    assert len(group.pairs) <= 16 * 800


def test_between_indexes_pairs_have_a_work_of_each():
    shared = evidence(
        6,
        stores=np.array([0, 0, 0, 1, 1, 1]),
        files=["A", "A", "B", "A", "C", "D"],
        vectors=at(0, 0, 90, 0, 92, 93),
    )
    groups, _ = find_groups(shared, threshold=cosine(5), across=True)
    assert [[(p.first, p.second, str(p.kind)) for p in group.pairs] for group in groups] == [
        [(0, 3, "exact"), (1, 3, "exact")],
        [(2, 4, "same-work"), (2, 5, "same-work")],
    ]


def test_a_vector_of_zeros_is_similar_to_nothing():
    vectors = at(0, 1, 2)
    vectors[1] = 0
    groups, _ = find_groups(evidence(3, vectors=vectors), threshold=cosine(5))
    assert works_of(groups) == [("same-work", (0, 2))]


def test_a_chain_of_similar_works_is_a_series_and_has_both_extremes():
    groups, _ = find_groups(evidence(4, vectors=at(0, 4, 7, 120)), threshold=cosine(5))
    assert works_of(groups) == [("series", (0, 1, 2))]
    assert (groups[0].lowest, groups[0].highest) == pytest.approx((cosine(7), cosine(3)), abs=1e-6)
    assert {str(pair.kind) for pair in groups[0].pairs} == {"same-work"}
    groups, _ = find_groups(evidence(4, vectors=at(0, 2, 5, 120)), threshold=cosine(5.1))
    assert works_of(groups) == [("same-work", (0, 1, 2))]


def test_a_gray_copy_that_vectors_find_dissimilar_makes_no_series():
    shared = evidence(3, files=["A", "B", "A"], vectors=at(0, 4, 60))
    groups, _ = find_groups(shared, threshold=cosine(5))
    assert works_of(groups) == [("same-work", (0, 1, 2))]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.booleans())
def test_same_works_are_those_of_brute_force(seed, count, across):
    rng = np.random.default_rng(seed)
    vectors = unit(rng, count, 3)
    stores = rng.integers(0, 2, count)
    groups, _ = find_groups(
        evidence(count, vectors=vectors, stores=stores), threshold=0.97, across=across
    )
    similar = vectors.astype(np.float64) @ vectors.T >= 0.97
    np.fill_diagonal(similar, False)
    if across:
        similar &= stores[:, None] != stores
    joined = similar | np.eye(count, dtype=bool)
    for _ in range(count):
        joined = joined @ joined
    expected = {tuple(np.flatnonzero(row).tolist()) for row in joined}
    assert {group.works for group in groups} == {each for each in expected if len(each) > 1}


@pytest.mark.parametrize("across", [False, True])
def test_candidates_of_many_works_find_what_the_exact_search_finds(monkeypatch, across):
    rng = np.random.default_rng(0)
    centers = unit(rng, 20, 32)
    vectors = centers[rng.integers(0, 20, 4000)] + 0.1 * rng.standard_normal((4000, 32))
    vectors[::10] = vectors[1::10] + 0.01 * rng.standard_normal((400, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    vectors[7] = 0
    shown = evidence(4000, vectors=vectors, stores=np.arange(4000) % 2)
    exact, _ = find_groups(shown, threshold=0.985, across=across)
    monkeypatch.setattr(candidates, "EXACT", 1000)
    found, _ = find_groups(shown, threshold=0.985, across=across)
    pairs, expected = ({pair for group in some for pair in group.pairs} for some in (found, exact))
    assert len(expected) >= 400
    assert len(pairs & expected) >= 0.99 * len(expected)
    assert {(pair.first, pair.second) for pair in pairs} <= {
        (pair.first, pair.second) for pair in expected
    }


def test_near_hashes_of_many_works_are_those_of_brute_force():
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 1 << 64, 2500, dtype=np.uint64)
    places = rng.permutation(2500)[:160]
    hashes[places[:80]] = hashes[places[80:]]
    for bit in rng.integers(0, 64, (4, 60), dtype=np.uint64):  # the last twenty stay the same
        hashes[places[:60]] ^= np.uint64(1) << bit
    hashes = [None if row % 50 == 7 else int(each) for row, each in enumerate(hashes)]
    expected = {
        (a, b)
        for b, other in enumerate(hashes)
        for a, one in enumerate(hashes[:b])
        if one is not None and other is not None and (one ^ other).bit_count() <= 4
    }
    assert len(expected) > 70
    groups, _ = find_groups(evidence(2500, hashes=hashes))
    assert {group.works for group in groups} == expected
    assert {str(group.kind) for group in groups} == {"near"}


def test_a_work_with_too_few_candidates_has_fewer_neighbors(monkeypatch):
    monkeypatch.setattr(candidates, "EXACT", 2)
    shown = evidence(3, vectors=at(0, 10, 50), stores=np.array([0, 0, 1]))
    ((_, scores, near),) = shown.neighbors(2, across=True, device="cpu")
    assert near.tolist() == [[2, -1], [2, -1], [1, 0]]
    assert scores[2] == pytest.approx([cosine(40), cosine(50)])
    assert np.isneginf(scores[:2, 1]).all()


# --- the threshold ------------------------------------------------------------------------


def crowd(count=300, dim=24, seed=0):
    return unit(np.random.default_rng(seed), count, dim)


def test_the_threshold_is_four_spreads_beyond_the_nearest():
    vectors = crowd()
    drawn = draw_threshold(evidence(300, vectors=vectors))
    similarity = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(similarity, -1)
    distances = np.log(1 - similarity.max(axis=1))
    median = np.median(distances)
    spread = 1.4826 * np.median(abs(distances - median))
    assert drawn.nearest == pytest.approx(1 - np.exp(median), abs=1e-5)
    assert drawn.confirming == pytest.approx(1 - np.exp(median - 2 * spread), abs=1e-5)
    assert drawn.same_work == pytest.approx(1 - np.exp(median - 4 * spread), abs=1e-5)
    assert abs(drawn.random) < 0.05


def test_copies_do_not_raise_the_threshold_that_finds_them():
    vectors = crowd()
    doubled = np.concatenate([vectors, vectors])  # each work a second time, by its file
    files = [f"file {n % 300}" for n in range(600)]
    alone = draw_threshold(evidence(300, vectors=vectors))
    again = draw_threshold(evidence(600, vectors=doubled, files=files))
    assert again.same_work == pytest.approx(alone.same_work, abs=0.02)


def test_planted_versions_are_found_and_nothing_else():
    vectors = crowd()
    noise = np.random.default_rng(1).normal(scale=0.02, size=(20, 24)).astype(np.float32)
    versions = vectors[:20] + noise
    versions /= np.linalg.norm(versions, axis=1, keepdims=True)
    shared = evidence(320, vectors=np.concatenate([vectors, versions]))
    groups, _ = find_groups(shared)
    assert {group.works for group in groups} == {(n, 300 + n) for n in range(20)}


def test_too_few_works_give_no_threshold():
    assert find_groups(evidence(19, vectors=crowd(19))) == ([], None)
    assert find_groups(evidence(0, vectors=np.empty((0, 3), np.float32))) == ([], None)


@pytest.mark.parametrize("threshold", [0.0, 1.5, float("nan")])
def test_a_threshold_is_a_cosine(threshold):
    with pytest.raises(EvaluationError, match="a cosine above 0 and at most 1, got"):
        find_groups(evidence(2, vectors=at(0, 1)), threshold=threshold)


def test_memory_does_not_grow_with_the_square_of_the_works():
    vectors = crowd(12_000, 8)
    tracemalloc.start()
    find_groups(evidence(12_000, vectors=vectors), threshold=0.9999)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000 * 12_000 / 4  # a bit of every pair would take half as much again


def test_files_are_numbered_across_indexes_and_those_without_a_hash_are_not(tmp_path):
    first = make_store(
        tmp_path / "first", list("abc"), {"t": at(0, 90, 180)}, hashes=["s", "", "r"]
    )
    none = make_store(tmp_path / "none", [], {"t": at()})
    other = make_store(tmp_path / "other", list("de"), {"t": at(45, 270)}, hashes=["", "s"])
    looks = Looks([None] * 3, np.zeros((3, 16, 16), np.uint8))
    nothing = Looks([], np.zeros((0, 16, 16), np.uint8))
    pair = Looks([None] * 2, np.zeros((2, 16, 16), np.uint8))
    shown, _ = gather([first, none, other], [looks, nothing, pair])
    assert (shown.files >= 0).tolist() == [True, False, True, False, True]
    assert [shown.same_file(0, row) for row in range(5)] == [True, False, False, False, True]
    assert not shown.same_file(1, 3)
    assert works_of(find_groups(shown)[0]) == [("exact", (0, 4))]
    assert gather([none], [nothing])[0].files.tolist() == []


# --- on pictures --------------------------------------------------------------------------


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


class Small:
    """A network that answers with the picture itself, made 8 x 8 by the preprocessing."""

    name = "toy"
    batch_size = 32

    def __call__(self, pixels):
        flat = pixels.reshape(len(pixels), -1).astype(np.float32)
        return [flat - flat.mean(axis=1, keepdims=True)]


def small():
    from artsim.datatypes import TapInfo

    tap = TapInfo(name="pixels", layer="", pooling="none", dim=192)
    return Extractor(Small(), toy_passport((tap,)))


@pytest.fixture
def museums(tmp_path):
    """Two museums: the first has thirty works, the second copies of some in other guises."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    for n in range(30):
        noise_picture(first / f"w{n:02}.png", (120, 90), seed=n)
        noise_picture(second / f"x{n:02}.png", (120, 90), seed=100 + n)

    def picture(n):
        return Image.open(first / f"w{n:02}.png")

    (second / "same.png").write_bytes((first / "w00.png").read_bytes())
    with picture(1) as one, picture(2) as two, picture(3) as three, picture(4) as four:
        one.save(second / "jpeg.jpg", quality=40)
        two.resize((240, 180)).save(second / "scaled.png")
        three.crop((3, 2, 117, 88)).save(second / "cropped.png")
        four.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(second / "mirrored.png")
    for folder in (first, second):
        embed_collection(read_collection(folder), tmp_path / "indexes" / folder.name, small())
    return tmp_path / "indexes"


EXPECTED = [
    ("exact", "w00.png", "same.png"),
    ("near", "w01.png", "jpeg.jpg"),
    ("near", "w02.png", "scaled.png"),
    ("same-work", "w03.png", "cropped.png"),
]


def test_gray_small_and_compressed_copies_are_found_and_nothing_else(tmp_path):
    make_sample(tmp_path / "museum", pictures=20)
    copies = tmp_path / "copies"
    copies.mkdir()
    for number, file in enumerate(sorted((tmp_path / "museum/images").iterdir())):
        with Image.open(file) as opened:
            original = ImageOps.exif_transpose(opened).convert("RGB")
        original.save(copies / f"{number:02}-original.png")
        original.convert("L").save(copies / f"{number:02}-gray.png")
        original.resize((original.width // 3, original.height // 3)).save(
            copies / f"{number:02}-small.png"
        )
        original.save(copies / f"{number:02}-compressed.jpg", quality=25)
    embed_collection(read_collection(copies), tmp_path / "index", small())
    rows = map(json.loads, run("dupes", tmp_path / "index", "--json").stdout.splitlines())
    found = [{row["id"][:2], row["other_id"][:2]} for row in rows if row["kind"] == "near"]
    assert all(len(pair) == 1 for pair in found)
    store = Store.open(tmp_path / "index")
    evidence, _ = gather([store], [picture_looks(store)])
    assert sorted(group.works for group in find_groups(evidence, threshold=1.0)[0]) == [
        tuple(range(first, first + 4)) for first in range(0, 80, 4)
    ]


def test_mirrored_rotated_and_cropped_copies_are_found_on_request(museums):
    with Image.open(museums.parent / "first" / "w05.png") as five:
        five.transpose(Image.Transpose.ROTATE_270).save(museums.parent / "second" / "turned.png")
    embed_collection(read_collection(museums.parent / "second"), museums / "second", small())
    printed = run(
        "dupes", museums / "first", museums / "second", "--across", "--transformed", "--json"
    ).stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [
        (row["id"], row["other_id"], row["transform"], row["bits"])
        for row in rows
        if row["kind"] == "transformed"
    ] == [
        ("w03.png", "cropped.png", "cropped", None),
        ("w04.png", "mirrored.png", "mirrored", None),
        ("w05.png", "turned.png", "rotated 90", None),
    ]
    both = museums / "first", museums / "second"
    for indexes in (both, both[::-1]):  # the whole picture comes first, whatever its row
        printed = run("dupes", *indexes, "--across", "--transformed", "--table").stdout
        lines = [line.split() for line in printed.splitlines()]
        (at,) = (place for place, line in enumerate(lines) if "cropped" in line)
        assert lines[at] == ["cropped", "second:cropped.png"]
        assert (lines[at - 1][1], lines[at - 1][3]) == ("transformed", "first:w03.png")
    assert ["mirrored", "first:w04.png"] in lines
    assert ["rotated", "270", "first:w05.png"] in lines
    assert "3 transformed" in printed


def test_altered_copies_in_another_museum_are_found_unless_mirrored(museums):
    printed = run("dupes", museums / "first", museums / "second", "--across", "--json").stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    assert sorted((row["kind"], row["id"], row["other_id"]) for row in rows) == EXPECTED
    assert {row["index"] for row in rows} == {str(museums / "first")}
    assert [row["group"] for row in rows] == [1, 2, 3, 4]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_candidates_are_written_to_a_file(museums, tmp_path, suffix):
    out = tmp_path / f"candidates.{suffix}"
    run("dupes", museums / "first", museums / "second", "--output", out, "--table")
    if suffix == "parquet":
        kinds = pq.read_table(out).column("kind").to_pylist()
    else:
        kinds = [line.split(",")[1] for line in out.read_text().splitlines()[1:]]
    assert kinds == ["exact", "near", "near", "same-work"]


def test_the_table_shows_the_groups_and_the_threshold(museums, tmp_path):
    sheet = tmp_path / "twice.png"
    printed = run(
        "dupes", museums / "first", museums / "second", "--table", "--sheet", sheet
    ).stdout
    assert printed.startswith(f"Duplicates in {museums / 'first'}, {museums / 'second'}\n")
    assert "\nSame work from cosine 0." in printed
    lines = [line.split() for line in printed.splitlines()]
    place = next(n for n, line in enumerate(lines) if "first:w00.png" in line)
    assert lines[place][:2] == ["1", "exact"]
    assert lines[place + 1] == ["second:same.png"]
    assert lines[place - 2] == ["group", "kind", "score", "id"]  # these have no records
    assert "1 exact, 2 near, 1 same-work: 8 of 65 works in 4 groups" in printed
    rule = "of the others those whose hashes are at most 4 bits apart"
    assert rule in " ".join(printed.split())
    with Image.open(sheet) as drawn:
        assert drawn.width > 8 * 100


def test_the_table_has_the_columns_that_the_works_have(tmp_path):
    columns = {"title": ["Jar", "Jar", "Cup"], "artist": [None, None, "Ada"]}
    columns |= {"period": ["Late", "Old", None], "museum": ["Met", "Met", "Met"]}
    store = make_store(
        tmp_path / "finds", list("abc"), {"t": at(0, 0, 90)}, columns, hashes=["s", "s", "r"]
    )
    lines = [line.split() for line in run("dupes", store.path, "--table").stdout.splitlines()]
    place = lines.index(["group", "kind", "score", "id", "title", "period", "museum"])
    assert lines[place + 2 : place + 4] == [
        ["1", "exact", "1.000", "a", "Jar", "Late", "Met"],
        ["b", "Jar", "Old", "Met"],
    ]


def test_an_index_without_duplicates_says_so(museums):
    sheet = museums / "none.png"
    drawn = run("dupes", museums / "first", "--table", "--sheet", sheet)
    assert f"{sheet} is not written, as there is nothing to draw" in drawn.stderr
    assert not sheet.exists()
    assert run("dupes", museums / "first", "--table").stdout.endswith(
        "No duplicates among 30 works\n"
        "Most cropped, mirrored or rotated copies are found only with --transformed\n"
    )


def test_indexes_of_different_networks_are_compared_by_their_pictures(museums, tmp_path, toy):
    embed_collection(read_collection(tmp_path / "second"), museums / "other", toy)
    result = run("dupes", museums / "first", museums / "other", "--json")
    assert "only pictures are compared, not vectors" in result.stderr
    assert "taps: pixels" in result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["kind"], row["score"]) for row in rows][:2] == [("exact", None), ("near", None)]


def test_a_few_works_need_a_threshold(tmp_path):
    store = make_store(tmp_path / "few", ["a", "b", "c"], {"east": at(0, 2, 90)})
    result = run("dupes", store.path, "--json")
    assert "too few works to estimate a threshold" in result.stderr
    assert result.stdout == ""
    (row,) = run("dupes", store.path, "--threshold", "0.99", "--json").stdout.splitlines()
    assert (json.loads(row)["id"], json.loads(row)["other_id"]) == ("a", "b")


def test_misuse_gives_a_one_line_error(tmp_path):
    one = make_store(tmp_path / "one", ["a"], {"east": at(0)}).path
    assert "--across compares indexes with each other; name at least two" in (
        run("dupes", one, "--across", code=2).stderr
    )
    assert "name at least two" in run("dupes", one, one, "--across", code=2).stderr  # one index
    assert "is neither .csv nor .parquet" in run("dupes", one, "--output", "a.xls", code=2).stderr
    assert "a threshold is a cosine" in run("dupes", one, "--threshold", "7", code=1).stderr
    assert (
        "has no tap 'west'; choose from east" in run("dupes", one, "--tap", "west", code=1).stderr
    )


def test_edges_of_no_pictures_are_none():
    assert edges_of(np.empty((0, 32, 32))).shape == (0, 2 * 31**2)
