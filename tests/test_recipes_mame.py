"""Media of real pictures in MAMe's layout: squashed, in their own shape, and by frozen features."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from recipe_runs import (
    TINY,
    embedded,
    losses,
    metrics,
    predicted_again,
    predictions,
    real_paintings,
    run,
    toy_run,
)
from search_toys import at, make_store
from sklearn.svm import LinearSVC

from artsim import list_models
from artsim.cli import cli
from artsim.datatypes import Fit, parse_spec
from artsim.errors import EvaluationError, ModelError
from artsim.images import read_bytes
from artsim.labels import multiclass, read_multiclass
from artsim.loader import preprocess
from artsim.models import build_network, load_classifier, load_extractor
from artsim.prediction import (
    RunPredictor,
    predict_collection,
    predict_ids,
    predict_picture,
    read_pictures,
)
from artsim.readers import ReaderOptions, read_collection
from artsim.recipes import load_recipe, svm
from artsim.recipes.mame_medium import METADATA, metadata_names
from artsim.splits import Split, joint_splits, read_stored_split
from artsim.store import Store
from artsim.training import (
    Stopped,
    TrainingData,
    TrainingTask,
    nearest_shapes,
    rectangles,
)

MAME = "mame-medium"
SMALL = {
    "backbone": TINY,
    "features": f"{TINY}@layer4/max",
    "size": "64",
    "epochs": "2",
    "batch_size": "8",
    "patience": "none",
}

# Of train, epoch by epoch, with seed 0.
SQUASHED_LOSSES = [1.65662, 1.42014]
VARIABLE_LOSSES = [1.71259, 1.49795]


@pytest.fixture(scope="module")
def mame(museum_data, tmp_path_factory):
    return paintings_as_mame(museum_data, tmp_path_factory.mktemp("mame"), 12)


def paintings_as_mame(museum_data, folder, each):
    """Embed real paintings of four artists, in MAMe's table, with a split.

    Style is the medium, and the artist the museum.
    """
    columns = ["Image file", "Medium", "Museum", "Museum-based instance ID", "Subset", "Width",
               "Height", "Product size", "Aspect ratio"]  # fmt: skip
    with (folder / "MAMe_dataset.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for i, row in enumerate(real_paintings(museum_data, 4, each)):
            with Image.open(museum_data / "paintings" / row["image"]) as picture:
                width, height = picture.size
            name = row["image"].removeprefix("images/")
            subset = ("train", "train", "train", "val", "test", "train")[i % 6]
            writer.writerow([name, row["style"], row["artist"], f"29.100.{i}", subset,
                             f"{10 * width}.0", f"{10 * height}.0", f"{100 * width * height}.0",
                             round(width / height, 4)])  # fmt: skip
    options = ReaderOptions(images=museum_data / "paintings" / "images")
    return embedded(read_collection(f"mame:{folder}", options=options), folder / "index")


@pytest.fixture(scope="module")
def squashed(mame, tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "squashed", MAME, mame, **SMALL)


@pytest.fixture(scope="module")
def variable(mame, tmp_path_factory):
    settings = SMALL | {"shape": "variable", "probes": "false"}
    return run(tmp_path_factory.mktemp("runs") / "variable", MAME, mame, **settings)


# --- data ---------------------------------------------------------------------------------


def test_the_dataset_has_29_media_and_its_own_split(museum_data):
    rows = [row for batch in read_collection(f"mame:{museum_data / 'mame'}").batches()
            for row in batch.select(["medium", "split"]).to_pylist()]  # fmt: skip
    assert len({row["medium"] for row in rows}) == 29
    sides = [row["split"] for row in rows]
    assert [sides.count(side) for side in ("train", "val", "test")] == [20_300, 1_450, 15_657]


def test_the_published_settings():
    config = load_recipe(MAME).Config()
    assert (config.label, config.split, config.size) == ("medium", "split", 256)
    assert config.features == "mobilenet@blocks/max"
    assert config.metadata is None
    assert METADATA == ("pixel_width", "pixel_height", "pixel_count", "aspect_ratio")


def test_a_collection_without_mames_columns_has_the_size_of_its_pictures(mame, tmp_path):
    config = load_recipe(MAME).Config
    assert metadata_names(Store.open(mame), config()) == METADATA
    assert metadata_names(Store.open(mame), config(metadata=("museum",))) == ("museum",)
    other = make_store(tmp_path / "index", ["a", "b"], {"rgb": at(0, 90)}, {})
    assert metadata_names(other, config()) == ("width", "height", "pixel_count", "aspect_ratio")


def test_the_datasets_split_is_kept(mame, squashed):
    ids = {row["id"]: row["split"] for row in predictions(squashed)}
    store = Store.open(mame)
    names = store.read(["id"]).column("id").to_pylist()
    given = read_stored_split(store, "split")
    for side in ("train", "val", "test"):
        assert {id_ for id_ in ids if ids[id_] == side} == {names[i] for i in given.rows(side)}


@pytest.mark.parametrize("size", [64, 256, 600])
def test_rectangles_have_about_the_pixels_of_the_square(size):
    shapes = rectangles(size)
    assert [size, size] in shapes.tolist()
    assert (np.diff(shapes[:, 1] / shapes[:, 0]) > 0).all()
    assert {tuple(shape) for shape in shapes} == {tuple(shape) for shape in shapes[:, ::-1]}
    if size > 64:
        assert abs(shapes.prod(axis=1) / size**2 - 1).max() < 0.1


def test_a_picture_gets_the_shape_that_is_nearest_to_its_own():
    shapes = np.array([[512, 128], [256, 256], [192, 352]])
    found = nearest_shapes([100, 90, 400, 1000], [400, 100, 210, 100], shapes)
    assert found.tolist() == [[512, 128], [256, 256], [192, 352], [192, 352]]


def test_batches_are_of_one_shape_and_come_in_the_same_order_again(mame):
    store = Store.open(mame)
    target = read_multiclass(store, "medium")
    (sides,) = joint_splits(store, [target], splits=["split"], seed=0)
    table = store.read(["width", "height"])
    sizes = [table.column(side).to_pylist() for side in ("width", "height")]
    shapes = nearest_shapes(*sizes, rectangles(64))
    task = TrainingTask(label=target, split=sides, source="medium")
    preprocessing = replace(build_network(parse_spec(TINY)).preprocessing, size=(64, 64))
    pictures = TrainingData(store, [task], preprocessing, toy_run(), batch_size=5,
                            shapes=rectangles(64))  # fmt: skip
    order = [batch.rows.tolist() for batch in pictures.train_dataloader()]
    assert len(order) == pictures.steps_per_epoch == len(pictures.train_dataloader())
    assert sorted(row for rows in order for row in rows) == sides.train.tolist()
    for batch in pictures.train_dataloader():
        assert (shapes[batch.rows] == list(batch.pixels.shape[2:])).all()
    pictures.state.step = 2
    assert [batch.rows.tolist() for batch in pictures.train_dataloader()] == order[2:]
    pictures.state.step = len(order)
    other = [batch.rows.tolist() for batch in pictures.train_dataloader()]
    assert other != order
    assert sorted(map(len, other)) == sorted(map(len, order))


# --- training -----------------------------------------------------------------------------


def test_a_fine_tuned_network_is_compared_with_probes_of_the_frozen_one(squashed):
    assert losses(squashed) == pytest.approx(SQUASHED_LOSSES, rel=1e-3)
    found = metrics(squashed)
    (task,) = found["tasks"]
    assert (task["train"]["n"], task["val"]["n"], task["test"]["n"]) == (32, 8, 8)
    assert task["split"] == "split 'split', tested on test, chosen on val"
    printed = f"{TINY}@layer4/max + pixel_width, pixel_height, pixel_count, aspect_ratio"
    methods = ("linear probe", "linear SVM", "MLP probe")
    assert list(task["others"]) == [f"{method} ({printed})" for method in methods]
    assert all(0 <= value <= 1 for value in task["others"].values())
    assert load_classifier(squashed)[0].preprocessing.fit == Fit.SQUASH


def test_the_network_of_the_best_published_figure_is_offered(museum_data, tmp_path):
    assert "timm:legacy_xception.tf_in1k" in list_models("legacy_xception*")
    xception = "timm:legacy_xception.random"
    settings = SMALL | {"features": xception, "epochs": "1", "max_steps": "1"}
    mame = paintings_as_mame(museum_data, tmp_path, 6)
    path = run(tmp_path / "run", MAME, mame, **settings)
    features = np.array(pq.read_table(path / "features.parquet")["features"].to_pylist())
    assert features.shape == (24, 2048)
    (task,) = metrics(path)["tasks"]
    printed = f"linear SVM ({xception} + {', '.join(METADATA)})"
    assert task["others"][printed] in np.arange(5) / 4  # of the test pictures


def test_a_support_vector_machine_takes_the_penalty_that_is_best_on_validation():
    rng = np.random.default_rng(0)
    truth = np.arange(240) % 3
    features = rng.normal(size=(240, 12)) * np.logspace(-3, 3, 12)  # of very unlike scales
    features[:, :3] += np.array([0.8e-3, 2.8e-3, 9.6e-3]) * np.eye(3)[truth]
    target = multiclass("medium", [f"medium {code}" for code in truth])
    places = rng.permutation(240)
    split = Split(train=places[:120], validation=places[120:180], test=places[180:], description="")
    mean, std = features[split.train].mean(axis=0), features[split.train].std(axis=0)
    scaled = (features - mean) / std
    scores = {}
    for penalty in svm._PENALTIES:
        machine = LinearSVC(C=penalty, dual=False, random_state=0)
        machine.fit(scaled[split.train], truth[split.train])
        scores[penalty] = [
            (machine.predict(scaled[rows]) == truth[rows]).mean()
            for rows in (split.validation, split.test)
        ]
    best = max(scores.values(), key=lambda score: score[0])
    found = svm.svm_accuracy(features.astype(np.float32), target, split, toy_run())
    assert found == pytest.approx(best[1])
    assert len({score[1] for score in scores.values()}) > 1


def test_the_features_are_a_column_of_a_file(squashed, mame):
    table = pq.read_table(squashed / "features.parquet")
    assert table.column_names == ["id", *METADATA, "features"]
    rows = table.to_pylist()
    store = Store.open(mame)
    assert [row["id"] for row in rows] == store.read(["id"]).column("id").to_pylist()
    assert all(row["pixel_count"] == row["pixel_width"] * row["pixel_height"] for row in rows)
    extractor = load_extractor(parse_spec(f"{TINY}@layer4/max"))
    file = Path(store.manifest.root, rows[0]["id"])
    pixels = preprocess(read_bytes(file), extractor.preprocessing)[0]
    (vectors,) = extractor.embed_batch(pixels[None]).values()
    assert rows[0]["features"] == pytest.approx(vectors[0].tolist(), abs=2e-4)


def test_in_the_variable_shape_each_picture_keeps_its_aspect_ratio(variable):
    assert losses(variable) == pytest.approx(VARIABLE_LOSSES, rel=1e-3)
    assert "Pictures kept their aspect ratios" in (variable / "report.md").read_text()
    assert load_classifier(variable)[0].preprocessing.fit == Fit.PAD
    assert len(predictions(variable)) == 48


def test_each_picture_is_predicted_in_the_shape_that_it_was_tested_in(variable, tmp_path):
    scored = {row["id"]: max(row["probabilities"]) for row in predictions(variable)}
    predictor = RunPredictor(variable)
    printed = {each.id: each.confidence for each in predict_ids(predictor, list(scored), workers=1)}
    assert printed == pytest.approx(scored, abs=1e-5)
    root = Path(predictor.store.manifest.root)
    (tmp_path / "list.json").write_text(json.dumps([str(root / id_) for id_ in scored]))
    collection = read_pictures(tmp_path / "list.json")
    found = {
        Path(each.id).name: each.confidence for each in predict_collection(predictor, collection)
    }
    assert found == pytest.approx(scored, abs=1e-5)
    first = next(iter(scored))
    assert predict_picture(predictor, root / first)[0].confidence == pytest.approx(scored[first])


def test_embed_notes_that_pictures_are_padded(variable, squashed, paint, tmp_path):
    paint(tmp_path / "c" / "a.png", (1, 2, 3))
    for path, said in ((variable, True), (squashed, False)):
        done = CliRunner().invoke(
            cli, ["embed", str(tmp_path / "c"), "-m", f"run:{path}", "-o", str(path / "embedded")]
        )
        assert done.exit_code == 0, done.output
        line = (
            f"run:{path} was trained on pictures with their own aspect ratios; here each is "
            "resized to 64 x 64 pixels (pad)\n"
        )
        assert (line in done.stderr) == said


def test_a_resumed_run_equals_an_uninterrupted_one(variable, mame, tmp_path):
    asked = iter(range(1, 100))
    settings = SMALL | {"shape": "variable", "probes": "false"}
    with pytest.raises(Stopped):
        run(tmp_path / "run", MAME, mame, should_stop=lambda: next(asked) >= 3, **settings)
    resumed = run(tmp_path / "run", MAME, mame)
    for name in ("curves.csv", "model.safetensors", "predictions.parquet"):
        assert (resumed / name).read_bytes() == (variable / name).read_bytes()


def test_a_reloaded_network_predicts_the_same(squashed, mame):
    store = Store.open(mame)
    model, classifier = load_classifier(squashed)
    target = read_multiclass(store, "medium")
    (sides,) = joint_splits(store, [target], splits=["split"], seed=0)
    pictures = TrainingData(store, [TrainingTask(label=target, split=sides, source="medium")],
                        model.preprocessing, toy_run(), batch_size=8)  # fmt: skip
    found = predicted_again(classifier, model, pictures)
    for row in predictions(squashed):
        if row["split"] == "test":
            assert found[row["id"], "medium"] == pytest.approx(row["probabilities"], rel=1e-4)


def test_a_batch_of_one_picture_uses_the_running_statistics(mame, tmp_path):
    # 31 pictures and 1, whose last map has one number a channel: a variance of nothing
    settings = SMALL | {"size": "32", "batch_size": "31", "epochs": "1", "probes": "false"}
    path = run(tmp_path / "run", MAME, mame, **settings)
    assert metrics(path)["steps"] == 2
    state = load_classifier(path)[1].body.state_dict()
    assert state["layer4.0.bn2.num_batches_tracked"] == 1
    assert all(torch.isfinite(each).all() for each in state.values())


def test_frozen_layers_keep_weights_and_batch_statistics(mame, tmp_path):
    settings = SMALL | {"freeze_until": "layer3", "epochs": "1", "probes": "false"}
    after = load_classifier(run(tmp_path / "run", MAME, mame, **settings))[1].body.state_dict()
    before = build_network(parse_spec(TINY)).module.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.partition(".")[0] for name in changed} == {"layer4"}


# --- what goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "said"),
    [("id", "it identifies the picture"), ("medium", "it is the label itself")],
)
def test_ids_and_the_label_are_no_features(mame, tmp_path, metadata, said):
    with pytest.raises(EvaluationError, match=said):
        run(tmp_path / "run", MAME, mame, **(SMALL | {"metadata": metadata}))


def test_missing_weights_are_reported_before_training(mame, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    settings = SMALL | {"features": "mobilenet@blocks/max"}
    with pytest.raises(ModelError, match="--weights FILE; lite0 works offline"):
        run(tmp_path / "run", MAME, mame, **settings)
    assert not (tmp_path / "run" / "checkpoints").exists()
