"""Commands, run as a user would: what they print, what they refuse, how they end."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from conftest import noise_picture, started, wait_until
from PIL import Image

from artsim.cli import cli
from artsim.cli.output import print_json_lines, print_table
from artsim.embedding import embed_collection
from artsim.readers import read_collection
from artsim.store import Store

TOY_MODEL = ("-m", "timm:test_resnet.random", "--backend", "torch", "--precision", "f32")


def run(*args, code=0):
    """Run a command in this process and return what it printed."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    """A museum of eight smooth pictures, two by each artist; the two look the same."""
    folder = tmp_path_factory.mktemp("cli") / "museum"
    (folder / "images").mkdir(parents=True)
    lines = ["object_id,image,title,artist,year"]
    for n in range(8):
        noise_picture(folder / "images" / f"{n}.jpg", (180, 170 + n), seed=n // 2, quality=90)
        lines.append(f"obj-{n},images/{n}.jpg,[bold]No. {n}[/],Artist {n // 2},{1800 + n}")
    (folder / "objects.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def index(museum):
    path = museum.parent / "index"
    run("embed", museum, "-o", path, *TOY_MODEL)
    return path


def test_embed_reports_its_result(museum, tmp_path):
    output = run("embed", museum, "-o", tmp_path / "i", *TOY_MODEL)
    first, second = output.splitlines()
    assert first == f"{tmp_path / 'i'}: 8 pictures by timm:test_resnet.random"
    assert re.fullmatch(r"  8 embedded in [\d.]+ s \(\d+/s\)", second)
    again = run("embed", museum, "-o", tmp_path / "i", *TOY_MODEL)
    assert "0 embedded" in again
    assert "8 kept, 0 dropped" in again


def test_exact_vectors_are_marked_in_the_passport_and_not_mixed_with_others(museum, tmp_path):
    model = ("-m", "timm:test_resnet.random", "--backend", "torch")
    run("embed", museum, "-o", tmp_path / "i", *model, "--exact", "--workers", "1")
    passport = json.loads(run("info", "--index", tmp_path / "i"))["passport"]
    assert passport["preprocessing"]["scaled_decoding"] == 0
    assert passport["compute_dtype"] == "float32"
    output = run("embed", museum, "-o", tmp_path / "i", *model, code=1)
    assert "scaled_decoding: 0, not 2" in output


def test_embed_writes_to_indexes_by_default(museum, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("embed", museum, *TOY_MODEL)
    assert (tmp_path / "indexes" / "museum" / "manifest.json").exists()
    assert "8 pictures" in run("info", "--table")  # the only one in indexes/
    assert "8 pictures" in run("info", "--table", "--index", "museum")


def test_a_collection_is_read_again_as_when_its_index_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "prints"
    folder.mkdir()
    for name in ("a", "b", "thumb"):
        noise_picture(folder / f"{name}.jpg", (60, 60), len(name))
    (folder / "list.csv").write_text(
        "sheet,scan,year\n1a,a.jpg,1900\n1b,b.jpg,none\n1c,thumb.jpg,1901\n"
    )
    options = ("--id-column", "sheet", "--image-column", "scan", "--null", "none")
    options += ("--exclude", "thumb.*", "--type", "year=text")
    run("embed", folder, *options, *TOY_MODEL, "-o", "indexes/prints")
    again = run("embed", folder, *TOY_MODEL)
    said = "--id-column sheet --image-column scan --type year=text --null none --exclude 'thumb.*'"
    assert f"read as for the index 'prints': {said}" in again.splitlines()[0]
    assert "0 embedded" in again
    index = Store.open(tmp_path / "indexes/prints")
    assert index.read(["id", "year"]).to_pylist() == [
        {"id": "1a", "year": "1900"},
        {"id": "1b", "year": None},
    ]
    changed = run("embed", folder, "--type", "year=number", *TOY_MODEL)
    assert "--id-column sheet --image-column scan --null none --exclude" in changed
    years = Store.open(tmp_path / "indexes/prints").read(["id", "year"]).to_pylist()
    assert years == [{"id": "1a", "year": 1900}, {"id": "1b", "year": None}]
    assert "--id-column sheet" in run("embed", folder, *TOY_MODEL, "-o", "indexes/prints-2")
    ids = [
        index.read(["id"]).column("id").to_pylist()
        for index in (index, Store.open(tmp_path / "indexes/prints-2"))
    ]
    assert ids == [["1a", "1b"]] * 2
    # Another reader, which has no columns, takes none of these options; and an index is read as
    # when it was made, not as another beside it that was read in another way.
    assert "read as" not in run("embed", f"folder:{folder}", *TOY_MODEL, "-o", "indexes/alone")
    again = run("embed", folder, *TOY_MODEL)
    assert "read as for the index 'prints': --id-column sheet" in again
    for part in (index.path / "parts").iterdir():
        part.unlink()
    assert "--id-column sheet" in run("repair", index.path)
    assert Store.open(tmp_path / "indexes/prints").read(["id", "year"]).to_pylist() == years


def test_failures_are_counted_and_listed_and_fail_a_strict_run(museum, tmp_path):
    broken = tmp_path / "broken"
    (broken / "images").mkdir(parents=True)
    (broken / "objects.csv").write_text("id,image\na,images/a.jpg\nb,images/b.jpg\n")
    noise_picture(broken / "images" / "a.jpg", (60, 60))
    args = ("embed", broken, "-o", tmp_path / "i", *TOY_MODEL)
    output = run(*args)
    assert "1 could not be embedded (1 at read)" in output
    assert run(*args, "--strict", code=1)
    (failure,) = map(json.loads, run("info", "--failures", "--index", tmp_path / "i").splitlines())
    assert (failure["id"], failure["stage"]) == ("b", "read")
    assert failure["reason"].endswith("b.jpg is missing")


def test_pictures_on_the_web_must_be_fetched_first(tmp_path):
    table = tmp_path / "objects.csv"
    table.write_text("id,image\na,https://example.org/a.jpg\nb,http://example.org/b.jpg\n")
    args = ("embed", table, "-o", tmp_path / "i", *TOY_MODEL)
    assert "on the web; download it first with 'artsim fetch'" in run(*args, code=1)
    noise_picture(tmp_path / "c.jpg", (60, 60))
    table.write_text(table.read_text() + "c,c.jpg\n")
    assert "2 pictures are on the web: download with 'artsim fetch'" in run(*args)


def test_an_index_can_be_named_before_a_query(museum, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "museum").symlink_to(museum)
    run("embed", "museum", *TOY_MODEL)
    run("embed", "museum", "-o", "indexes/other", *TOY_MODEL)
    picture = next(path for path in museum.rglob("*") if path.suffix in (".png", ".jpg", ".jpeg"))
    assert run("similar", "museum", picture, "-k", 1, "--json")
    assert "holds many queries" in run("similar", "museum", code=2)


def test_nothing_embedded_is_a_failure_that_leaves_no_index(museum, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("embed", museum, *TOY_MODEL)
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.jpg").write_text("<html>")
    output = run("embed", "p", *TOY_MODEL, code=1)
    problem = "(1 at decode); the first: a.jpg: not a picture: the file begins with '<html>'"
    assert f"no picture of '{tmp_path / 'p'}' could be embedded {problem}" in output
    assert '"rows": 8' in run("info")  # of the only index


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("embed", "nowhere"), "nowhere does not exist"),
        (("embed", "empty"), "empty"),
        (("embed", ""), "'' names no folder or file"),
        (("embed", "table:"), "'table:' names no folder or file"),
        (("similar", "--id", "\udcff.jpg", "--index", "index"), "has the id '\\udcff.jpg'"),
        (("embed", "museum", "-o", "i\udcff", *TOY_MODEL), "is not UTF-8; rename it"),
        (("embed", "museum", "-m", "vgg61"), "no model is called 'vgg61'"),
        (("embed", "museum", "--device", "cuda:7"), "no device 'cuda:7'"),
        (("embed", "museum", "--id-column", "number"), "number"),
        (("info",), "no index in 'indexes'; make one with 'artsim embed COLLECTION'"),
        (("info", "--index", "gone"), "no index at 'gone'"),
        (("similar", "--id", "x", "--index", "index"), "no picture has the id 'x'"),
        (("similar", "no.jpg", "--index", "index"), "no file 'no.jpg'"),
        (("similar", "--id", "obj-0", "--index", "index", "--tap", "z"), "has no tap 'z'"),
        (("knn-eval", "--index", "index", "--label", "nation"), "no column 'nation'; choose from"),
        (("knn-eval", "--index", "index", "--split", "title"), "split column 'title' needs rows"),
        (("layers", "timm:nonet"), "timm has no network 'nonet'"),
        (("models", "zzzz*"), "no model matches 'zzzz*'"),
    ],
)
def test_misuse_gives_a_one_line_error(museum, index, monkeypatch, args, message):
    monkeypatch.chdir(museum.parent)
    (museum.parent / "empty").mkdir(exist_ok=True)
    output = run(*args, code=1)
    assert output.startswith("Error: ")
    assert message in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("similar",), "name a picture file, the id of a work"),
        (("map", "index", "--index", "index"), "'index' and --index both name an index; use one"),
        (("embed", "museum", "--exact", "--precision", "bf16"), "--exact computes in float32"),
        (("embed", "museum", "--type", "year"), "'year' is not NAME=VALUE"),
        (("similar", "--id", "b", "-k", "0"), "0 is not in the range x>=1"),
        (("knn-eval", "--seed", "-1"), "-1 is not in the range x>=0"),
        (("knn-eval", "-k", "5,0"), "'0' is not a number from 1, as in 1,5,10"),
        (("knn-eval", "--temperature", "0"), "0.0 is not in the range x>0"),
        (("knn-eval", "--protocol", "soft"), "'soft' is not one of 'plain', 'dino', 'met'"),
        (("knn-eval", "--predictions", "gone/p.csv"), "no folder 'gone' to write 'p.csv' to"),
        (("similar", "a.jpg", "--sheet", "gone/s.png"), "no folder 'gone' to write 's.png' to"),
    ],
)
def test_wrong_options_are_explained(museum, monkeypatch, args, message):
    monkeypatch.chdir(museum.parent)
    assert message in run(*args, code=2)


def test_similar_prints_json_lines_in_a_pipe(index, museum):
    lines = run("similar", "--id", "obj-4", "-k", "3", "--index", index).splitlines()
    matches = [json.loads(line) for line in lines]
    assert list(matches[0]) == [
        *("rank", "id", "score", "percentile", "image"),
        *("title", "artist", "year", "index"),
    ]
    assert [match["rank"] for match in matches] == [1, 2, 3]
    assert matches[0]["id"] == "obj-5"
    assert matches[0]["image"] == str(museum.resolve() / "images/5.jpg")
    assert matches[0]["year"] == 1805
    assert 1 > matches[0]["score"] > matches[1]["score"]


def test_similar_prints_a_table_for_people(index):
    output = run("similar", "--id", "obj-4", "-k", "2", "--index", index, "--table")
    assert output.startswith(f"Similar to obj-4 in {index} (8 pictures, by embedding)\n")
    assert "[bold]No. 5" in output  # a title is shown as it is, not taken for markup


def test_similar_draws_a_contact_sheet(index, museum, tmp_path):
    query = noise_picture(tmp_path / "query.png", (180, 172), seed=1)
    sheet = tmp_path / "sheet.png"
    run("similar", query, "-k", "3", "--index", index, "--sheet", sheet)
    with Image.open(sheet) as drawn:
        assert drawn.width > 800
    output = run("similar", query, "--index", index, "--sheet", tmp_path / "sheet.doc", code=1)
    assert output.startswith("Error: unknown image format")


def test_similar_by_file_finds_the_same_picture(index, tmp_path):
    query = noise_picture(tmp_path / "query.png", (180, 172), seed=3)
    (best, *_) = run("similar", query, "--index", index, "-k", "2").splitlines()
    assert json.loads(best)["id"] in ("obj-6", "obj-7")


def test_similar_refuses_another_model(index, tmp_path):
    query = noise_picture(tmp_path / "query.png", (180, 172))
    output = run("similar", query, "-m", "timm:test_vit.random", "--index", index, code=1)
    assert output.startswith("Error: the query would not be comparable")
    assert "spec: timm:test_resnet.random, not timm:test_vit.random" in output


def test_knn_eval_prints_its_fields_as_json(index):
    rows = [
        json.loads(line) for line in run("knn-eval", "--index", index, "-k", "1,5").splitlines()
    ]
    assert [name for name in rows[0] if not name.endswith(("_low", "_high"))][:11] == [
        "label",
        "protocol",
        "k",
        "temperature",
        "top1",
        "top5",
        "macro_f1",
        "balanced_accuracy",
        "kappa",
        "majority",
        "n",
    ]
    assert [(row["label"], row["k"]) for row in rows] == [("artist", 1), ("artist", 5)]
    assert rows[0]["top1"] == 1.0  # each picture's twin is its nearest
    assert rows[0]["majority"] == 0.25
    assert rows[0]["n"] == 8


def test_an_index_is_an_argument_as_well_as_an_option(index, monkeypatch):
    by_option = run("knn-eval", "--index", index, "-k", "1")
    assert run("knn-eval", index, "-k", "1") == by_option
    monkeypatch.setenv("ARTSIM_INDEX", "gone")
    assert run("knn-eval", index, "-k", "1") == by_option
    assert "no index at 'gone'" in run("knn-eval", "-k", "1", code=1)


def test_knn_eval_prints_a_table_for_people(index):
    output = run("knn-eval", "--index", index, "--table", "--protocol", "plain")
    assert "leave-one-out, equal votes\n" in output
    assert "artist: 4 classes, 8 pictures, majority 0.250" in output
    assert "  k = 10, 20, 100, 200 left out: no picture has that many neighbors" in output
    assert "Not a label: year (it holds numbers; name it with --label to predict them)" in output


def test_knn_eval_writes_the_neighbors_that_voted(index, tmp_path):
    file = tmp_path / "predictions.csv"
    run("knn-eval", "--index", index, "--predictions", file, "-k", "1")
    header, *rows = file.read_text().splitlines()
    assert header == "id,label,k,temperature,true,predicted,share,correct,neighbors"
    assert rows[4] == "obj-4,artist,1,0.07,Artist 2,Artist 2,1.0000,1,obj-5"
    assert len(rows) == 8


def test_knn_eval_refuses_ks_that_are_all_too_large(index):
    args = ("knn-eval", "--index", index, "--label", "artist", "-k", "500")
    assert run(*args, code=1) == (
        "Error: k = 500 is more than the 7 neighbors that a row with a value of 'artist' can have; "
        "choose a smaller k\n"
    )


@pytest.fixture
def palette(tmp_path, paint, toy):
    """An index of colors by their mean: the vector of black is all zeros."""
    rows = {
        "red": ((250, 10, 10), "warm,light,train"),
        "orange": ((250, 120, 10), "warm,light,train"),
        "blue": ((10, 10, 250), "cold,light,train"),
        "cyan": ((10, 240, 250), "cold,light,train"),
        "yellow": ((250, 240, 10), "warm,light,test"),
        "navy": ((5, 5, 120), "cold,dark,test"),
        "black": ((0, 0, 0), "cold,dark,test"),
    }
    lines = ["id,image,hue,tone,side"]
    for name, (color, values) in rows.items():
        paint(tmp_path / "palette" / f"{name}.png", color)
        lines.append(f"{name},{name}.png,{values}")
    (tmp_path / "palette" / "objects.csv").write_text("\n".join(lines))
    embed_collection(read_collection(tmp_path / "palette"), tmp_path / "index", toy)
    return tmp_path / "index"


def test_knn_eval_skips_a_label_that_was_not_named(palette):
    args = ("knn-eval", "--index", palette, "--split", "side", "-k", "1")
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["hue"]
    assert (
        "Not a label: tone (all train rows have the class 'light' of 'tone'; "
        "at least two classes are needed)"
    ) in run(*args, "--table")
    named = run(*args, "--label", "tone", code=1)
    error = "Error: all train rows have the class 'light' of 'tone'"
    assert named.splitlines()[-1].startswith(error)


def test_knn_eval_fails_if_no_label_can_be_evaluated(palette):
    one_group = ("--group", "any = hue in ('warm', 'cold')")
    output = run("knn-eval", "--index", palette, *one_group, code=1).splitlines()[-1]
    assert output == (
        "Error: none of the labels hue, tone, side can be evaluated; the reason for the first: "
        "all pictures here that have a value of 'hue' share one of "
        "\"any = hue in ('warm', 'cold')\", so none has a neighbor outside its group; "
        "group by another column"
    )


def test_knn_eval_leaves_out_vectors_of_zeros(palette, tmp_path):
    file = tmp_path / "p.csv"
    args = ("knn-eval", "--index", palette, "--label", "hue", "-k", "1", "--predictions", file)
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.stderr == ("Note: 1 picture is left out, as its vectors are all zeros\n")
    assert json.loads(result.stdout)["n"] == 6
    by_id = {row.split(",")[0]: row.split(",")[-1] for row in file.read_text().splitlines()[1:]}
    assert sorted(by_id) == ["blue", "cyan", "navy", "orange", "red", "yellow"]
    assert by_id["navy"] == "blue"
    assert by_id["red"] == "orange"


def test_info_describes_the_index(index, museum):
    described = json.loads(run("info", "--index", index, "--check"))
    assert described["rows"] == 8
    assert described["complete"] is True
    assert described["damaged"] == []
    assert described["passport"]["spec"] == "timm:test_resnet.random"
    assert described["fields"] == [
        {"name": "title", "type": "text", "distinct": 8, "missing": 0},
        {"name": "artist", "type": "text", "distinct": 4, "missing": 0},
        {"name": "year", "type": "number", "distinct": 8, "missing": 0},
    ]
    assert described["bytes"]["parts"] > 0
    table = run("info", "--index", index, "--table", "--check")
    assert f"collection  {museum.resolve()} (reader table)" in table
    assert "All checksums match." in table


def test_info_finds_a_damaged_part(museum, tmp_path):
    run("embed", museum, "-o", tmp_path / "i", *TOY_MODEL)
    part = tmp_path / "i" / "parts" / "000000.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    assert "000000.parquet of" in run("info", "--index", tmp_path / "i", "--check", code=1)


def test_json_has_no_nan_or_infinity(capsys):
    print_json_lines([{"a": float("nan"), "b": [1.5, {"c": float("-inf")}], "d": "\udcff é"}])
    assert capsys.readouterr().out == '{"a": null, "b": [1.5, {"c": null}], "d": "\\udcff é"}\n'


LONG = "impressionism/claude-monet_the-bridge-at-argenteuil-in-the-evening-light-1874.jpg"


@pytest.mark.parametrize("width", [80, 100])
def test_a_long_id_leaves_room_for_numbers(monkeypatch, capsys, width):
    monkeypatch.setenv("COLUMNS", str(width))
    row = [1, "0.983", LONG, "Le pont d'Argenteuil et la Seine", "Claude Monet"]
    print_table(["rank", "score", "id", "title", "artist"], [row], right=["rank", "score"])
    *_, line, _ = capsys.readouterr().out.splitlines()
    assert len(line) <= width
    rank, score, id_ = line.split()[:3]
    assert (rank, score) == ("1", "0.983")
    assert LONG.startswith(id_.removesuffix("…"))
    assert width // 4 < len(id_) <= width // 2


def test_a_narrow_table_never_truncates_numbers(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "20")
    numbers = ["1234567", "0.987654", "12345678"]
    print_table(["a", "b", "id", "c", "title"], [[*numbers[:2], LONG, numbers[2], "Pont"]],
                right=["a", "b", "c"])  # fmt: skip
    assert set(numbers) <= set(capsys.readouterr().out.split())


def test_wide_characters_take_two_columns_of_a_table(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    print_table(["id", "title"], [["a", "神奈川沖浪裏"]])
    assert "神奈川沖浪裏" in capsys.readouterr().out


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_embed_accepts_a_fit_by_name(museum, tmp_path, fit):
    run("embed", museum, "-o", tmp_path / "i", *TOY_MODEL, "--fit", fit)
    described = json.loads(run("info", "--index", tmp_path / "i"))
    assert described["passport"]["preprocessing"]["fit"] == fit


def test_bytes_that_are_not_utf_8_are_escaped(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "artsim", "sample", "m\udcff", "--pictures", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "\\udcff" in done.stdout + done.stderr


def test_models_lists_short_names_and_patterns():
    rows = [json.loads(line) for line in run("models").splitlines()]
    assert {
        "name": "lite0",
        "model": "timm:tf_efficientnet_lite0.pip",
        "weights": "installed with artsim",
    } in rows
    found = [
        json.loads(line)["model"] for line in run("models", "open_clip:*laion2b*").splitlines()
    ]
    assert "open_clip:ViT-B-32.laion2b_s34b_b79k" in found
    assert all(model.startswith("open_clip:") for model in found)


def test_models_takes_a_short_name_or_a_part_of_a_name():
    def found(pattern):
        return [json.loads(line) for line in run("models", pattern).splitlines()]

    first = {"model": "lite0", "weights": "installed with artsim"}
    assert found("lite0")[0] == first
    assert {row["model"].partition(".")[0] for row in found("lite0")} == {
        "lite0",
        "timm:efficientnet_lite0",
        "timm:tf_efficientnet_lite0",
    }
    siglip = [row["model"] for row in found("ViT-B-16-SigLIP")]
    assert siglip[0] == "open_clip:ViT-B-16-SigLIP.webli"
    assert all("ViT-B-16-SigLIP" in model for model in siglip)
    assert all("clip" in row["model"].partition(":")[2] or row["model"] == "clip"
               for row in found("clip"))  # fmt: skip


def test_layers_lists_what_can_be_tapped():
    rows = [json.loads(line) for line in run("layers", "vgg16").splitlines()]
    assert {
        "layer": "features.14",
        "alias": "conv3_3",
        "kind": "Conv2d",
        "shape": [256, 56, 56],
    } in rows
    assert "conv3_3" in run("layers", "vgg16", "--table")


def test_sample_draws_a_museum_that_embeds(tmp_path):
    output = run("sample", tmp_path / "m", "--pictures", "5")
    assert output.startswith(f"{tmp_path / 'm'}: 5 pictures and objects.csv; next: artsim embed")
    assert "5 pictures" in run("embed", tmp_path / "m", "-o", tmp_path / "i", *TOY_MODEL)


def imported(*args):
    """Run a command in its own process; say which of the heavy packages it imported."""
    code = (
        "import sys\n"
        "from artsim.cli import cli\n"
        f"try: cli({[str(arg) for arg in args]!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print('heavy:', *sorted({'torch', 'timm', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_commands_without_a_network_import_no_torch(index):
    assert imported("--help") == "heavy:"
    assert imported("similar", "--id", "obj-0", "--index", index) == "heavy:"
    assert imported("info", "--index", index) == "heavy:"


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_ends_a_command_with_130(museum, tmp_path, monkeypatch, kind):
    @contextmanager
    def interrupted_at_the_second_part(what):
        yield lambda done, total, failures: done == 2 and signal.raise_signal(kind)

    # not artsim.cli.embed, which is the command
    module = sys.modules["artsim.cli.embed"]
    monkeypatch.setattr(module, "show_progress", interrupted_at_the_second_part)
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        said = run("embed", museum, "-o", tmp_path / "i", *TOY_MODEL, "--part-rows", "1", code=130)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert said.strip().splitlines()[-1] == (
        f"Stopped; finished pictures are in {tmp_path / 'i'}. Run the same command to resume."
    )


def test_an_interrupted_process_says_how_to_continue(tmp_path, paint):
    for n in range(3000):
        paint(tmp_path / "many" / f"{n}.png", (n % 256, 0, 0), size=(4, 4))
    command = ["embed", tmp_path / "many", "-o", tmp_path / "i", *TOY_MODEL, "--part-rows", "8"]
    parts = tmp_path / "i" / "parts"
    with started(
        [sys.executable, "-m", "artsim", *command],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        wait_until("two parts", lambda: parts.is_dir() and len(list(parts.iterdir())) > 1, process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert errors.strip().splitlines()[-1] == (
        f"Stopped; finished pictures are in {tmp_path / 'i'}. Run the same command to resume."
    )


def test_embed_counts_pictures_that_are_mended_transparent_or_not_decoded(tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    plain = Image.radial_gradient("L").resize((48, 32)).convert("RGB")
    plain.save(folder / "plain.png")
    plain.save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:-2])
    transparent = plain.convert("RGBA")
    transparent.putalpha(0)
    transparent.save(folder / "clear.png")
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, 4, 4, 16, 3)  # 16 bits a channel
    (folder / "deep.psd").write_bytes(header + bytes(200))
    done = CliRunner().invoke(
        cli, ["embed", str(folder), "-o", str(tmp_path / "i"), *TOY_MODEL, "--json"]
    )
    found = json.loads(done.stdout)
    counts = ("embedded", "mended", "transparent", "unsupported", "failures")
    assert [found[name] for name in counts] == [3, 1, 1, 1, 1]
    assert "a fault of the file that costs no pixel: see 'artsim inspect --hashes'" in done.stderr
    assert "  1 picture of a kind that is not decoded: see" in done.stderr
    assert "  1 picture transparent everywhere, taken as opaque: see" in done.stderr


@pytest.mark.parametrize(
    ("word", "commands"),
    [("searc", "'similar' or 'find'"), ("duplicates", "'dupes'"), ("knn-evl", "'knn-eval'")],
)
def test_a_command_by_another_word_is_suggested(word, commands):
    result = CliRunner().invoke(cli, [word])
    assert result.exit_code == 2
    assert f"No such command '{word}'. Did you mean {commands}?" in result.output


@pytest.mark.parametrize(
    "command", ["knn-eval", "probe", "retrieval-eval", "leaderboard", "report"]
)
def test_an_evaluation_refuses_to_compare_by_the_text_of_records(command):
    output = run(command, "--label", "nation", "--by", "image=0.7,text=0.3", code=2)
    assert "No such option '--by'. 'artsim similar' has it; evaluations compare" in output
    assert "never by text, since records may hold the label." in output
    assert "--by" not in run(command, "--help")
