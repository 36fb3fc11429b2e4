"""Predictions by heads on colors: classes, neighbors, catalog values, abstaining, refusals."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import MeanColor, noise_picture, toy_passport
from PIL import Image

from artsim.cli import cli
from artsim.cli.predict import _print
from artsim.embedding import embed_collection
from artsim.errors import EvaluationError, ImageError, PassportError, SearchError
from artsim.evaluation.probe import ProbePlan, probe
from artsim.models import Extractor
from artsim.prediction import (
    HeadPredictor,
    LabeledNeighbor,
    load_head,
    make_head,
    predict_collection,
    predict_ids,
    predict_picture,
    read_pictures,
    save_head,
)
from artsim.readers import ReaderOptions, read_collection
from artsim.splits import picture_hashes
from artsim.store import Failure, Store

HUES = {"red": (240, 30, 30), "green": (30, 240, 30), "blue": (30, 30, 240)}
SIDES = 3 * ["train"] + ["val", "test"]


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def toy():
    return Extractor(MeanColor(), toy_passport())


def write_museum(folder, n, size=(12, 10), seed=0):
    """Write pictures of three hues and a table that knows them; the first has no hue."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        hue = list(HUES)[3 * i // n]
        color = tuple(int(c) for c in np.clip(HUES[hue] + rng.integers(-15, 16, 3), 0, 255))
        Image.new("RGB", size, color).save(folder / f"{hue}-{i}.png")
        tags = {"red": "warm", "green": "cold", "blue": "cold|wet"}[hue]
        year = 1500 + 100 * (3 * i // n)
        row = [f"{hue}-{i}", f"{hue}-{i}.png", hue if i else "", tags, year, SIDES[i % 5]]
        rows.append([*row, hue.upper()])
    with (folder / "objects.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "image", "hue", "tags", "year", "side", "room"])
        writer.writerows(rows)
    return read_collection(folder, options=ReaderOptions(types={"tags": "list", "year": "number"}))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    embed_collection(write_museum(folder / "museum", 60), folder / "index", toy())
    store = Store.open(folder / "index")
    for name, labels, metadata in (
        ("all", ("hue", "tags", "year"), ()),
        ("shaped", ("hue",), ("aspect_ratio",)),
        ("placed", ("hue",), ("room",)),
        ("hue", ("hue",), ()),
    ):
        plan = ProbePlan(tap="rgb", labels=labels, split="side", metadata=metadata)
        save_head(store, make_head(store, plan, list(probe(store, plan)), name))
    return folder / "index"


def predictor(path, head="hue", **options):
    store = Store.open(path)
    return HeadPredictor(
        store, load_head(path / "heads" / f"{head}.json"), extractor=toy, **options
    )


def test_a_picture_of_the_index_is_predicted_and_compared_with_the_catalog(path):
    hue, tags, year = predict_ids(predictor(path, "all"), ["blue-44"])
    assert (hue.id, hue.label, hue.predicted, hue.catalog) == ("blue-44", "hue", "blue", "blue")
    assert hue.image == str(path.parent / "museum" / "blue-44.png")
    assert hue.agrees
    assert not hue.seen  # it was a test picture
    assert hue.classes[0].name == "blue"
    assert sum(each.probability for each in hue.classes) == pytest.approx(1)
    assert hue.confidence == hue.classes[0].probability > 0.8
    assert (sorted(tags.predicted), tags.catalog) == (["cold", "wet"], ["cold", "wet"])
    assert tags.agrees
    assert year.predicted == pytest.approx(1700, abs=30)
    assert (year.catalog, year.confidence, year.classes, year.agrees) == (1700, None, (), None)
    assert 0 < year.error < 30  # the head's mean absolute error


def test_the_most_similar_are_shown_with_their_labels_without_the_picture_itself(path):
    (found,) = predict_ids(predictor(path, neighbors=3), ["blue-44"])
    assert [near.value for near in found.neighbors] == ["blue", "blue", "blue"]
    assert "blue-44" not in [near.id for near in found.neighbors]
    scores = [near.score for near in found.neighbors]
    assert scores == sorted(scores, reverse=True)
    (found,) = predict_ids(predictor(path, neighbors=0), ["blue-44"])
    assert found.neighbors == ()
    (found,) = predict_ids(predictor(path, neighbors=1000), ["blue-44"])
    assert len(found.neighbors) == 59


def test_a_picture_that_the_head_was_fitted_on_is_marked(path):
    train, val, test = predict_ids(predictor(path), ["red-1", "red-3", "red-4"])
    assert (train.seen, val.seen, test.seen) == (True, True, False)


def test_a_copy_of_a_training_picture_is_marked_by_its_look_once_pictures_are_hashed(
    tmp_path, capsys
):
    folder, rng = tmp_path / "museum", np.random.default_rng(0)
    catalog = write_museum(folder, 20)
    for file in folder.glob("*.png"):  # of coarse patterns: a picture of one color has no hash
        patches = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        patches.resize((64, 64)).save(file)
    embed_collection(catalog, tmp_path / "index", toy())
    store = Store.open(tmp_path / "index")
    plan = ProbePlan(tap="rgb", labels=("hue",), split="side")
    save_head(store, make_head(store, plan, list(probe(store, plan)), "hue"))
    copy, turned, of_test = (tmp_path / name for name in ("copy.jpg", "turned.png", "test.jpg"))
    with Image.open(folder / "red-1.png") as picture:
        picture.resize((50, 50)).save(copy)
        picture.transpose(Image.Transpose.ROTATE_180).save(turned)
    with Image.open(folder / "red-4.png") as picture:
        picture.save(of_test)

    def marked(file):
        (found,) = predict_picture(predictor(tmp_path / "index"), file)
        assert found.to_json()["seen"] == found.to_row()["seen"] == (found.seen_by is not None)
        return found.seen_by

    assert [marked(each) for each in (copy, folder / "red-1.png")] == [None, "file"]
    picture_hashes(store)
    assert [marked(each) for each in (copy, turned, of_test)] == ["look", None, None]
    assert marked(folder / "red-1.png") == "file"
    found = predict_picture(predictor(tmp_path / "index"), copy)
    _print(found, None, "the head was trained on")
    assert "the head was trained on one that looks the same, so the" in capsys.readouterr().out


def test_without_a_catalog_value_a_prediction_neither_agrees_nor_disagrees(path):
    (found,) = predict_ids(predictor(path), ["red-0"])
    assert (found.predicted, found.catalog, found.agrees) == ("red", None, None)
    assert not found.seen  # it has no label to be fitted on


def test_a_head_abstains_below_the_minimal_confidence(path, paint, tmp_path):
    gray = paint(tmp_path / "gray.png", (128, 128, 128))
    (found,) = predict_picture(predictor(path, min_confidence=0.9), gray)
    assert (found.predicted, found.agrees) == (None, None)
    assert 1 / 3 < found.confidence < 0.9
    assert len(found.classes) == 3
    (found,) = predict_picture(predictor(path, min_confidence=0.3), gray)
    assert found.predicted == found.classes[0].name
    sure = predictor(path, "all", min_confidence=1.0)
    hue, tags, year = predict_picture(sure, gray)
    assert (hue.predicted, tags.predicted) == (None, None)
    assert year.predicted is not None


def test_a_new_picture_is_embedded_and_predicted(path, paint, tmp_path):
    file = paint(tmp_path / "new.png", (20, 20, 255))
    (found,) = predict_picture(predictor(path), file)
    assert (found.id, found.predicted, found.catalog) == (str(file), "blue", None)
    assert not found.seen


def test_a_file_that_is_in_the_index_needs_no_network(path, tmp_path):
    asked = predictor(path)
    asked._load = None
    copy = tmp_path / "copy.png"
    copy.write_bytes((path.parent / "museum" / "blue-44.png").read_bytes())
    (found,) = predict_picture(asked, copy)
    assert (found.id, found.predicted, found.catalog) == ("blue-44", "blue", "blue")
    assert "blue-44" not in [near.id for near in found.neighbors]


def test_metadata_of_a_new_picture_is_its_shape(path, paint, tmp_path):
    file = paint(tmp_path / "new.png", (20, 20, 255))
    assert predict_picture(predictor(path, "shaped"), file)[0].predicted == "blue"
    with pytest.raises(EvaluationError, match="head 'placed' needs 'room' of every picture"):
        predict_picture(predictor(path, "placed"), file)
    (found,) = predict_ids(predictor(path, "placed"), ["red-4"])
    assert found.predicted == "red"


def test_a_collection_is_predicted_and_compared_with_its_own_catalog(path, tmp_path):
    catalog = write_museum(tmp_path / "new", 9, size=(9, 9), seed=5)
    (tmp_path / "new" / "red-1.png").write_text("<html>")
    steps = []
    found = list(
        predict_collection(
            predictor(path, "placed"), catalog, progress=lambda *step: steps.append(step)
        )
    )
    failures = [each for each in found if isinstance(each, Failure)]
    assert [(each.id, each.stage) for each in failures] == [("red-1", "decode")]
    found_by_id = {each.id: each for each in found if not isinstance(each, Failure)}
    assert len(found_by_id) == 8
    assert found_by_id["blue-8"].predicted == found_by_id["blue-8"].catalog == "blue"
    assert found_by_id["red-0"].catalog is None
    assert steps[0] == (0, 9, 0)
    assert steps[-1] == (9, 9, 1)


def test_a_json_list_of_paths_is_a_collection_and_finished_pictures_are_skipped(path, tmp_path):
    write_museum(tmp_path / "new", 9, seed=5)
    (tmp_path / "list.json").write_text(json.dumps(["new/red-1.png", "new/blue-8.png"]))
    catalog = read_pictures(tmp_path / "list.json")
    found = list(predict_collection(predictor(path), catalog))
    assert [(each.id, each.predicted) for each in found] == [
        ("new/red-1.png", "red"),
        ("new/blue-8.png", "blue"),
    ]
    rest = list(predict_collection(predictor(path), catalog, done={"new/red-1.png"}))
    assert [each.id for each in rest] == ["new/blue-8.png"]


def test_pictures_in_a_batch_are_predicted_as_one_by_one(path, tmp_path):
    catalog = write_museum(tmp_path / "new", 9, seed=5)
    together = list(predict_collection(predictor(path, "all"), catalog))
    alone = [
        each
        for file in sorted((tmp_path / "new").glob("*.png"))
        for each in predict_picture(predictor(path, "all"), file)
    ]
    for one, other in zip(
        sorted(together, key=lambda each: (each.image, each.label)),
        sorted(alone, key=lambda each: (each.image, each.label)),
        strict=True,
    ):
        assert one.predicted == pytest.approx(other.predicted, abs=1e-3) or (
            one.predicted == other.predicted
        )
        assert [near.id for near in one.neighbors] == [near.id for near in other.neighbors]
        assert isinstance(one.neighbors[0], LabeledNeighbor)


def test_a_head_of_other_vectors_is_refused_with_what_differs(path, tmp_path, paint):
    head = load_head(path / "heads" / "hue.json")
    other = Extractor(MeanColor(), toy_passport(weights_sha256="1" * 64))
    museum = read_collection(path.parent / "museum")
    embed_collection(museum, tmp_path / "other", other)
    differs = (
        r"head 'hue' was trained on vectors other than those of .*: weights_sha256: 0+\.\.\., not 1"
    )
    with pytest.raises(PassportError, match=differs):
        HeadPredictor(Store.open(tmp_path / "other"), head)
    asked = HeadPredictor(Store.open(path), head, extractor=lambda: other)
    with pytest.raises(PassportError, match="than those of the network that is to embed"):
        predict_picture(asked, paint(tmp_path / "new.png", (1, 2, 3)))


def test_unknown_ids_and_files_that_are_no_pictures_are_refused(path, tmp_path):
    with pytest.raises(SearchError, match="no picture has the id 'blue'"):
        list(predict_ids(predictor(path), ["red-1", "blue"]))
    (tmp_path / "page.jpg").write_text("<html>")
    with pytest.raises(ImageError, match=r"page\.jpg"):
        predict_picture(predictor(path), tmp_path / "page.jpg")


# --- the command --------------------------------------------------------------------------


def test_the_command_prints_probabilities_and_neighbors(path):
    result = run("predict", "--id", "blue-44", "--head", "hue", "--index", path, "--table", "-k", 2)
    lines = result.stdout.splitlines()
    assert lines[0] == "blue-44, by head hue of index (rgb)"
    assert lines[2] == "hue: blue"
    assert lines[3].endswith("  blue")
    assert "  Catalog: blue" in lines
    assert "no evidence" not in result.stdout
    assert [line.split()[-1] for line in lines if line.startswith(" 1.000") or "blue-" in line][1:]
    result = run("predict", "--id", "blue-40", "--head", "hue", "--index", path, "--table")
    assert "the head was trained on this picture, so the prediction is no evidence" in result.stdout


def test_the_command_prints_json_lines_in_a_pipe(path):
    result = run("predict", "--id", "blue-44", "--id", "red-4", "--index", path, "--head", "all")
    rows = list(map(json.loads, result.stdout.splitlines()))
    assert [(row["id"], row["label"]) for row in rows] == [
        (id_, label) for id_ in ("blue-44", "red-4") for label in ("hue", "tags", "year")
    ]
    assert rows[0]["kind"] == "multiclass"
    assert rows[0]["classes"][0]["name"] == "blue"
    assert rows[0]["neighbors"][0]["value"] == "blue"


def test_the_command_abstains(path):
    args = ("--id", "blue-44", "--head", "hue", "--index", path, "--min-confidence", "1")
    assert json.loads(run("predict", *args).stdout)["predicted"] is None
    assert "hue: no prediction: not confident" in run("predict", *args, "--table").stdout


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """An index of twelve pictures by timm's smallest network, untrained, and a head."""
    folder = tmp_path_factory.mktemp("resnet")
    for kind in ("coarse", "dark"):
        (folder / "p" / kind).mkdir(parents=True)
        for seed in range(12):
            file = noise_picture(folder / "p" / kind / f"{seed}.png", (60, 60), seed)
            if kind == "dark":
                Image.open(file).point(lambda value: value // 4).save(file)
    model = ("-m", "timm:test_resnet.random", "--backend", "torch", "--precision", "f32")
    run("embed", folder / "p", "-o", folder / "index", *model)
    run("probe", "--index", folder / "index", "--label", "class", "--device", "cpu")
    return folder


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_folder_is_written_to_a_file(resnet, tmp_path, suffix):
    new = tmp_path / "new"
    new.mkdir()
    noise_picture(new / "a.png", (60, 60), 99)
    noise_picture(new / "b.png", (60, 60), 98)
    (new / "c.jpg").write_text("<html>")
    out = tmp_path / f"out{suffix}"
    result = run("predict", new, "--index", resnet / "index", "--backend", "torch", "--output", out)
    assert result.stdout == ""
    assert "2 predictions written to" in result.stderr
    assert "Not predicted: c.jpg: " in result.stderr
    if suffix == ".csv":
        rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    else:
        rows = pq.read_table(out).to_pylist()
    assert [(row["id"], row["label"]) for row in rows] == [("a.png", "class"), ("b.png", "class")]
    assert list(rows[0]) == [
        "id", "image", "label", "predicted", "confidence", "catalog", "agrees", "seen",
        "seen_by", "classes", "neighbors",
    ]  # fmt: skip
    classes = json.loads(rows[0]["classes"])
    assert rows[0]["predicted"] == max(classes, key=classes.get)
    assert len(json.loads(rows[0]["neighbors"])) == 5


def test_a_model_other_than_the_indexs_is_refused(resnet):
    output = run(
        "predict", "--id", "dark/3.png", "--index", resnet / "index", "-m", "timm:test_vit.random",
        code=1,
    ).output  # fmt: skip
    assert "spec: timm:test_resnet.random, not timm:test_vit.random" in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--id", "x"), "no picture has the id 'x'"),
        (("--id", "red-1", "--head", "style"), "has no head 'style'; choose from"),
        (("nowhere.png",), "no file 'nowhere.png'"),
        (("new.png", "--head", "placed"), "head 'placed' needs 'room' of every picture"),
        (("empty",), "the folder"),
    ],
)
def test_misuse_gives_a_one_line_error(path, monkeypatch, tmp_path, paint, args, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    paint(tmp_path / "new.png", (1, 2, 3))
    output = run("predict", "--index", path, *args, code=1).output
    assert output.startswith("Error: ")
    assert message in output
    assert output.count("\n") == 1


def test_an_index_without_a_head_says_how_to_make_one(path, tmp_path):
    embed_collection(read_collection(path.parent / "museum"), tmp_path / "bare", toy())
    output = run("predict", "--index", tmp_path / "bare", "--id", "red-1", code=1).output
    assert "has no head; train one with 'artsim probe --index " in output
    assert "/bare --label LABEL'" in output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "name a picture, a folder or table of pictures, or --id ID"),
        (("a.png", "--id", "b"), "name a picture, a folder or table of pictures, or --id ID"),
        (("--id", "b", "--output", "x.xlsx"), "x.xlsx is neither .csv nor .parquet"),
        (("--id", "b", "--min-confidence", "2"), "2.0 is not in the range 0<=x<=1"),
    ],
)
def test_wrong_options_are_explained(path, args, message):
    assert message in run("predict", "--index", path, *args, code=2).output
