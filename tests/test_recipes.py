"""Recipes on real pictures in their systems' own layouts: a few steps, the same every time."""

import csv
import itertools
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from conftest import MeanColor, toy_passport
from recipe_runs import run, toy_run

from artsim.cli import cli
from artsim.datatypes import parse_spec
from artsim.embedding import embed_collection
from artsim.errors import EvaluationError, ModelError, TrainingError
from artsim.labels import codes_of, read_multiclass
from artsim.models import BackendName, Compute, Extractor, load_classifier, load_extractor
from artsim.models.architectures import Classifier, HeadShape, LithographCNN
from artsim.readers import ReaderOptions, read_collection
from artsim.recipes import RECIPES, load_recipe
from artsim.splits import SplitPlan, balanced_split, joint_splits, make_split
from artsim.store import Store
from artsim.training import (
    Augmentation,
    Stopped,
    TrainingData,
    TrainingTask,
    configure,
    read_curves,
    squashed,
    to_json,
)

LITHOGRAPH = "moma-lithograph"
RECURRENT = "wikiart-conv-recurrent"
SMALL = {
    "tasks": "style,genre,artist",
    "size": "32",
    "channels": "4,8,8,8",
    "hidden": "8",
    "batch_size": "8",
    "epochs": "2",
    "patience": "none",
}
TORCH = Compute(backend=BackendName.TORCH)

# Of train, epoch by epoch, with seed 0.
LITHOGRAPH_LOSSES = [0.771639, 0.640709]
JOINT_LOSSES = [5.28564, 5.06891]


@pytest.fixture(scope="module")
def paintings(museum_data):
    """Twelve real paintings each of four artists that have a genre."""
    with (museum_data / "paintings" / "objects.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["genre"]]
    artists = ("Alphonse Mucha", "Maurice Prendergast", "Gustave Courbet", "Odilon Redon")
    known = {row["artist"] for row in rows}
    artists = [name for name in artists if name in known]
    artists += sorted(known - set(artists))[: 4 - len(artists)]
    return [
        row
        for artist in artists
        for row in [each for each in rows if each["artist"] == artist][:12]
    ]


@pytest.fixture(scope="module")
def wikiart(museum_data, paintings, tmp_path_factory):
    """The paintings in ArtGAN's lists, each task's in a shape of its own; and their index."""
    folder = tmp_path_factory.mktemp("wikiart") / "lists"
    folder.mkdir()
    for number, task in enumerate(("style", "genre", "artist")):
        classes = sorted({row[task] for row in paintings})
        names = (f"{i} {name.replace(' ', '_')}\n" for i, name in enumerate(classes))
        (folder / f"{task}_class.txt").write_text("".join(names))
        sides = {"train": [], "val": []}
        for place, row in enumerate(
            paintings
        ):  # every sixth is a test picture, another in each task
            side = "val" if place % 6 == number else "train"
            sides[side].append((row["image"], classes.index(row[task])))
        for side, pairs in sides.items():
            if task == "style":
                text = "".join(f"{path},{code}\r\n" for path, code in pairs)
                (folder / f"style_{side}.csv").write_bytes(text.encode())
            elif task == "genre":
                text = "".join(f"{path},{code}\n" for path, code in pairs)
                (folder / f"genre_{side}.csv").write_text(f"image_path,class_index\n{text}")
            else:
                text = "".join(f"{path},,{code}\n" for path, code in pairs)
                head = "(Path to image),, (Groundtruth class)\n\n"
                (folder / f"artist_{side}").write_text(head + text)
    options = ReaderOptions(images=museum_data / "paintings")
    return embedded(read_collection(f"wikiart:{folder}", options=options), folder.parent / "index")


@pytest.fixture(scope="module")
def moma(museum_data, paintings, tmp_path_factory):
    """Artworks.csv with real pictures' names, and what 'artsim fetch' makes of it."""
    folder = tmp_path_factory.mktemp("moma")
    columns = "Title,Artist,Date,Medium,ObjectID,DateAcquired,ImageURL,OnView"
    with (folder / "Artworks.csv").open("w", newline="") as stream:
        stream.write(f"{columns}\n")
        writer = csv.writer(stream)
        for i, row in enumerate(paintings):
            medium = ("Color LITHOGRAPH on paper", "Oil on canvas")[i % 2]
            medium = "" if i in (4, 5) else medium
            address = "" if i in (6, 7) else f"https://example.org/{row['image']}"
            writer.writerow([row["title"], row["artist"], 1900, medium, i, "2000", address, ""])
    catalog = read_collection(f"moma:{folder / 'Artworks.csv'}")
    table = pa.Table.from_batches(catalog.batches())
    table = table.filter(table.column("image").is_valid())
    local = [url.removeprefix("https://example.org/") for url in table.column("image").to_pylist()]
    table = table.set_column(1, "image", pa.array(local))
    pq.write_table(table, folder / "objects.parquet")
    (folder / "images").symlink_to(museum_data / "paintings" / "images")
    options = ReaderOptions(images=folder)
    objects = read_collection(f"table:{folder / 'objects.parquet'}", options=options)
    return embedded(objects, folder / "index")


def embedded(catalog, path):
    embed_collection(catalog, path, Extractor(MeanColor(), toy_passport()))
    return path


@pytest.fixture(scope="module")
def joint(wikiart, tmp_path_factory):
    """All three tasks learned together, for two epochs of two steps or three."""
    return run(tmp_path_factory.mktemp("runs") / "joint", RECURRENT, wikiart, **SMALL)


def metrics(path):
    return json.loads((path / "metrics.json").read_text())


def predictions(path):
    return pq.read_table(path / "predictions.parquet").to_pylist()


# --- data ---------------------------------------------------------------------------------


def test_a_test_picture_of_one_task_is_in_no_tasks_training_set(wikiart):
    store = Store.open(wikiart)
    targets = [read_multiclass(store, name) for name in ("style", "genre", "artist")]
    sides = joint_splits(
        store, targets, splits=["style_split", "genre_split", "artist_split"], seed=0
    )
    assert [len(each.test) for each in sides] == [8, 8, 8]
    scored = np.concatenate([each.test for each in sides])
    chosen = np.concatenate([each.validation for each in sides])
    for each in sides:
        assert not np.isin(each.train, scored).any()
        assert not np.isin(each.validation, scored).any()
        assert not np.isin(each.train, chosen).any()
        assert "left out of training: test pictures of one of the labels" in each.notes[0]


def test_intervals_of_recipes_resample_the_groups_that_a_split_keeps_whole(wikiart):
    store = Store.open(wikiart)
    targets = [read_multiclass(store, name) for name in ("style", "genre")]
    artists = codes_of(store, "artist").tolist()
    make_split(
        store,
        "apart",
        SplitPlan(fractions=(0.7, 0.1, 0.2), stratify="style", group="artist"),
        replace=True,
    )
    for drawn in (
        joint_splits(store, targets, splits=[None] * 2, group="artist", seed=0),
        joint_splits(store, targets, splits=["apart"] * 2, seed=0),
    ):
        for each in drawn:
            assert (each.resampled.tolist(), each.resampled_by) == (artists, "artist")
            assert each.notes[-1] == each.label_notes("style")[-1]  # the last is of the groups


def test_copies_of_a_test_file_are_in_no_training_set(tmp_path, paint):
    for i in range(20):
        paint(tmp_path / "c" / ("red" if i % 2 else "blue") / f"{i}.png", (10 * (i // 4), 0, 0))
    store = Store.open(embedded(read_collection(tmp_path / "c"), tmp_path / "index"))
    target = read_multiclass(store, "class")
    (sides,) = joint_splits(store, [target], splits=[None], seed=0)
    hashes = np.array(store.read(["content_hash"]).column("content_hash").to_pylist())
    assert set(hashes[sides.train]).isdisjoint(hashes[sides.test])
    (kept,) = joint_splits(store, [target], splits=[None], keep_copies=True, seed=0)
    assert not set(hashes[kept.train]).isdisjoint(hashes[kept.test])
    few = {"per_class": (5, 1, 2), "seed": 1}
    found = balanced_split(store, target, **few, keep_copies=True)
    assert (len(found.train), "the scores are too high" in found.notes[-1]) == (10, True)
    assert len(balanced_split(store, target, **few).train) < 10


def test_every_recipe_can_keep_copies_and_does_not_by_default():
    for name in RECIPES:
        assert load_recipe(name).Config().keep_copies is False


def test_lithographs_are_labeled_by_the_medium_and_blank_media_are_not_counted(moma):
    target = read_multiclass(Store.open(moma), load_recipe(LITHOGRAPH).Config().label)
    assert target.classes == ("lithograph", "not lithograph")
    assert np.bincount(target.strata[target.labeled]).tolist() == [22, 22]
    assert (target.strata == -1).sum() == 2  # the two without a medium; two have no picture


def test_a_balanced_sample_has_as_many_of_each_class_and_no_picture_twice(moma):
    store = Store.open(moma)
    target = read_multiclass(store, "lithograph = medium ILIKE '%lithograph%'")
    sides = balanced_split(store, target, per_class=(6, 4, 4), seed=3)
    for rows, n in ((sides.train, 6), (sides.validation, 4), (sides.test, 4)):
        assert np.bincount(target.strata[rows]).tolist() == [n, n]
    assert len(set(np.concatenate([sides.train, sides.validation, sides.test]))) == 28
    again = balanced_split(store, target, per_class=(6, 4, 4), seed=3)
    other = balanced_split(store, target, per_class=(6, 4, 4), seed=4)
    assert np.array_equal(sides.train, again.train)
    assert not np.array_equal(sides.train, other.train)


def test_the_original_sampling_takes_the_first_of_each_class(moma):
    store = Store.open(moma)
    target = read_multiclass(store, "lithograph = medium ILIKE '%lithograph%'")
    sides = balanced_split(store, target, per_class=(3, 2, 2), first=True, seed=0)
    assert sides.train.tolist() == sorted(
        np.concatenate([np.flatnonzero(target.strata == code)[:3] for code in (0, 1)]).tolist()
    )


@pytest.mark.parametrize(("flag", "said"), [((), "drawn"), (("--original-sampling",), "the first")])
def test_the_original_sampling_is_a_flag(moma, tmp_path, flag, said):
    few = {"train_per_class": 6, "validation_per_class": 4, "test_per_class": 4, "max_steps": 1}
    settings = [each for name, n in few.items() for each in ("--set", f"{name}={n}")]
    command = ["train", LITHOGRAPH, "--index", str(moma), "--output", str(tmp_path / "run")]
    found = CliRunner().invoke(cli, [*command, *settings, *flag, "--device", "cpu"])
    assert found.exit_code == 0, found.output
    (task,) = json.loads((tmp_path / "run" / "metrics.json").read_text())["tasks"]
    assert said in task["split"]


def test_too_few_of_a_class_are_reported_with_their_number(moma):
    store = Store.open(moma)
    target = read_multiclass(store, "lithograph = medium ILIKE '%lithograph%'")
    with pytest.raises(EvaluationError, match=r"22 pictures, expected 20 \+ 4 \+ 4"):
        balanced_split(store, target, per_class=(20, 4, 4), seed=0)


@pytest.fixture
def pictures(moma):
    store = Store.open(moma)
    target = read_multiclass(store, "lithograph = medium ILIKE '%lithograph%'")
    sides = balanced_split(store, target, per_class=(6, 4, 4), seed=0)
    task = TrainingTask(label=target, split=sides, source="")
    flips = Augmentation(horizontal_flip=True)
    return lambda seed=1, workers=1, **options: TrainingData(
        store,
        [task],
        squashed(8),
        toy_run(seed, workers),
        **({"batch_size": 5, "augmentation": flips} | options),
    )


def rows_of(loader):
    return [batch.rows.tolist() for batch in loader]


def test_the_order_is_determined_by_the_seed_and_the_epoch(pictures):
    first, same, other = pictures(), pictures(workers=2), pictures(seed=2)
    order = rows_of(first.train_dataloader())
    assert [len(batch) for batch in order] == [5, 5, 2]
    assert rows_of(same.train_dataloader()) == order
    assert rows_of(other.train_dataloader()) != order
    same.state.step = 3  # the second epoch
    second = rows_of(same.train_dataloader())
    assert second != order
    assert sorted(itertools.chain(*second)) == sorted(itertools.chain(*order))
    same.state.step = 4  # one batch of it done
    assert rows_of(same.train_dataloader()) == second[1:]


def test_only_training_pictures_are_augmented(pictures):
    data, plain = pictures(), pictures(augmentation=Augmentation())
    for side in ("val", "test"):
        for mine, theirs in zip(data.of_split(side), plain.of_split(side), strict=True):
            assert torch.equal(mine.pixels, theirs.pixels)
    varied = torch.cat([batch.pixels for batch in data.train_dataloader()])
    as_is = torch.cat([batch.pixels for batch in plain.train_dataloader()])
    flipped = [not torch.equal(a, b) for a, b in zip(varied, as_is, strict=True)]
    assert 0 < sum(flipped) < len(flipped)
    for mine, theirs, is_flipped in zip(varied, as_is, flipped, strict=True):
        assert torch.equal(mine, theirs.flip(2) if is_flipped else theirs)


def test_crops_and_rotations_keep_the_size_and_repeat_by_seed():
    picture = torch.arange(3 * 16 * 12, dtype=torch.int64).view(3, 16, 12).to(torch.uint8)
    vary = Augmentation(rotation=30, least_area=0.3, vertical_flip=True)
    first, again, other = vary(picture, (0, 1)), vary(picture, (0, 1)), vary(picture, (0, 2))
    assert first.shape == picture.shape
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_crop_is_stretched_within_bounds():
    across, down = (
        torch.arange(256).expand(256, 256),
        torch.arange(256)[:, None].expand(256, 256),
    )
    picture = torch.stack([across, down, across]).to(torch.uint8)
    shapes = []
    for seed in range(40):
        crop = Augmentation(least_area=0.25, stretch=2.0)(picture, (seed,)).int()
        width, height = (int(each.max() - each.min()) + 1 for each in crop[:2])
        shapes.append((width, height))
        assert 0.48 < width / height < 2.1
        assert width * height > 0.16 * 256**2  # some is cut off where one side is the picture's
    assert len(set(shapes)) > 30
    assert any(w > 1.4 * h for w, h in shapes)
    assert any(h > 1.4 * w for w, h in shapes)


def test_a_rare_class_counts_for_more():
    codes = np.array([0, 0, 0, 1])
    task = toy_task(codes)
    assert task.class_weights is None
    assert task.balanced().class_weights.tolist() == pytest.approx([2 / 3, 2.0])


def toy_task(codes):
    from artsim.labels import Label, LabelKind
    from artsim.splits import Split

    every = np.arange(len(codes))
    target = Label(name="x", kind=LabelKind.MULTICLASS, strata=codes, classes=("a", "b"))
    sides = Split(train=every, validation=every, test=every, description="")
    return TrainingTask(label=target, split=sides, source="x")


# --- the lithographs ----------------------------------------------------------------------


def test_the_lithograph_network_is_the_published_one():
    body = LithographCNN()
    network = Classifier(body, body.dim, {"lithograph": HeadShape(outputs=1)})
    assert sum(each.numel() for each in network.parameters()) == 813_217
    assert body.dense.in_features == 6272
    assert network(torch.zeros(2, 3, 64, 64))["lithograph"].shape == (2, 1)
    assert LithographCNN(10)(torch.zeros(1, 3, 10, 10)).shape == (1, 128)
    with pytest.raises(ModelError, match="nothing of size 9; take 10 or more"):
        LithographCNN(9)


def test_the_published_settings_of_the_lithographs():
    config = load_recipe(LITHOGRAPH).Config()
    assert (config.train_per_class, config.validation_per_class) == (1800, 200)
    assert (config.size, config.batch_size) == (64, 25)
    assert (config.steps_per_epoch, config.epochs) == (12, 10)


def test_lithographs_are_trained_end_to_end(moma, tmp_path):
    path = run(
        tmp_path / "litho",
        LITHOGRAPH,
        moma,
        train_per_class="6",
        validation_per_class="4",
        test_per_class="4",
        batch_size="4",
        steps_per_epoch="2",
        epochs="2",
    )
    found = metrics(path)
    assert found["parameters"] == 813_217
    assert found["steps"] == 4
    (task,) = found["tasks"]
    assert (task["train"]["n"], task["val"]["n"], task["test"]["n"]) == (12, 8, 8)
    assert task["baselines"]["baseline"] == 0.5
    assert {row["split"] for row in predictions(path)} == {"train", "val", "test"}
    assert all(sum(row["probabilities"]) == pytest.approx(1) for row in predictions(path))
    assert [row["train_loss"] for row in read_curves(path)] == pytest.approx(
        LITHOGRAPH_LOSSES, rel=1e-3
    )
    report = (path / "report.md").read_text()
    assert "published: .540 and .650" in report
    assert "- Published: 85.71% accuracy; validation 54.0% last, 65.0% best. Caveat: 85" in report


def test_lithographs_keep_the_weights_of_the_last_epoch_even_if_another_is_better(moma, tmp_path):
    few = {"train_per_class": "6", "validation_per_class": "4", "test_per_class": "4"}
    few |= {"batch_size": "4", "steps_per_epoch": "2", "epochs": "4", "lr": "0.003"}
    path = run(tmp_path / "litho", LITHOGRAPH, moma, **few)
    found = [row["val_loss"] for row in read_curves(path)]
    assert min(found) < found[-1]
    kept = torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["artsim"]["step"] == 8
    weights = load_classifier(path)[1].state_dict()
    for name, each in weights.items():
        assert torch.equal(each, kept["state_dict"][f"classifier.{name}"])


# --- the conv-recurrent -------------------------------------------------------------------


def test_three_tasks_are_trained_jointly_on_artgans_lists(joint, paintings):
    assert [row["train_loss"] for row in read_curves(joint)] == pytest.approx(
        JOINT_LOSSES, rel=1e-3
    )
    found = metrics(joint)
    assert [task["task"] for task in found["tasks"]] == ["style", "genre", "artist"]
    for task in found["tasks"]:
        assert task["test"]["n"] == 8
        assert task["split"].startswith(f"split '{task['task']}_split', tested on val")
        assert set(task["baselines"]) >= {"baseline", "metadata", "knn", "probe"}
    truth = {(row["id"], row["task"]): row["truth"] for row in predictions(joint)}
    for painting in paintings:
        for task in ("style", "genre", "artist"):
            known = truth.get((painting["image"], task), [painting[task].replace(" ", "_")])
            assert known == [painting[task].replace(" ", "_")]


def test_every_task_has_its_loss_and_its_confusion_matrix_on_test(joint):
    table = [row for row in predictions(joint) if row["split"] == "test"]
    for task in metrics(joint)["tasks"]:
        rows = [row for row in table if row["task"] == task["task"]]
        classes = task["confusion"]["classes"]
        likely = [row["probabilities"][classes.index(row["truth"][0])] for row in rows]
        assert task["test"]["loss"] == pytest.approx(-np.log(likely).mean(), rel=1e-5)
        counts = [
            [sum(row["truth"] == [a] and row["prediction"] == [b] for row in rows) for b in classes]
            for a in classes
        ]
        assert task["confusion"]["counts"] == counts
        with (joint / f"confusion-{task['task']}.csv").open(newline="") as stream:
            head, *lines = csv.reader(stream)
        assert head == ["true class", *classes]
        expected = [[a, *map(str, row)] for a, row in zip(classes, counts, strict=True)]
        assert lines == expected
        pairs = task["confusion"]["most_confused"]
        assert [each["n"] for each in pairs] == sorted((n["n"] for n in pairs), reverse=True)
        for each in pairs:
            row = counts[classes.index(each["class"])]
            assert each["n"] == row[classes.index(each["predicted"])]
            assert each["share"] == pytest.approx(each["n"] / sum(row))


def test_a_test_picture_of_one_task_may_train_the_others_on_request(wikiart, tmp_path):
    path = run(
        tmp_path / "run", RECURRENT, wikiart, **SMALL | {"epochs": "1", "keep_apart": "task"}
    )
    parts = {}
    for row in predictions(path):
        parts.setdefault(row["task"], {}).setdefault(row["split"], set()).add(row["id"])
    for task, own in parts.items():
        assert not own["train"] & own["test"]
        others = set().union(*(parts[other]["test"] for other in parts if other != task))
        assert len(others - own["val"]) > 10
        assert others - own["val"] <= own["train"]


def test_each_task_can_also_be_trained_separately_with_the_same_test_pictures(wikiart, tmp_path):
    settings = SMALL | {"tasks": "style,artist", "epochs": "1", "single_tasks": "true"}
    path = run(tmp_path / "run", RECURRENT, wikiart, **settings)
    for task in metrics(path)["tasks"]:
        assert task["others"]["single-task"] * task["test"]["n"] == pytest.approx(
            round(task["others"]["single-task"] * task["test"]["n"])
        )
    assert (
        "Compared with a network for each task, sharing gains style"
        in (path / "report.md").read_text()
    )
    assert [len(read_curves(path / f"separate-{number}")) for number in (0, 1)] == [1, 1]


@pytest.mark.parametrize("step", [2, 3])
def test_a_resumed_run_equals_an_uninterrupted_one(joint, wikiart, tmp_path, step):
    asked = iter(range(1, 100))
    with pytest.raises(Stopped, match="continue with 'artsim train --resume"):
        run(tmp_path / "run", RECURRENT, wikiart, should_stop=lambda: next(asked) >= step, **SMALL)
    assert not (tmp_path / "run" / "model.json").exists()
    resumed = run(tmp_path / "run", RECURRENT, wikiart)
    for name in ("curves.csv", "model.safetensors", "predictions.parquet"):
        assert (resumed / name).read_bytes() == (joint / name).read_bytes()


def test_a_reloaded_network_predicts_the_same(joint, wikiart):
    store = Store.open(wikiart)
    model, classifier = load_classifier(joint)
    wanted = [row for row in predictions(joint) if row["split"] == "test"]
    targets = [read_multiclass(store, task.name) for task in model.tasks]
    splits = [f"{target.name}_split" for target in targets]
    tasks = [
        TrainingTask(label=target, split=sides, source=target.name)
        for target, sides in zip(targets, joint_splits(store, targets, splits=splits, seed=0),
                                 strict=True)
    ]  # fmt: skip
    data = TrainingData(store, tasks, model.preprocessing, toy_run(), batch_size=8)
    found = {}
    with torch.inference_mode():
        for batch in data.of_split("test"):
            for task, logits in classifier(batch.pixels / 255).items():
                for row, each in zip(batch.rows.tolist(), logits.softmax(dim=1), strict=True):
                    found[data.ids[row], task] = each.tolist()
    for row in wanted:
        assert found[row["id"], row["task"]] == pytest.approx(row["probabilities"], rel=1e-5)


def test_a_trained_network_is_an_extractor(joint):
    extractor = load_extractor(parse_spec(f"run:{joint}@conv2d_3+embedding"), compute=TORCH)
    passport = extractor.passport
    assert [(tap.name, tap.layer, tap.dim) for tap in passport.taps] == [
        ("conv2d_3", "conv2d_3", 8),
        ("embedding", "", 8),
    ]
    _, classifier = load_classifier(joint)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    maps = {}
    classifier.body.conv2d_3.register_forward_hook(lambda *call: maps.update(maps=call[2]))
    with torch.inference_mode():
        embedding = classifier.body(pixels / 255)
    vectors = extractor.embed_batch(pixels)
    assert vectors["embedding"] == pytest.approx(embedding.numpy(), abs=1e-5)
    assert vectors["conv2d_3"] == pytest.approx(maps["maps"].mean(dim=(2, 3)).numpy(), abs=1e-5)


def test_a_frozen_backbone_keeps_weights_and_batch_statistics(wikiart, tmp_path):
    settings = SMALL | {"backbone": "timm:test_resnet.random", "epochs": "1", "tasks": "style"}
    path = run(tmp_path / "frozen", RECURRENT, wikiart, **settings)
    before, after = backbones(path)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_backbone_can_be_trained_from_a_layer_on(wikiart, tmp_path):
    settings = {"backbone": "timm:test_resnet.random", "epochs": "1", "tasks": "style"}
    settings |= {"train_backbone": "true", "freeze_until": "layer2"}
    before, after = backbones(run(tmp_path / "tuned", RECURRENT, wikiart, **(SMALL | settings)))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.partition(".")[0] for name in changed} == {"layer3", "layer4"}
    assert "layer4.0.bn1.running_mean" in changed


def backbones(path):
    """Return the tensors of a run's backbone as they began, and as they ended."""
    from artsim.models import build_network

    before = build_network(parse_spec("timm:test_resnet.random")).module.state_dict()
    after = load_classifier(path)[1].body.backbone.state_dict()
    return before, after


# --- what goes wrong ----------------------------------------------------------------------


def test_a_loss_of_nan_stops_and_names_the_pictures(wikiart, tmp_path):
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d, with the pictures"):
        run(tmp_path / "nan", RECURRENT, wikiart, **(SMALL | {"lr": "1e30"}))


def test_a_picture_broken_since_is_skipped_without_shifting_labels(tmp_path, paint):
    for i in range(24):
        color = (10 * i, 0, 0) if i % 2 else (0, 0, 10 * i + 5)
        paint(tmp_path / "c" / ("red" if i % 2 else "blue") / f"{i}.png", color)
    index = embedded(read_collection(tmp_path / "c"), tmp_path / "index")
    broken = [tmp_path / "c" / "red" / "3.png", tmp_path / "c" / "blue" / "8.png"]
    for file in broken:
        file.write_bytes(b"\x89PNG no more")
    settings = SMALL | {"tasks": "class", "epochs": "1", "batch_size": "4"}
    path = run(tmp_path / "run", RECURRENT, index, **settings)
    assert [each["id"] for each in metrics(path)["skipped"]] == ["blue/8.png", "red/3.png"]
    found = predictions(path)
    assert len(found) == 22
    assert all(row["truth"] == [row["id"].partition("/")[0]] for row in found)


def test_unknown_settings_and_wrong_types_are_refused():
    config = load_recipe(RECURRENT).Config
    assert configure(config, {"tasks": "style, artist", "patience": "none"}).patience is None
    typed = {"tasks": ("style",), "lr": 1e-4, "epochs": 3, "flip": False, "backbone": None}
    assert configure(config, typed) == config(**typed)
    assert configure(config, to_json(config(lr=3e-4, flip=False))) == config(lr=3e-4, flip=False)
    for settings, said in (
        ({"speed": "1"}, "no setting 'speed'; the recipe has: tasks,"),
        ({"epochs": "many"}, "epochs=many: expected a valid integer, unable to parse"),
        ({"lr": "fast"}, "lr=fast: expected a valid number, unable to parse"),
        ({"flip": "maybe"}, "flip=maybe: expected a valid boolean, .*; the default is flip=true"),
        ({"cell": "rnn"}, "cell=rnn: expected 'lstm' or 'gru'; the default is cell=lstm"),
        (
            {"channels": "1,2"},
            "channels=1,2: expected another number of values; the default is "
            "channels=32,64,128,128",
        ),
        ({"channels": "1,2,3,4,5"}, "channels=1,2,3,4,5: expected another number of values"),
        ({"epochs": "0"}, "epochs=0: expected a number greater than or equal to 1; the default"),
        (
            {"channels": "1,2,3,-4"},
            "channels=1,2,3,-4: expected a number greater than or equal to 1",
        ),
        ({"lr": "-1"}, "lr=-1: expected a number greater than or equal to 0"),
        ({"lr": "nan"}, "lr=nan: expected"),
        ({"weight_decay": "inf"}, "weight_decay=inf: expected a finite number"),
        ({"dropout": "2"}, "dropout=2: expected a number less than or equal to 1"),
        ({"epochs": None}, "epochs=none: expected a valid integer"),
    ):
        with pytest.raises(TrainingError, match=said):
            configure(config, settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tasks": "style,artist,style"}, "label 'style' is named twice; name each label once"),
        ({"size": "15"}, "four poolings leave nothing of size 15; take 16 or more"),
        ({"backbone": "timm:test_vit.random"}, "expected a map of channels x height x width"),
    ],
)
def test_settings_that_cannot_be_built_are_refused_with_a_reason(wikiart, tmp_path, settings, said):
    with pytest.raises((EvaluationError, TrainingError, ModelError), match=said):
        run(tmp_path / "run", RECURRENT, wikiart, **(SMALL | {"tasks": "style"} | settings))


def test_a_backbone_that_needs_a_download_says_what_works_offline(wikiart, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    settings = SMALL | {"backbone": "timm:resnet18.a1_in1k"}
    with pytest.raises(ModelError, match="--weights FILE; lite0 works offline"):
        run(tmp_path / "run", RECURRENT, wikiart, **settings)


@pytest.mark.parametrize("text", ["run:a-1", "run:/data/runs/a.b@conv2d_3/gem+embedding"])
def test_a_run_is_a_spec_by_name_or_path(text):
    spec = parse_spec(text)
    assert spec.source == "run"
    assert str(spec) == text


def test_a_folder_without_a_network_is_not_an_extractor(tmp_path):
    with pytest.raises(ModelError, match="train one with 'artsim train'"):
        load_extractor(parse_spec(f"run:{tmp_path}"))
