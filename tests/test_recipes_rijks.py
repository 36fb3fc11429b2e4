"""Creator, material and type of real pictures in the Rijksmuseum's layout, alone and together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import noise_picture
from PIL import Image
from recipe_runs import (
    TINY,
    embedded,
    losses,
    metrics,
    page_of,
    predicted_again,
    predictions,
    real_paintings,
    run,
    toy_run,
)
from skimage.color import rgb2gray
from skimage.feature import hog
from sklearn.neighbors import NearestNeighbors
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from artsim.datatypes import parse_spec
from artsim.errors import ModelError, TrainingError
from artsim.labels import multiclass, multilabel
from artsim.models import build_network, load_classifier
from artsim.models.architectures import ARCHITECTURES
from artsim.readers import read_collection
from artsim.recipes import load_recipe
from artsim.recipes.hog import HOG_KS, hog_neighbors, hog_of, nearest_euclidean
from artsim.recipes.rijks import in_all, most_frequent, new_start, read_tasks
from artsim.recipes.rijks_type import TYPES, read_type
from artsim.store import Store
from artsim.training import Learner, Run, RunPlan, Stopped, TrainingData

SINGLE, MULTI = "rijks-single", "rijks-multitask"
SMALL = {"network": TINY, "classes": "3,4,3", "epochs": "2", "batch_size": "16", "hog": "false"}
TOGETHER = SMALL | {"hidden": "32", "single_tasks": "true"}

# Of train, epoch by epoch, with seed 0.
MULTI_LOSSES = [1.92854, 1.86122]
SINGLE_LOSSES = [0.701337, 0.655931]


@pytest.fixture(scope="module")
def rijks(museum_data, tmp_path_factory):
    """Real paintings as records: artist as creator, genre as material, style and genre as type."""
    folder = tmp_path_factory.mktemp("rijks")
    (folder / "images").symlink_to(museum_data / "paintings" / "images")
    with (folder / "records.tsv").open("w") as stream:
        stream.write("identifier\timage\tcreator\tmaterial\ttype\n")
        for i, row in enumerate(real_paintings(museum_data, 4, 12)):
            creator = "anonymous" if i % 12 == 0 else row["artist"]
            both = "|".join(sorted({row["style"], row["genre"]}))
            stream.write(f"{i}\t{row['image']}\t{creator}\t{row['genre']}|canvas\t{both}\n")
    return embedded(read_collection(f"rijks:{folder / 'records.tsv'}"), folder / "index")


@pytest.fixture(scope="module")
def joint(rijks, tmp_path_factory):
    """All three tasks learned together, and each alone beside it."""
    path = tmp_path_factory.mktemp("runs") / "joint"
    return run(path, MULTI, rijks, **TOGETHER)


# --- what is printed ----------------------------------------------------------------------


def test_the_most_frequent_classes_stay_and_anonymous_is_none():
    creators = multiclass(
        "creator", ["anonymous"] * 4 + ["Rembrandt"] * 3 + ["Lievens"] * 2 + ["Bol"]
    )
    kept = most_frequent(creators, 2, without=("Anonymous",))
    assert kept.classes == ("Lievens", "Rembrandt")
    assert kept.strata.tolist() == [-1, -1, -1, -1, 1, 1, 1, 0, 0, -1]
    materials = multilabel(
        "material", [["ink", "paper"], ["oil"], ["paper"], ["gold", "ink"], None]
    )
    kept = most_frequent(materials, 2)
    assert kept.classes == ("ink", "paper")
    assert kept.matrix.tolist() == [[True, True], [False, False], [False, True], [True, False],
                                    [False, False]]  # fmt: skip
    assert kept.strata.tolist() == [0, -1, 1, 0, -1]


def test_pictures_that_lack_a_label_are_left_out_with_the_classes_that_only_they_have():
    creators = multiclass("creator", ["a", "b", "c", None])
    materials = multilabel("material", [["ink"], ["ink", "oil"], None, ["gold"]])
    creators, materials = in_all([creators, materials])
    assert (creators.classes, creators.strata.tolist()) == (("a", "b"), [0, 1, -1, -1])
    assert materials.classes == ("ink", "oil")
    assert materials.labeled.tolist() == [0, 1]
    with pytest.raises(TrainingError, match="no picture has all of creator, material"):
        in_all([multiclass("creator", ["a", None]), multilabel("material", [None, ["ink"]])])


def test_the_published_settings():
    config = load_recipe(MULTI).Config()
    assert (config.labels, config.classes) == (("creator", "material", "type"), (15, 22, 76))
    assert config.loss_weights == (1.0, 0.08, 1.0)
    assert (config.hidden, config.lr, config.batch_size) == (1000, 1e-5, 16)
    assert (config.epochs, config.patience) == (50, 20)
    config = load_recipe(SINGLE).Config()
    assert (config.lr, config.epochs) == (1e-4, 3)
    assert list(HOG_KS) == list(range(1, 21))


def test_all_tasks_share_their_pictures_seven_one_and_two_tenths_without_overlap(rijks):
    tasks = read_tasks(Store.open(rijks), classes=(3, 4, 3), seed=0)
    assert [task.label.kind for task in tasks] == ["multiclass", "multilabel", "multilabel"]
    assert [len(task.label.classes) for task in tasks] == [3, 4, 3]
    assert "anonymous" not in tasks[0].label.classes
    sides = tasks[0].split
    assert all(np.array_equal(task.split.test, sides.test) for task in tasks)
    every = np.concatenate([sides.train, sides.validation, sides.test])
    assert len(set(every)) == len(every) == len(tasks[0].label.labeled)
    shares = np.array([len(sides.train), len(sides.validation), len(sides.test)]) / len(every)
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.05)
    again = read_tasks(Store.open(rijks), classes=(3, 4, 3), seed=0)[0].split
    other = read_tasks(Store.open(rijks), classes=(3, 4, 3), seed=1)[0].split
    assert np.array_equal(again.train, sides.train)
    assert not np.array_equal(other.train, sides.train)


# --- the baseline -------------------------------------------------------------------------


def test_a_picture_at_224_is_54756_numbers_of_gradients():
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    found = hog_of(picture)
    assert found.shape == (54_756,)
    plain = hog(rgb2gray(picture))
    assert found.astype(np.float32) == pytest.approx(plain, abs=1e-3)
    assert np.linalg.norm(plain) > 20
    assert np.isfinite(hog_of(np.zeros((224, 224, 3), np.uint8))).all()


def test_gradients_separate_stripes_by_their_direction(tmp_path):
    for i in range(30):
        stripes = np.zeros((64, 64, 3), dtype=np.uint8)
        stripes[:, i % 5 :: 8] = 200 + i
        way = ("down", "across")[i % 2]
        file = tmp_path / "c" / way / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stripes if way == "down" else stripes.transpose(1, 0, 2)).save(file)
    store = Store.open(embedded(read_collection(tmp_path / "c"), tmp_path / "i"))
    tasks = read_tasks(store, labels=["class"], classes=[2], weights=[1.0], seed=0)
    plan = RunPlan(recipe=SINGLE, settings={}, seed=0, index="")
    assert hog_neighbors(store, tasks, Run(path=tmp_path, plan=plan)) == {"class": 1.0}


def test_the_neighbors_that_vote_on_gradients_are_as_many_as_validation_chooses(tmp_path):
    def picture(way, name, first):
        stripes = np.zeros((64, 64, 3), dtype=np.uint8)
        stripes[:, first::8] = 200
        file = tmp_path / "c" / way / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stripes).save(file)

    picture("across", "wrong.png", 0)  # the nearest of those below, by a label that is not theirs
    picture("across", "other.png", 0)
    for i in range(3):
        picture("down", f"train{i}.png", 1)
    for name in ("validation.png", "test.png"):
        picture("down", name, 0)
    for i in range(20):  # a split is drawn of these; the one below has none of them
        noise_picture(tmp_path / "c" / ("down", "across")[i % 2] / f"{i}.png", (64, 64), i)
    store = Store.open(embedded(read_collection(tmp_path / "c"), tmp_path / "i"))
    ids = [Path(each).stem for each in store.read(["id"]).column("id").to_pylist()]
    (task,) = read_tasks(store, labels=["class"], classes=[2], weights=[1.0], seed=0)
    train = np.array(
        [i for i, name in enumerate(ids) if name in ("wrong", "train0", "train1", "train2")]
    )
    plan = RunPlan(recipe=SINGLE, settings={}, seed=0, index="")
    scores = []
    for validation in ("validation", "other"):  # the second is right by one neighbor alone
        split = replace(
            task.split,
            train=train,
            validation=np.array([ids.index(validation)]),
            test=np.array([ids.index("test")]),
        )
        tasks = [replace(task, split=split)]
        scores.append(hog_neighbors(store, tasks, Run(path=tmp_path, plan=plan))["class"])
    assert scores == [1.0, 0.0]


@pytest.mark.parametrize("k", [3, 20])
def test_neighbors_of_gradients_are_those_by_euclidean_distance(k):
    rng = np.random.default_rng(0)
    vectors = (rng.random((2400, 12)) * rng.random((2400, 1))).astype(np.float16)
    order = rng.permutation(2400)
    queries, bank = np.sort(order[:300]), np.sort(order[300:])
    found = nearest_euclidean(vectors, queries, bank, k, groups=None, device="cpu")
    plain = NearestNeighbors(n_neighbors=k).fit(vectors[bank].astype(np.float64))
    distances, places = plain.kneighbors(vectors[queries].astype(np.float64))
    assert -found.scores == pytest.approx(distances, abs=1e-3)
    assert (found.rows == bank[places]).mean() > 0.99  # equal distances have no order
    few = nearest_euclidean(vectors, queries[:2], bank[:2], 3)
    assert few.rows[:, 2].tolist() == [-1, -1]


# --- one network for all ------------------------------------------------------------------


def test_three_tasks_are_trained_by_one_network_and_compared_with_one_each(joint):
    assert losses(joint) == pytest.approx(MULTI_LOSSES, rel=1e-3)
    tasks = metrics(joint)["tasks"]
    assert [(task["task"], task["test"]["metric"]) for task in tasks] == [
        ("creator", "top1"), ("material", "mAP"), ("type", "mAP")]  # fmt: skip
    for task in tasks:
        assert set(task["others"]) == {"single-task"}
        assert 0 <= task["others"]["single-task"] <= 1
        assert set(task["baselines"]) >= {"baseline", "knn", "probe"}
    assert 0 < tasks[1]["test"]["iMAP"] <= 1
    report = (joint / "report.md").read_text()
    assert "| probe | single-task |" in report
    assert "| unweighted mean |  | 0." in report
    gains = [task["test"][task["test"]["metric"]] - task["others"]["single-task"] for task in tasks]
    assert f"sharing gains creator {gains[0]:+.3f}, material {gains[1]:+.3f}" in report
    assert f"{np.mean(gains):+.3f} on average" in report


def test_the_page_shows_tasks_of_several_classes_a_picture_too(joint):
    found, page = page_of(joint)
    assert [task.name for task in found.tasks] == ["creator", "material", "type"]
    assert list(found.curves) == [""]
    creator, material, _ = found.tasks
    assert creator.predictions is not None
    assert material.predictions is None
    assert [method.name for method in material.methods][-1] == "single-task"
    tested = [row for row in predictions(joint)
              if (row["task"], row["split"]) == ("material", "test")]  # fmt: skip
    for each in material.classes:
        own = [row for row in tested if each.class_ in row["truth"]]
        assert (each.test, each.correct) == (
            len(own), sum(each.class_ in row["prediction"] for row in own)
        )  # fmt: skip
    assert "sharing gains" in page


def test_the_heads_are_two_layers_on_imagenets_thousand_classes(joint):
    model, classifier = load_classifier(joint)
    assert model.dim == 1000
    assert classifier.body.fc.out_features == 1000
    for head, n in zip(classifier.heads, (3, 4, 3), strict=True):
        assert [type(layer).__name__ for layer in head] == ["Linear", "ReLU", "Linear"]
        assert (head[0].in_features, head[0].out_features) == (1000, 32)
        assert head[2].out_features == n


def test_the_loss_is_the_tasks_losses_by_their_weights(joint, rijks):
    tasks = read_tasks(Store.open(rijks), classes=(3, 4, 3), weights=(1.0, 0.08, 1.0), seed=0)
    model, classifier = load_classifier(joint)
    pictures = TrainingData(Store.open(rijks), tasks, model.preprocessing, toy_run(), batch_size=8)
    learner = Learner(classifier, pictures, torch.optim.Adam)
    batch = next(iter(pictures.of_split("test")))
    with torch.inference_mode():
        logits = learner(batch.pixels)
        creator, material, type_ = (
            function(logits[name], batch.truth[name])
            for name, function in (
                ("creator", cross_entropy),
                ("material", binary_cross_entropy_with_logits),
                ("type", binary_cross_entropy_with_logits),
            )
        )
        assert learner.loss(logits, batch) == pytest.approx(creator + 0.08 * material + type_)


def test_a_run_stopped_in_a_network_of_one_task_ends_as_one_that_was_not(joint, rijks, tmp_path):
    asked = iter(range(1, 100))
    with pytest.raises(Stopped, match=f"--resume {tmp_path / 'run'}'"):
        run(tmp_path / "run", MULTI, rijks, should_stop=lambda: next(asked) >= 9, **TOGETHER)
    resumed = run(tmp_path / "run", MULTI, rijks)
    for name in ("curves.csv", "model.safetensors", "predictions.parquet"):
        assert (resumed / name).read_bytes() == (joint / name).read_bytes()
    assert [task["others"] for task in metrics(resumed)["tasks"]] == [
        task["others"] for task in metrics(joint)["tasks"]
    ]


def test_a_reloaded_network_predicts_the_same(joint, rijks):
    model, classifier = load_classifier(joint)
    tasks = read_tasks(Store.open(rijks), classes=(3, 4, 3), seed=0)
    pictures = TrainingData(Store.open(rijks), tasks, model.preprocessing, toy_run(), batch_size=16)
    found = predicted_again(classifier, model, pictures)
    wanted = [row for row in predictions(joint) if row["split"] == "test"]
    assert len(wanted) == len(found)
    for row in wanted:
        assert found[row["id"], row["task"]] == pytest.approx(row["probabilities"], rel=1e-4)


# --- one label ----------------------------------------------------------------------------


def test_one_label_is_tested_on_the_test_pictures_of_all(rijks, joint, tmp_path):
    path = run(tmp_path / "run", SINGLE, rijks, **(SMALL | {"label": "material", "hog": "true"}))
    assert losses(path) == pytest.approx(SINGLE_LOSSES, rel=1e-3)
    (task,) = metrics(path)["tasks"]
    assert 0 <= task["others"]["HOG + kNN"] <= 1
    assert "| probe | HOG + kNN |" in (path / "report.md").read_text()
    assert task["test"]["n"] == metrics(joint)["tasks"][1]["test"]["n"]
    assert task["baselines"] == {**metrics(joint)["tasks"][1]["baselines"], "split": "run.material"}


def test_frozen_layers_keep_weights_and_batch_statistics(rijks, tmp_path):
    settings = SMALL | {"freeze_until": "layer2", "epochs": "1"}
    path = run(tmp_path / "run", SINGLE, rijks, **settings)
    before = build_network(parse_spec(TINY), keep_classifier=True).module.state_dict()
    after = load_classifier(path)[1].body.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.partition(".")[0] for name in changed} == {"layer3", "layer4", "fc"}


def test_vgg16_keeps_its_convolutions_and_the_rest_is_trained():
    with torch.device("meta"):
        module = build_network(parse_spec("vgg16"), meta=True).module
    assert module.features[30].__class__.__name__ == "MaxPool2d"
    assert len(module.features) == 31


def test_alexnet_gives_imagenets_thousand_classes():
    with torch.device("meta"):
        network = ARCHITECTURES["alexnet"]()
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert sum(each.numel() for each in network.parameters()) == 61_100_840


def test_the_published_types_are_one_class_a_picture_and_972_15_72(tmp_path):
    types = ["pottery"] * 172 + ["print"] * 230 + ["drawing"] * 210 + ["photo"] * 220
    types += ["sculpture"] * 240 + ["print|photo"] * 9 + ["coin"] * 20
    order = np.random.default_rng(0).permutation(len(types))
    tiny = np.zeros((2, 2, 3), np.uint8)
    (tmp_path / "images").mkdir()
    lines = []
    for i, place in enumerate(order):
        tiny[0, 0] = i % 256, i // 256, 0  # no copies
        Image.fromarray(tiny).save(tmp_path / "images" / f"{i}.png")
        lines.append(f"{i}\timages/{i}.png\tsomeone\tpaper\t{types[place]}\n")
    head = "identifier\timage\tcreator\tmaterial\ttype\n"
    (tmp_path / "records.tsv").write_text(head + "".join(lines))
    index = embedded(read_collection(f"rijks:{tmp_path / 'records.tsv'}"), tmp_path / "index")
    task = read_type(Store.open(index), "type", seed=0)
    split = task.split
    assert (len(split.train), len(split.validation), len(split.test)) == (972, 15, 72)
    assert len({*split.train, *split.validation, *split.test}) == 972 + 15 + 72
    assert task.label.kind == "multiclass"
    assert sorted(task.label.classes) == sorted(TYPES)
    assert np.sort(np.bincount(task.label.strata[split.train])).tolist() == [172, *[200] * 4]
    for code, name in enumerate(task.label.classes):
        own = [i for i, place in enumerate(order) if types[place] == name][:200]
        assert split.train[task.label.strata[split.train] == code].tolist() == own
    with pytest.raises(TrainingError, match="no picture has the type 'vase'"):
        read_type(Store.open(index), "type", types=("vase", "print"), seed=0)


def test_the_preset_trains_on_the_published_types_alone(rijks, tmp_path, monkeypatch):
    with pytest.raises(TrainingError, match="no picture has the type 'pottery'"):
        run(tmp_path / "run", SINGLE, rijks, **SMALL, preset="type")
    few = {"types": "portrait,landscape"}
    with pytest.raises(TrainingError, match=r"expected 15 for validation and 72 for test"):
        run(tmp_path / "few", SINGLE, rijks, **SMALL, **few, preset="type")
    for name, n in (("_TRAIN", 4), ("_VALIDATION", 2), ("_TEST", 4)):
        monkeypatch.setattr(f"artsim.recipes.rijks_type.{name}", n)
    path = run(tmp_path / "small", SINGLE, rijks, **SMALL, **few, preset="type")
    (task,) = metrics(path)["tasks"]
    assert task["confusion"]["classes"] == ["landscape", "portrait"]
    # The first four portraits and the only landscape; then of the other portraits.
    assert [task[part]["n"] for part in ("train", "val", "test")] == [5, 2, 4]


def test_a_label_can_have_data_of_its_own(rijks, tmp_path):
    settings = SMALL | {"epochs": "1", "label": "type", "separate": "true"}
    path = run(tmp_path / "run", SINGLE, rijks, **settings)
    store = Store.open(rijks)
    (own,) = read_tasks(store, labels=["type"], classes=[3], weights=[1.0], seed=0)
    shared = read_tasks(store, classes=(3, 4, 3), seed=0)[2]
    assert len(predictions(path)) == len(own.label.labeled) > len(shared.label.labeled)


def test_alexnet_starts_from_random_weights_offline(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    torch.manual_seed(0)
    start = new_start("alexnet.random")
    assert (start.dim, start.batch_size) == (1000, 64)
    assert start.network.weights_source == "random"
    torch.manual_seed(0)
    again = new_start("alexnet.random").network.module.state_dict()
    for name, each in start.network.module.state_dict().items():
        assert torch.equal(each, again[name])


# --- what goes wrong ----------------------------------------------------------------------


def test_weights_that_need_a_download_say_what_works_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("vgg16", "resnet50", "alexnet"):
        with pytest.raises(ModelError, match=r"--weights FILE; lite0 works offline") as caught:
            new_start(name)
        assert "\n" not in str(caught.value)


def test_alexnets_weights_are_read_from_a_file(tmp_path):
    (tmp_path / "no.pth").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot read the weights"):
        new_start("alexnet", weights=tmp_path / "no.pth")
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="do not fit alexnet"):
        new_start("alexnet", weights=tmp_path / "other.pth")


def test_settings_that_do_not_fit_together_are_refused(rijks, tmp_path):
    with pytest.raises(TrainingError, match="no label 'artist'; choose from creator, material"):
        run(tmp_path / "a", SINGLE, rijks, label="artist")
    with pytest.raises(TrainingError, match="loss_weights has 2 values, expected 3, one for each"):
        run(tmp_path / "b", MULTI, rijks, loss_weights="1,1")
    with pytest.raises(ModelError, match="has no classifier to keep"):
        build_network(parse_spec("clip"), keep_classifier=True)
