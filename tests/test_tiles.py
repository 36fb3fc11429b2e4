"""Details: a planted patch is found with its box; tiles keep every promise of an index."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import MeanColor, noise_picture, toy_passport
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from search_toys import make_store

from artsim import images
from artsim.cli import cli
from artsim.datatypes import Box, TapInfo, tile_boxes
from artsim.embedding import EmbedSettings, embed_collection
from artsim.errors import PassportError, SearchError
from artsim.models import Extractor
from artsim.readers import read_collection
from artsim.search import PreparedPicture, Searcher, SearchRequest, Term
from artsim.store import Store

SMALL = EmbedSettings(batch_size=4, workers=2, part_rows=3, tiles=3)


class Pixels:
    """A network that answers with the picture itself, which the preprocessing made 8 x 8."""

    name = "toy"

    def __init__(self, stop_after=10_000):
        self.batches = []
        self.stop_after = stop_after

    def __call__(self, pixels):
        if len(self.batches) == self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(len(pixels))
        flat = pixels.reshape(len(pixels), -1).astype(np.float32)
        return [flat - flat.mean(axis=1, keepdims=True)]


def pixels(**options):
    tap = TapInfo(name="pixels", layer="", pooling="none", dim=192)
    return Extractor(Pixels(**options), toy_passport((tap,)))


class PixelEncoder:
    """Encodes questions as `pixels` embeds pictures."""

    def prepare(self, data, box):
        from artsim.loader import preprocess

        found, picture = preprocess(data, pixels().preprocessing, box=box)
        return PreparedPicture(found, picture.width, picture.height)

    def embed(self, some):
        return pixels().embed_batch(np.stack(some))


def embed(collection, path, extractor=None, settings=SMALL, **options):
    return embed_collection(
        read_collection(collection), path, extractor or pixels(), settings=settings, **options
    )


def contents(path):
    store = Store.open(path)
    return [
        row | {"file_mtime_ns": 0}
        for number in range(len(store.manifest.parts))
        for row in store.read_part(number).to_pylist()
    ]


@pytest.fixture
def museum(tmp_path):
    """Eight works; the middle of w3 is also in the upper right corner of w6."""
    folder = tmp_path / "museum"
    folder.mkdir()
    for n in range(8):
        noise_picture(folder / f"w{n}.png", (160, 120), seed=n)
    with Image.open(folder / "w3.png") as source, Image.open(folder / "w6.png") as target:
        target.paste(source.crop((40, 30, 120, 90)), (80, 0))
        target.save(folder / "w6.png")
    rows = [("id", "image", "kind"), *((f"w{n}", f"w{n}.png", "ab"[n % 2]) for n in range(8))]
    with (folder / "objects.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture
def index(museum, tmp_path):
    embed(museum, tmp_path / "index")
    return tmp_path / "index"


def ask(index, **options):
    searcher = Searcher(Store.open(index), encoder=PixelEncoder())
    return searcher.search(SearchRequest(details=True, **options))


MIDDLE = Box.parse("25%,25%,50%,50%")


# --- the grid -----------------------------------------------------------------------------


def test_tiles_overlap_by_half_and_cover_the_picture():
    assert [str(box) for box in tile_boxes(3)] == [
        "0%,0%,50%,50%",
        "25%,0%,50%,50%",
        "50%,0%,50%,50%",
        "0%,25%,50%,50%",
        "25%,25%,50%,50%",
        "50%,25%,50%,50%",
        "0%,50%,50%,50%",
        "25%,50%,50%,50%",
        "50%,50%,50%,50%",
    ]
    assert tile_boxes(0) == ()
    for side in (2, 4, 8):
        last = tile_boxes(side)[-1]
        assert last.x + last.width == pytest.approx(100)
        assert last.y + last.height == pytest.approx(100)


# --- asked --------------------------------------------------------------------------------


def test_a_planted_patch_is_found_with_its_box(index, museum, tmp_path):
    with Image.open(museum / "w3.png") as img:
        img.crop((40, 30, 120, 90)).save(tmp_path / "patch.png")
    first, second, third = ask(index, terms=(Term(file=tmp_path / "patch.png"),), k=3).matches
    assert [(each.id, str(each.box)) for each in (first, second)] == [
        ("w3", "25%,25%,50%,50%"),
        ("w6", "50%,0%,50%,50%"),
    ]
    assert first.score == pytest.approx(1, abs=1e-3)
    assert second.score == pytest.approx(1, abs=1e-3)
    assert third.score < 0.7


def test_a_detail_of_a_work_finds_the_other_work_that_contains_it(index):
    (match,) = ask(index, terms=(Term(id="w3", box=MIDDLE),), k=1).matches
    assert (match.id, str(match.box)) == ("w6", "50%,0%,50%,50%")
    assert match.percentile == 100


def test_details_are_also_exact_under_a_condition(index):
    answer = ask(index, terms=(Term(id="w3", box=MIDDLE),), k=8, where="kind = 'a'")
    assert answer.searched == 4
    assert answer.matches[0].id == "w6"
    assert sorted(match.id for match in answer.matches) == ["w0", "w2", "w4", "w6"]


def test_conditions_that_no_work_meets_leave_no_match_and_no_error(index):
    for where in ("kind = 'z'", "id = 'w3'"):  # the query itself is left out
        answer = ask(index, terms=(Term(id="w3", box=MIDDLE),), k=8, where=where)
        assert answer.matches == ()


@settings(max_examples=10)
@given(place=st.integers(0, 7), left=st.integers(0, 60), top=st.integers(0, 60))
def test_the_best_tile_is_that_of_brute_force(index, place, left, top):
    box = Box(left, top, 35, 35, percent=True)
    answer = ask(index, terms=(Term(id=f"w{place}", box=box),), k=7)
    query = answer.vectors[0][0]
    scores = {}
    for row in contents(index):
        tiles = np.array(row["pixels:tiles"]).reshape(9, 192)
        cosines = tiles @ query / np.linalg.norm(tiles, axis=1)
        scores[row["id"]] = (cosines.max(), str(tile_boxes(3)[cosines.argmax()]))
    scores.pop(f"w{place}")
    expected = sorted(scores, key=lambda id_: -scores[id_][0])
    assert [match.id for match in answer.matches] == expected
    for match in answer.matches:
        assert match.score == pytest.approx(scores[match.id][0], abs=1e-5)
        assert str(match.box) == scores[match.id][1]


def test_each_of_several_terms_is_located(index):
    corner = Box.parse("50%,50%,50%,50%")
    terms = (Term(id="w3", box=MIDDLE), Term(id="w1", box=corner))
    searcher = Searcher(Store.open(index), encoder=PixelEncoder())
    answer = searcher.search(SearchRequest(terms=terms, details=True, best_of_each=True, k=1))
    assert [(match.id, str(match.box)) for match in answer.matches] == [("w6", "50%,0%,50%,50%")]


def test_an_index_that_cannot_be_written_is_searched_all_the_same(index, monkeypatch):
    from artsim.errors import StoreError
    from artsim.search import backend

    def refuse(file, write):
        raise StoreError("read-only")

    expected = ask(index, terms=(Term(id="w3", box=MIDDLE),), k=3).matches
    for file in (index / "faiss").glob("*.tiles.*"):
        file.unlink()
    monkeypatch.setattr(backend, "write_whole", refuse)
    got = ask(index, terms=(Term(id="w3", box=MIDDLE),), k=3).matches
    assert [(m.id, m.box) for m in got] == [(m.id, m.box) for m in expected]


def test_without_tiles_the_error_says_how_to_add_them(museum, tmp_path):
    embed(museum, tmp_path / "plain", settings=replace(SMALL, tiles=None))
    with pytest.raises(SearchError, match=r"no tiles, which --details needs; .*--tiles 3 -o DIR'"):
        ask(tmp_path / "plain", terms=(Term(id="w3"),))


def test_details_are_compared_by_one_tap(index):
    from artsim.search import Aspect

    with pytest.raises(SearchError, match="--details compares by one tap"):
        ask(index, terms=(Term(id="w3"),), by=(Aspect("pixels"),))


# --- embedded -----------------------------------------------------------------------------


def test_an_interrupted_run_equals_an_uninterrupted_one(museum, tmp_path):
    embed(museum, tmp_path / "whole")
    for stop_after in (1, 4, 9, 15):
        path = tmp_path / f"stopped-{stop_after}"
        with pytest.raises(KeyboardInterrupt):
            embed(museum, path, pixels(stop_after=stop_after))
        embed(museum, path)
        assert contents(path) == contents(tmp_path / "whole")
        parts = [part.sha256 for part in Store.open(path).manifest.parts]
        assert parts == [part.sha256 for part in Store.open(tmp_path / "whole").manifest.parts]


def test_only_new_pictures_are_embedded_and_missing_ones_are_dropped(index, museum, tmp_path):
    noise_picture(museum / "w8.png", (160, 120), seed=80)
    lines = (museum / "objects.csv").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("w0")]
    (museum / "objects.csv").write_text("\n".join([*kept, "w8,w8.png,a"]))
    extractor = pixels()
    before = ask(index, terms=(Term(id="w3", box=MIDDLE),), k=9).matches
    summary = embed(museum, index, extractor, settings=replace(SMALL, tiles=None))
    assert (summary.embedded, summary.kept, summary.dropped) == (1, 7, 1)
    assert sum(extractor._backend.batches) == 1 + 9
    embed(museum, tmp_path / "fresh")
    request = {"terms": (Term(id="w3", box=MIDDLE),), "k": 9}
    after, fresh = (ask(path, **request).matches for path in (index, tmp_path / "fresh"))
    assert [(m.id, m.box) for m in after] == [(m.id, m.box) for m in fresh]
    assert {m.id for m in before} - {m.id for m in after} == {"w0"}


def test_a_picture_is_decoded_once_for_all_its_tiles(museum, tmp_path, monkeypatch):
    decode, decoded = images.decode, []

    def counted(data, **options):
        decoded.append(len(data))
        return decode(data, **options)

    monkeypatch.setattr(images, "decode", counted)
    embed(museum, tmp_path / "i")
    assert len(decoded) == 8


def test_tiles_go_through_the_network_in_batches(museum, tmp_path):
    extractor = pixels()
    embed(museum, tmp_path / "i", extractor)
    assert max(extractor._backend.batches) <= 4
    assert sum(extractor._backend.batches) == 8 * 10


def test_a_broken_picture_is_one_failure(museum, tmp_path):
    (museum / "w2.png").write_bytes(b"no picture")
    summary = embed(museum, tmp_path / "i")
    assert (summary.rows, summary.failures) == (7, 1)


def test_tiles_do_not_change_the_vectors_of_whole_pictures(museum, tmp_path, index):
    embed(museum, tmp_path / "plain", settings=replace(SMALL, tiles=None))
    for plain, tiled in zip(contents(tmp_path / "plain"), contents(index), strict=True):
        assert plain["pixels"] == tiled["pixels"]


def test_each_tile_has_the_vector_of_its_box(tmp_path):
    folder = tmp_path / "flags"
    folder.mkdir()
    flag = Image.new("RGB", (40, 40), (200, 0, 0))
    flag.paste((0, 0, 100), (20, 0, 40, 40))
    flag.save(folder / "flag.png")
    embed(folder, tmp_path / "i", Extractor(MeanColor(), toy_passport()))
    (row,) = contents(tmp_path / "i")
    tiles = np.array(row["rgb:tiles"]).reshape(3, 3, 3)
    expected = [[200, 0, 0], [100, 0, 50], [0, 0, 100]]  # left, middle, right
    np.testing.assert_allclose(tiles, [expected] * 3, rtol=2e-3, atol=0.1)


def test_an_index_keeps_the_tiles_it_was_made_with(index, museum):
    with pytest.raises(
        PassportError, match=r"\(tiles per side: 3, not 2\); embed to another folder"
    ):
        embed(museum, index, settings=replace(SMALL, tiles=2))
    assert embed(museum, index, settings=replace(SMALL, tiles=None)).kept == 8


# --- the command --------------------------------------------------------------------------


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_info_counts_the_tiles_of_each_tap(index, tmp_path):
    described = json.loads(run("info", "--index", index).stdout)
    vectors = 9 * described["rows"]
    assert described["tiles"] == [{"tap": "pixels", "side": 3, "vectors": vectors}]
    assert f"  tiles       3 x 3 of each picture: {vectors} by pixels\n" in (
        run("info", "--index", index, "--table").stdout
    )
    plain = make_store(tmp_path / "plain", ["a"], {"rgb": np.ones((1, 3), dtype=np.float32)}).path
    assert json.loads(run("info", "--index", plain).stdout)["tiles"] == []
    assert "  tiles  " not in run("info", "--index", plain, "--table").stdout


def test_the_box_is_in_every_answer(museum, tmp_path):
    path = tmp_path / "index"
    run("embed", museum, "-o", path, "--tiles", "2", "--backend", "torch")
    asked = ["similar", "w3", "--index", path, "--details", "-k", "2"]
    files = {name: tmp_path / f"answer.{name}" for name in ("png", "html", "csv")}
    table = run(
        *asked, "--table", "--sheet", files["png"], "--html", files["html"], "--csv", files["csv"]
    ).stdout
    assert "by embedding of tiles" in table.splitlines()[0]
    assert " box " in table
    rows = [json.loads(line) for line in run(*asked, "--json").stdout.splitlines()]
    boxes = {str(box) for box in tile_boxes(2)}
    assert {row["box"] for row in rows} <= boxes
    assert rows[0]["box"] in files["csv"].read_text(encoding="utf-8-sig")
    assert f"at {rows[0]['box']}" in files["html"].read_text()
    with Image.open(files["png"]) as sheet:
        colors = {color for _, color in sheet.convert("RGB").getcolors(1 << 24)}
    assert (255, 222, 89) in colors
    note = "Note: the detail is compared with whole pictures; to find works that contain it, use "
    cut = ("similar", "w3", "--crop", "0%,0%,50%,50%", "--index")
    assert run(*cut, path, "--json").stderr == f"{note}--details\n"
    assert "whole pictures" not in run(*cut, path, "--details").stderr
    plain = tmp_path / "plain"
    run("embed", museum, "-o", plain, "--backend", "torch")
    made = f"'artsim embed {museum} --tiles 3 -o DIR'"
    assert run(*cut, plain, "--json").stderr == f"{note}{made} and --details\n"
    out = tmp_path / "all.csv"
    run("similar", "w3", "--index", path, "--details", "--output", out)
    assert rows[0]["box"] in out.read_text()


def test_misuse_gives_a_one_line_error(index):
    asked = ("similar", "w3", "--index", index, "--details")
    assert "--details compares by one tap; use --tap" in (
        run(*asked, "--by", "pixels", code=2).stderr
    )
    assert "2<=x<=8" in run("embed", "x", "--tiles", "9", code=2).stderr
