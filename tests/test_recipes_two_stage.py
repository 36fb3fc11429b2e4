"""The two-stage recipe on real antiquities, and what a run says of a picture."""

import csv
import json
import shutil
from dataclasses import asdict

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from conftest import MeanColor, toy_passport
from PIL import Image
from recipe_runs import page_of

from artsim.cli import cli
from artsim.datatypes import parse_spec
from artsim.embedding import embed_collection
from artsim.errors import ModelError, TrainingError
from artsim.labels import read_multiclass
from artsim.models import Extractor, build_network, load_classifier
from artsim.models.architectures import Classifier, HeadShape, MapMLP
from artsim.prediction import PHRASE, RunPredictor, predict_collection, predict_ids, read_pictures
from artsim.readers import read_collection
from artsim.recipes import HERITAGE, load_recipe, read_tree, train_run
from artsim.splits import JointDraw, joint_splits
from artsim.store import Store
from artsim.training import (
    Run,
    RunPlan,
    Stopped,
    configure,
    read_curves,
    read_plan,
    start_run,
    to_json,
)

TREE = """
label = "object_type"

[branches.Pottery]
noun = "vessel"
fields = { "terracotta = medium ILIKE '%terracotta%'" = [], museum = [
  "Met Museum", "Art Institute of Chicago"] }

[branches.Statuary]
fields = { museum = [] }
"""
SMALL = {
    "backbone": "timm:test_resnet.random",
    "size": "64",
    "grid": "1",
    "hidden": "8",
    "batch_size": "8",
    "first_epochs": "2",
    "epochs": "1",
}
LOSSES = [1.10407, 1.10906]  # of the first stage's train, epoch by epoch, with seed 0
STAGES = ["object_type", "Pottery.terracotta", "Pottery.museum", "Statuary.museum"]
FOLDERS = [f"{i}-{name}" for i, name in enumerate(STAGES, 1)]


@pytest.fixture(scope="module")
def antiquities(museum_data, tmp_path_factory):
    """Sixty real objects: statues, vessels and jewels of each of three museums."""
    folder = tmp_path_factory.mktemp("antiquities") / "objects"
    (folder / "images").mkdir(parents=True)
    with (museum_data / "antiquities" / "objects.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    taken = []
    for kind in ("Statuary", "Pottery", "Jewellery"):
        for museum in sorted({row["museum"] for row in rows}):
            of_both = [row for row in rows if (row["object_type"], row["museum"]) == (kind, museum)]
            taken += of_both[:8]
    for row in taken:
        (folder / row["image"]).symlink_to(museum_data / "antiquities" / row["image"])
    with (folder / "objects.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(taken[0]))
        writer.writeheader()
        writer.writerows(taken)
    path = folder.parent / "index"
    embed_collection(read_collection(folder), path, Extractor(MeanColor(), toy_passport()))
    return path


def run(path, index, *, should_stop=lambda: False, recipe="heritage-two-stage", **settings):
    """Train, or go on where it was stopped."""
    if path.exists():
        plan = read_plan(path)
    else:
        config = configure(load_recipe(recipe).Config, settings)
        plan = RunPlan(recipe=recipe, settings=to_json(config), seed=0, index=str(index))
        plan = start_run(path, plan, device="cpu")
    train_run(Run(path=path, plan=plan, workers=1, should_stop=should_stop))
    return path


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Two branches of three classes: jewels are not asked further."""
    file = tmp_path_factory.mktemp("tree") / "tree.toml"
    file.write_text(TREE)
    return SMALL | {"tree": str(file)}


@pytest.fixture(scope="module")
def done(antiquities, settings, tmp_path_factory):
    """A run that was not stopped."""
    return run(tmp_path_factory.mktemp("runs") / "two", antiquities, **settings)


def metrics(path):
    return json.loads((path / "metrics.json").read_text())


def predictions(path):
    return pq.read_table(path / "predictions.parquet").to_pylist()


# --- the published system -------------------------------------------------------------------


def test_the_tree_is_the_published_one():
    assert HERITAGE.classes == ("coins", "frescoes", "icons", "manuscripts", "others")
    assert {stage.name: stage.classes for stage in HERITAGE.stages()} == {
        "artifact": ("coins", "frescoes", "icons", "manuscripts", "others"),
        "coins.material": ("gold", "silver", "other"),
        "frescoes.location": ("cyprus", "italy", "other"),
        "frescoes.period": ("byzantine", "other"),
        "icons.location": ("cyprus", "other"),
        "manuscripts.location": ("france", "italy", "other"),
        "manuscripts.language": ("latin", "other"),
        "manuscripts.description": ("figure", "text", "text&figure"),
    }


def test_the_published_settings_are_the_defaults():
    config = load_recipe("heritage-two-stage").Config()
    assert config.backbone == "timm:vgg16.tv_in1k"
    assert (config.size, config.grid, config.hidden, config.rotation) == (224, 7, 4096, 30)
    assert (config.lr, config.batch_size, config.first_epochs, config.epochs) == (1e-5, 32, 10, 50)
    ours = (config.least_area, config.stretch, config.mixup, config.label_smoothing, config.warm_up)
    assert ours == (1, 1, 0, 0, None)


def test_the_network_is_vgg16_with_new_dense_layers():
    with torch.device("meta"):
        vgg = build_network(parse_spec("timm:vgg16.random"), meta=True).module
        body = MapMLP(backbone=vgg)
        network = Classifier(body, body.dim, {"artifact": HeadShape(outputs=5, dropout=0.5)})
    assert (body.fc6.in_features, body.fc6.out_features) == (25_088, 4096)
    assert (body.fc7.in_features, body.fc7.out_features) == (4096, 4096)
    convolutions = 14_714_688
    dense = 25_088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 5 + 5
    assert sum(each.numel() for each in network.parameters()) == convolutions + dense


def test_a_backbone_without_maps_is_refused():
    tokens = build_network(parse_spec("timm:test_vit.random")).module
    with pytest.raises(ModelError, match="expected a map of channels x height x width"):
        MapMLP(backbone=tokens, size=160)


@pytest.mark.parametrize(
    ("class_", "values", "phrase"),
    [
        ("frescoes", ["cyprus", "byzantine"], "Cyprus Byzantine Fresco"),
        ("frescoes", ["other", "byzantine"], "Byzantine Fresco"),
        ("coins", ["gold"], "Gold Coin"),
        ("manuscripts", ["france", "latin", "text&figure"], "France Latin Text&figure Manuscript"),
        ("others", [], "Others"),
    ],
)
def test_predictions_are_described_in_words(class_, values, phrase):
    assert HERITAGE.phrase(class_, values) == phrase


def test_a_tree_is_written_and_read_back(tmp_path):
    (tmp_path / "tree.json").write_text(json.dumps(asdict(HERITAGE)))
    assert read_tree(tmp_path / "tree.json") == HERITAGE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("label = ", "is not a tree in TOML or JSON"),
        ("x = 1", "a tree has label, branches.CLASS.fields and classes; got KeyError"),
        (
            'label = "a"\nclasses = ["b"]\n[branches.c]\nfields = {d = []}',
            "branch 'c' is not a class of 'a'; it has b",
        ),
    ],
)
def test_an_invalid_tree_is_refused(text, said, tmp_path):
    (tmp_path / "tree.toml").write_text(text)
    with pytest.raises(TrainingError, match=said):
        read_tree(tmp_path / "tree.toml")


# --- trained ----------------------------------------------------------------------------------


def test_each_question_has_a_network_and_only_its_own_pictures(done, antiquities):
    found = metrics(done)
    assert [task["task"] for task in found["tasks"]] == STAGES
    assert sorted(file.name for file in done.iterdir() if file.is_dir()) == FOLDERS
    assert found["notes"][0].startswith("stage by stage: object_type is correct for")
    rows = predictions(done)
    kinds = {row["id"]: row["truth"] for row in rows if row["task"] == "object_type"}
    for row in rows:
        branch = row["task"].partition(".")[0]
        assert branch == "object_type" or kinds[row["id"]] == [branch]
    museums = {name for row in rows if row["task"] == "Pottery.museum" for name in row["truth"]}
    assert museums == {"Met Museum", "Art Institute of Chicago"}  # as the tree lists them


def test_no_network_trains_on_a_validation_or_test_picture_of_another(done):
    sides = {}
    for row in predictions(done):
        sides.setdefault(row["id"], set()).add(row["split"])
    assert all(len(each) == 1 for each in sides.values())


def test_the_losses_at_a_seed(done):
    with (done / FOLDERS[0] / "curves.csv").open(newline="") as stream:
        losses = [float(row["train_loss"]) for row in csv.DictReader(stream)]
    assert losses == pytest.approx(LOSSES, rel=1e-3)


# Losses at such a rate are a matter of the processor's rounding, so no figure is written here.
@pytest.fixture(scope="module")
def losses_of(antiquities, settings, tmp_path_factory):
    def train(**ours):
        folder = tmp_path_factory.mktemp("two-stage") / "run"
        path = run(folder, antiquities, **settings | {"lr": "0.01"} | ours)
        return [row["train_loss"] for row in read_curves(path / FOLDERS[0])]

    return train


@pytest.fixture(scope="module")
def usual_losses(losses_of):
    return losses_of()


def test_a_training_gives_the_same_losses_again(losses_of, usual_losses):
    assert losses_of() == usual_losses


@pytest.mark.parametrize(
    "ours",
    [{"least_area": "0.2", "mixup": "0.2"}, {"label_smoothing": "0.1"}, {"warm_up": "0.1"}],
)
def test_settings_for_small_networks_change_the_training(losses_of, usual_losses, ours):
    assert losses_of(**ours) != pytest.approx(usual_losses, rel=2e-3)


def test_all_layers_are_trained(done):
    before = build_network(parse_spec("timm:test_resnet.random")).module.state_dict()
    after = load_classifier(done / FOLDERS[0])[1].body.backbone.state_dict()
    weights = [name for name in before if name.endswith("conv1.weight")]
    assert weights
    assert not any(torch.equal(before[name], after[name]) for name in weights)


@pytest.mark.parametrize("step", [3, 13])
def test_a_resumed_run_equals_an_uninterrupted_one(step, done, antiquities, settings, tmp_path):
    asked = iter(range(1, 1000))
    with pytest.raises(Stopped, match=f"--resume {tmp_path / 'two'}'"):
        run(tmp_path / "two", antiquities, should_stop=lambda: next(asked) >= step, **settings)
    resumed = run(tmp_path / "two", antiquities)
    for folder in FOLDERS:
        name = f"{folder}/model.safetensors"
        assert (resumed / name).read_bytes() == (done / name).read_bytes()
    assert predictions(resumed) == predictions(done)


def test_a_branch_without_a_picture_is_refused(antiquities, tmp_path):
    (tmp_path / "tree.toml").write_text('label = "object_type"\n[branches.Coins]\nfields = {}')
    with pytest.raises(TrainingError, match="no picture has the object_type 'Coins'"):
        run(tmp_path / "two", antiquities, **SMALL, tree=str(tmp_path / "tree.toml"))


# --- telling ------------------------------------------------------------------------------------


def test_a_reloaded_run_predicts_what_it_predicted_in_its_test(done):
    wanted = {(row["id"], row["task"]): row for row in predictions(done)}
    ids = sorted({id_ for id_, _ in wanted})
    found_rows = [
        each for each in predict_ids(RunPredictor(done), ids, workers=1) if each.label != PHRASE
    ]
    assert {each.id for each in found_rows} == set(ids)
    for each in found_rows:
        row = wanted.get((each.id, each.label))  # a field of a branch that is not its own
        if row is not None:
            assert [each.predicted] == row["prediction"]
            assert each.confidence == pytest.approx(max(row["probabilities"]), rel=1e-4)
            assert each.catalog == row["truth"][0]
            assert each.seen == (row["split"] != "test")


def test_the_page_shows_every_stage_with_its_test_score(done):
    found, page = page_of(done)
    assert [task.name for task in found.tasks] == STAGES
    assert list(found.curves) == STAGES
    assert [len(rows) for rows in found.curves.values()] == [2, 1, 1, 1]
    for task, scored in zip(found.tasks, metrics(done)["tasks"], strict=True):
        tested = [row for row in predictions(done)
                  if (row["task"], row["split"]) == (task.name, "test")]  # fmt: skip
        right = [row["truth"] == row["prediction"] for row in tested]
        assert task.methods[0].estimate.value == np.mean(right) == scored["test"]["top1"]
        # all pictures are of one size, so that their metadata predicts nothing
        assert scored["baselines"]["metadata"] is None
        names = ["the network", "majority", "1-NN", "kNN", "probe"]
        assert [method.name for method in task.methods] == names
        assert task.methods[4].estimate.value == scored["baselines"]["probe"]
        assert sum(each.test for each in task.classes) == len(tested)
        assert len(task.predictions.errors) == min(right.count(False), 12)
        assert f'">{task.name}</h2>' in page
    assert page.count("<h3>Confusion</h3>") == len(STAGES)
    assert "stage by stage: object_type is correct for" in page


def test_the_phrase_names_the_stages_up_to_the_leaf(done):
    predictor = RunPredictor(done)
    answers = {}
    for each in predict_ids(predictor, [row["id"] for row in predictions(done)][:45], workers=1):
        answers.setdefault(each.id, {})[each.label] = each
    tree = read_tree(done / "tree.json")
    for said in answers.values():
        kind = said["object_type"].predicted
        fields = [label for label in said if label.startswith(f"{kind}.")]
        assert set(said) == {"object_type", PHRASE, *fields}
        assert len(fields) == {"Pottery": 2, "Statuary": 1, "Jewellery": 0}[kind]
        values = [said[label].predicted for label in fields]
        assert said[PHRASE].predicted == tree.phrase(kind, values)
        likely = np.prod([each.confidence for label, each in said.items() if label != PHRASE])
        assert said[PHRASE].confidence == pytest.approx(likely)


def test_a_folder_is_predicted_in_batches_and_finished_pictures_are_skipped(
    done, antiquities, tmp_path
):
    source = antiquities.parent / "objects"
    for file in sorted((source / "images").iterdir())[:3]:
        (tmp_path / "new").mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / "new")
    args = ["predict", str(tmp_path / "new"), "--run", str(done), "--device", "cpu"]
    args += ["--output", str(tmp_path / "predictions.csv")]
    first = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    with (tmp_path / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len({row["id"] for row in rows}) == 3
    (tmp_path / "new" / "torn.jpg").write_bytes(b"\xff\xd8 torn")
    shutil.copy(file, tmp_path / "new" / "zz.jpg")
    again = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert f"{len(rows)} already there" in again.output
    assert "Not predicted: torn.jpg" in again.output
    with (tmp_path / "predictions.csv").open(newline="") as stream:
        after = list(csv.DictReader(stream))
    assert after[: len(rows)] == rows
    assert {row["id"] for row in after[len(rows) :]} == {"zz.jpg"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "predictions.csv",
            b"id,label\na.jpg,style\n",
            "has predictions of 'style', expected those of",
        ),
        ("predictions.csv", b"name\na.jpg\n", "has predictions of None, expected those of the run"),
        ("predictions.parquet", b"PAR1 torn", "cannot continue"),
    ],
)
def test_predictions_of_another_run_are_not_continued(done, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    args = ["predict", str(tmp_path), "--run", str(done), "--output", str(tmp_path / name)]
    result = CliRunner().invoke(cli, [*args, "--device", "cpu"], catch_exceptions=False)
    assert result.exit_code == 1
    assert said in result.output
    assert (tmp_path / name).read_bytes() == content


def test_predictions_for_a_folder_are_compared_with_its_own_catalog(done, antiquities, tmp_path):
    file = next((antiquities.parent / "objects" / "images").iterdir())
    with Image.open(file) as picture:
        picture.crop((0, 0, 100, 100)).save(tmp_path / "new.png")
    (tmp_path / "objects.csv").write_text("image,object_type,museum\nnew.png,Tin,Rome\n")
    found_rows = predict_collection(RunPredictor(done), read_pictures(tmp_path), workers=1)
    known = {each.label: (each.catalog, each.agrees) for each in found_rows}
    assert known["object_type"] == ("Tin", False)
    fields = [label for label in known if label not in ("object_type", PHRASE)]
    assert fields
    # What is cataloged as tin has no museum of pottery: nothing to agree with.
    assert all(known[label] == (None, None) for label in fields)


def test_a_field_is_compared_where_the_cataloged_kind_has_it(done, antiquities):
    predictor = RunPredictor(done)
    rows = {
        row["id"]: row for row in predictor.store.read(["id", "object_type", "museum"]).to_pylist()
    }
    compared = set()
    for each in predict_ids(predictor, list(rows), workers=1):
        if each.label.endswith(".museum"):
            row = rows[each.id]
            has_field = row["object_type"] == each.label.partition(".")[0]
            assert each.catalog == (row["museum"] if has_field else None)
            assert each.agrees == ((each.predicted == row["museum"]) if has_field else None)
            compared.add(has_field)
    assert True in compared


def test_finished_stages_keep_their_weights_once(done):
    for folder in FOLDERS:
        assert not list((done / folder).rglob("*.ckpt"))
        assert (done / folder / "model.safetensors").exists()


def test_the_published_fractions_leave_a_fifth_to_test(antiquities, settings, tmp_path):
    one = settings | {"first_epochs": "1", "fractions": "80/20"}
    path = run(tmp_path / "two", antiquities, **one)
    first = metrics(path)["tasks"][0]
    names = ", ".join(task["task"] for task in metrics(path)["tasks"])
    assert first["split"].startswith(f"80/20 drawn with seed 0, stratified by {names}, chosen on")
    total = sum(first[part]["n"] for part in ("train", "val", "test"))
    assert first["test"]["n"] == pytest.approx(total / 5, abs=2)
    with pytest.raises(TrainingError, match="fractions=80/30: expected percentages"):
        run(tmp_path / "no", antiquities, **settings, fractions="80/30")


def test_a_split_is_balanced_by_every_label(tmp_path, paint):
    kinds = [kind for kind in ("coin", "icon") for _ in range(100)]
    metals = [
        None if kind == "icon" else ("gold", "silver")[i % 4 > 0] for i, kind in enumerate(kinds)
    ]
    for i in range(200):
        paint(tmp_path / "c" / f"{i:03}.png", (i, 255 - i, 7 * i % 256))
    lines = [
        f"{i:03}.png,{kind},{metal or ''}\n"
        for i, (kind, metal) in enumerate(zip(kinds, metals, strict=True))
    ]
    (tmp_path / "c" / "objects.csv").write_text("image,kind,metal\n" + "".join(lines))
    index = tmp_path / "index"
    embed_collection(read_collection(tmp_path / "c"), index, Extractor(MeanColor(), toy_passport()))
    store = Store.open(index)
    labels = [read_multiclass(store, name) for name in ("kind", "metal")]
    draw = JointDraw(fractions=(0.8, 0.2), by_all=True)
    for seed in range(5):
        kind, metal = joint_splits(store, labels, splits=[None] * 2, draw=draw, seed=seed)
        assert np.bincount(labels[0].strata[kind.test]).tolist() == [20, 20]
        assert np.bincount(labels[1].strata[metal.test]).tolist() == [5, 15]


def test_folders_of_pictures_need_no_tree_for_the_first_stage(tmp_path, paint):
    for i in range(24):
        paint(tmp_path / "c" / ("coins", "icons")[i % 2] / f"{i}.png", (10 * i, 0, 255 * (i % 2)))
    index = tmp_path / "index"
    embed_collection(read_collection(tmp_path / "c"), index, Extractor(MeanColor(), toy_passport()))
    path = run(tmp_path / "run", index, **SMALL)
    assert [task["task"] for task in metrics(path)["tasks"]] == ["class"]
    said = {each.label: each.predicted for each in
            predict_ids(RunPredictor(path), ["coins/0.png"], workers=1)}  # fmt: skip
    assert said[PHRASE] == said["class"].capitalize()


def test_a_json_list_of_paths_is_a_collection(done, antiquities, tmp_path):
    files = sorted((antiquities.parent / "objects" / "images").iterdir())[:2]
    for file in files:
        shutil.copy(file, tmp_path)
    (tmp_path / "list.json").write_text(json.dumps([file.name for file in files]))
    found_rows = list(
        predict_collection(RunPredictor(done), read_pictures(tmp_path / "list.json"), workers=1)
    )
    assert list(dict.fromkeys(each.id for each in found_rows)) == [file.name for file in files]
    # The very files are in the run's index, so its catalog knows them.
    assert all(each.catalog for each in found_rows if each.label == "object_type")


def test_an_unfinished_run_says_how_to_finish_it(tmp_path, antiquities, settings):
    with pytest.raises(Stopped):
        run(tmp_path / "two", antiquities, should_stop=lambda: True, **settings)
    with pytest.raises(TrainingError, match="finish it with 'artsim train --resume"):
        RunPredictor(tmp_path / "two")


def test_works_confidently_predicted_as_another_label_are_listed():
    import pyarrow as pa

    from artsim.training import outliers_csv

    def row(id_, split, truth, prediction, *likely):
        return {
            "id": id_,
            "task": "kind",
            "split": split,
            "truth": [truth],
            "prediction": [prediction],
            "probabilities": list(likely),
        }

    rows = [
        row("sure", "test", "vase", "urn", 0.25, 0.75),
        row("surer", "val", "vase", "urn", 0.125, 0.875),
        row("learned", "train", "vase", "urn", 0.0, 1.0),
        row("right", "test", "urn", "urn", 0.0, 1.0),
        row("unsure", "test", "vase", "urn", 0.3, 0.4),
    ]
    assert outliers_csv(pa.Table.from_pylist(rows)).splitlines() == [
        "task,id,split,label,looks_like,probability",
        "kind,surer,val,vase,urn,0.8750",
        "kind,sure,test,vase,urn,0.7500",
    ]
