"""``finetune`` on real paintings, and runs compared on the same pictures."""

import csv
import json
import pickle
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from conftest import MeanColor, toy_passport
from recipe_runs import run as run_recipe
from torch.utils._python_dispatch import TorchDispatchMode

from artsim.cli import cli
from artsim.datatypes import parse_spec
from artsim.embedding import embed_collection
from artsim.errors import TrainingError
from artsim.labels import Label, LabelKind
from artsim.models import Extractor, build_network, load_classifier
from artsim.models.architectures import Classifier, HeadShape
from artsim.prediction import PHRASE, RunPredictor, predict_ids
from artsim.readers import read_collection
from artsim.recipes import load_recipe, runner, train_run
from artsim.splits import Split
from artsim.training import (
    Batch,
    Learner,
    Run,
    RunPlan,
    Stopped,
    TrainingTask,
    adamw_slower_below,
    compare_runs,
    configure,
    find_run,
    learner,
    read_curves,
    squashed,
    start_run,
    to_json,
    warm_then_cosine,
)

ARTISTS = ("Alphonse Mucha", "Maurice Prendergast", "Eugene Delacroix")
SMALL = {
    "label": "artist",
    "backbone": "timm:test_resnet.random",
    "batch_size": "8",
    "epochs": "2",
    "patience": "none",
    "lr": "3e-4",
    "head_lr": "1e-3",
}
LOSSES = [22.0708, 18.8389]  # of train, epoch by epoch, with seed 0; the network is untrained


@pytest.fixture(scope="module")
def paintings(museum_data, tmp_path_factory):
    """Twelve real paintings each of three artists, as an index."""
    folder = tmp_path_factory.mktemp("paintings") / "objects"
    folder.mkdir()
    (folder / "images").symlink_to(museum_data / "paintings" / "images")
    with (museum_data / "paintings" / "objects.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (folder / "objects.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        for artist in ARTISTS:
            writer.writerows([row for row in rows if row["artist"] == artist][:12])
    path = folder.parent / "index"
    embed_collection(read_collection(folder), path, Extractor(MeanColor(), toy_passport()))
    return path


def run(path, index, *, recipe="finetune", **settings):
    return run_recipe(path, recipe, index, **settings)


@pytest.fixture(scope="module")
def tuned(paintings, tmp_path_factory):
    """A run that was not stopped, its first layers frozen."""
    path = tmp_path_factory.mktemp("runs") / "tuned"
    return run(path, paintings, freeze_until="layer2", **SMALL)


def test_the_losses_at_a_seed(tuned):
    assert [row["train_loss"] for row in read_curves(tuned)] == pytest.approx(LOSSES, rel=1e-3)


@pytest.mark.gpu
def test_a_gpu_has_these_losses_too(paintings, tmp_path):
    settings = SMALL | {"freeze_until": "layer2"}
    found = run(tmp_path / "there", paintings, device="cuda", precision="f32", **settings)
    losses = [row["train_loss"] for row in read_curves(found)]
    assert losses == pytest.approx(LOSSES, rel=2e-2)  # convolutions in TF32


def test_losses_that_are_read_later_are_the_same(tuned, paintings, tmp_path, monkeypatch):
    monkeypatch.setattr(learner, "_UNREAD", {"cpu": 3})
    later = run(tmp_path / "later", paintings, freeze_until="layer2", **SMALL)
    assert read_curves(later) == read_curves(tuned)


def test_one_that_is_not_finite_names_its_step_and_pictures(monkeypatch):
    data = SimpleNamespace(tasks=(), preprocessing=squashed(1), seed=0)
    found = Learner(torch.nn.Identity(), data, torch.optim.Adam)
    monkeypatch.setattr(Learner, "_data", SimpleNamespace(ids=list("abcdefgh")))
    rows = torch.arange(8)
    losses = {4: 2.5, 5: float("nan"), 6: 1.0}
    found._unread = [(step, rows, torch.tensor(loss)) for step, loss in losses.items()]
    wanted = "the loss is nan at step 5, with the pictures a, b, c, d, e and 3 more; try a smaller"
    with pytest.raises(TrainingError, match=wanted):
        found._read_losses()
    assert found._losses == [2.5]


@pytest.mark.parametrize(("is_fast", "chosen"), [(True, "bf16"), (False, "f32")])
def test_a_gpu_that_is_fast_at_bfloat16_trains_in_it(
    paintings, tmp_path, monkeypatch, is_fast, chosen
):
    seen = []
    monkeypatch.setattr("artsim.models.prefers_bfloat16", lambda _device: is_fast)
    monkeypatch.setattr(runner, "train_run", lambda run: seen.append(run.precision))
    monkeypatch.setattr(runner, "read_metrics", lambda _path: {})
    for number, options in enumerate(({}, {"precision": "f32"})):
        runner.train(
            paintings,
            settings={"label": "artist"},
            folder=tmp_path / str(number),
            options=runner.TrainingOptions(device="cpu", **options),
        )
    assert seen == [chosen, "f32"]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_loss_is_the_mean_over_the_pictures_that_have_the_label(weighted):
    logits = torch.tensor([[0.5, -1.0, 2.0], [9.0, 9.0, 9.0], [1.0, 0.0, -2.0]])
    likely = logits.double().log_softmax(dim=1)
    weights = torch.tensor([1.0, 2.0, 0.5]) if weighted else None
    first, third = (2.0, 0.5) if weighted else (1.0, 1.0)
    one, several = (
        SimpleNamespace(label=SimpleNamespace(kind=kind), smoothing=0.0)
        for kind in (LabelKind.MULTICLASS, LabelKind.MULTILABEL)
    )
    expected = -(first * likely[0, 1] + third * likely[2, 2]) / (first + third)
    codes = torch.tensor([1, -1, 2])
    assert float(learner.task_loss(logits, codes, one, weights)) == pytest.approx(
        float(expected), rel=1e-6
    )

    truth = torch.tensor([[1.0, 0, 1], [float("nan")] * 3, [0, 0, 1]])
    right = torch.where(truth == 1, logits, -logits)[[0, 2]].double().sigmoid().log()
    each = -right if weights is None else -right * weights
    assert float(learner.task_loss(logits, truth, several, weights)) == pytest.approx(
        float(each.mean()), rel=1e-6
    )

    two = logits[:, :1]  # of the second class against the first
    shares = two[:, 0].double().sigmoid()
    both = [-float(shares[0].log()), -float((1 - shares[2]).log())]
    if weights is not None:
        both = [2 * both[0], both[1]]
    codes = torch.tensor([1, -1, 0])
    found = learner.task_loss(two, codes, one, None if weights is None else weights[:2])
    assert float(found) == pytest.approx(sum(both) / 2, rel=1e-6)


def test_pictures_without_the_label_change_nothing():
    task = SimpleNamespace(label=SimpleNamespace(kind=LabelKind.MULTICLASS), smoothing=0.1)
    logits = torch.ones(2, 3, requires_grad=True)
    loss = learner.task_loss(logits, torch.tensor([-1, -1]), task, torch.ones(3))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


class WaitsForNoValue(TorchDispatchMode):
    """Refuses whatever reads a value of a tensor, for which a GPU would be waited for."""

    READERS = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "_unique2")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        masks = args[1] if func.overloadpacket is torch.ops.aten.index else ()
        by_mask = any(each is not None and each.dtype is torch.bool for each in masks)
        name = func.overloadpacket.__name__
        assert name not in self.READERS, name
        assert not by_mask, "a mask chooses how many rows there are"
        return func(*args, **(kwargs or {}))


def a_task(name, kind, classes):
    target = Label(name=name, kind=kind, strata=np.arange(2), classes=classes)
    every = np.arange(2)
    sides = Split(train=every, validation=every, test=every, description="")
    return TrainingTask(label=target, split=sides, source=name)


def test_a_batch_is_validated_without_waiting_for_a_value(monkeypatch):
    class Fixed(torch.nn.Module):
        def forward(self, pixels):
            return {
                "one": torch.tensor([[3.0, 1.0], [0.0, 2.0], [1.0, 0.0]])[: len(pixels)],
                "several": torch.tensor([[2.0, -2.0], [1.0, 1.0], [0.0, 3.0]])[: len(pixels)],
            }

    tasks = (
        a_task("one", LabelKind.MULTICLASS, ("a", "b")),
        a_task("several", LabelKind.MULTILABEL, ("c", "d")),
    )
    data = SimpleNamespace(tasks=tasks, preprocessing=squashed(1), seed=0)
    found = Learner(Fixed(), data, torch.optim.Adam)
    nan = float("nan")
    one = torch.tensor([0, -1, 1])
    several = torch.tensor([[1.0, 0.0], [nan, nan], [0.0, 1.0]])
    batches = [
        Batch(torch.arange(n), torch.zeros(n, 3, 1, 1), {"one": one[:n], "several": several[:n]})
        for n in (3, 2, 0)
    ]
    losses = [float(found.loss(found(each.pixels), each)) for each in batches[:2]]
    with WaitsForNoValue():
        for number, batch in enumerate(batches):
            found.validation_step(batch, number)
    logged, recorded = {}, []
    monkeypatch.setattr(found, "log", logged.__setitem__)
    monkeypatch.setattr(found, "_record", recorded.append)
    found.on_validation_epoch_end()
    # Of "one" three have the label: right, wrong, right; of "several" all are ranked right.
    expected = {
        "val_loss": pytest.approx((3 * losses[0] + 2 * losses[1]) / 5),
        "val_one": pytest.approx(2 / 3),
        "val_several": pytest.approx(1),
    }
    assert recorded == [expected]
    assert logged["val_score"] == pytest.approx(5 / 6)
    assert not found._val_losses
    assert not found._unscored


def test_mixed_pictures_have_mixed_labels():
    class Colors(torch.nn.Module):
        def forward(self, pixels):
            self.seen = pixels[:, :2, 0, 0]
            return {"x": self.seen}

    task = a_task("x", LabelKind.MULTICLASS, ("red", "green"))
    network = Colors()
    data = SimpleNamespace(tasks=(task,), preprocessing=squashed(1), seed=0)
    learner = Learner(network, data, torch.optim.Adam, mixup=0.5)
    red_and_green = torch.tensor([[255, 0, 0], [0, 255, 0]], dtype=torch.uint8)[..., None, None]
    shares = set()
    for seed in range(8):
        torch.manual_seed(seed)
        loss = learner.mixed_loss(Batch(torch.arange(2), red_and_green, {"x": torch.arange(2)}))
        red, green = network.seen[0].tolist()
        assert red + green == pytest.approx(1)
        assert network.seen[1].tolist() == pytest.approx([green, red])
        likely = network.seen[0].log_softmax(dim=0)
        assert float(loss) == pytest.approx(float(-(red * likely[0] + green * likely[1])), abs=1e-6)
        shares.add(round(red, 2))
    assert len(shares) > 3


def test_frozen_layers_keep_weights_and_batch_statistics(tuned):
    before = build_network(parse_spec(SMALL["backbone"])).module.state_dict()
    after = load_classifier(tuned)[1].body.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.partition(".")[0] for name in changed} == {"layer3", "layer4"}
    assert "layer4.0.bn1.running_mean" in changed


@pytest.mark.parametrize("step", [1, 3, 4])
def test_a_resumed_run_equals_an_uninterrupted_one(tuned, paintings, tmp_path, step):
    asked = iter(range(1, 100))
    settings = SMALL | {"freeze_until": "layer2"}
    with pytest.raises(Stopped):
        run(tmp_path / "run", paintings, should_stop=lambda: next(asked) >= step, **settings)
    resumed = run(tmp_path / "run", paintings)
    for name in ("curves.csv", "model.safetensors", "predictions.parquet", "outliers.csv"):
        assert (resumed / name).read_bytes() == (tuned / name).read_bytes()


STILL = {"lr": "0", "head_lr": "0", "weight_decay": "0", "warm_start": "false", "epochs": "6"}


@pytest.fixture(scope="module")
def still(paintings, tmp_path_factory):
    """A run that does not get better, and so ends after its second epoch."""
    path = tmp_path_factory.mktemp("runs") / "still"
    return run(path, paintings, **(SMALL | STILL | {"patience": "1"}))


def checkpoint(path, name):
    return torch.load(path / "checkpoints" / f"{name}.ckpt", weights_only=True)["artsim"]


def test_the_last_checkpoint_is_that_of_the_last_epoch_even_if_another_is_better(still):
    assert len(read_curves(still)) == 2
    assert [checkpoint(still, name)["step"] for name in ("best", "last")] == [3, 6]


def test_a_run_stopped_by_its_patience_trains_no_more_when_resumed(still, paintings):
    curves = (still / "curves.csv").read_bytes()
    files = {name: (still / name).read_bytes() for name in ("metrics.json", "model.safetensors")}
    (still / "metrics.json").unlink()

    def refuse():
        raise AssertionError("a step was made")

    run(still, paintings, should_stop=refuse)
    assert (still / "curves.csv").read_bytes() == curves
    assert {name: (still / name).read_bytes() for name in files} == files


def test_a_resumed_run_uses_its_new_patience(still, tmp_path):
    shutil.copytree(still, tmp_path / "run")
    resume = ["train", "--resume", str(tmp_path / "run"), "--device", "cpu", "--set", "patience=3"]
    found = CliRunner().invoke(cli, resume)
    assert found.exit_code == 0, found.output
    assert len(read_curves(tmp_path / "run")) == 4  # the first, and three that are no better


@pytest.fixture(scope="module")
def refitted(paintings, tmp_path_factory):
    """A run that learns validation pictures too, once they have chosen the number of epochs."""
    path = tmp_path_factory.mktemp("runs") / "refitted"
    return run(path, paintings, **SMALL, refit="true")


def test_retraining_adds_the_validation_set_for_the_best_number_of_epochs(
    refitted, paintings, tmp_path
):
    scores = [row["val_artist"] for row in read_curves(refitted)]
    best = scores.index(max(scores)) + 1
    again = read_curves(refitted / "refit")
    steps = 4  # of an epoch: 24 + 4 pictures, in batches of 8
    assert [row["step"] for row in again] == [steps * n for n in range(1, best + 1)]
    assert set(again[0]) == {"epoch", "step", "train_loss"}

    found = json.loads((refitted / "metrics.json").read_text())
    (task,) = found["tasks"]
    assert [task[side]["n"] for side in ("train", "val", "test")] == [28, 0, 8]
    assert (found["epochs"], found["steps"]) == (best, steps * best)
    assert found["notes"] == [
        f"Trained again on train and validation for {best} epochs, the best of 2 on validation "
        f"({max(scores):.3f})."
    ]
    weights = torch.load(refitted / "refit" / "checkpoints" / "last.ckpt", weights_only=True)
    kept = load_classifier(refitted)[1].state_dict()
    for name, each in kept.items():
        assert torch.equal(each, weights["state_dict"][f"classifier.{name}"]), name

    # The sides are those of a run that is not trained again, and so are its test pictures.
    once = run(tmp_path / "once", paintings, **SMALL)
    sides = [
        {row["id"]: row["split"] for row in pq.read_table(path / "predictions.parquet").to_pylist()}
        for path in (once, refitted)
    ]
    assert sides[1] == {id_: side.replace("val", "train") for id_, side in sides[0].items()}
    baselines = [
        json.loads((path / "metrics.json").read_text())["tasks"][0]["baselines"]
        for path in (once, refitted)
    ]
    assert baselines[0] | {"split": ""} == baselines[1] | {"split": ""}


@pytest.mark.parametrize("step", [5, 8, 10])  # the first training has 6
def test_a_run_interrupted_while_retraining_equals_an_uninterrupted_one(
    refitted, paintings, tmp_path, step
):
    asked = iter(range(1, 100))
    with pytest.raises(Stopped, match=str(tmp_path / "run")):
        run(
            tmp_path / "run",
            paintings,
            should_stop=lambda: next(asked) >= step,
            **SMALL,
            refit="true",
        )
    resumed = run(tmp_path / "run", paintings)
    names = ("curves.csv", "model.safetensors", "predictions.parquet", "refit/curves.csv")
    for name in names:
        assert (resumed / name).read_bytes() == (refitted / name).read_bytes()


def test_a_finished_run_can_be_retrained(tuned, paintings, tmp_path):
    shutil.copytree(tuned, tmp_path / "run")
    again = CliRunner().invoke(
        cli, ["train", "--resume", str(tmp_path / "run"), "--set", "refit=true", "--device", "cpu"]
    )
    assert again.exit_code == 0, again.output
    whole = run(tmp_path / "whole", paintings, freeze_until="layer2", **SMALL, refit="true")
    for name in ("curves.csv", "model.safetensors", "predictions.parquet", "refit/curves.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
    assert "Trained again on train and validation for" in again.output


def test_a_run_can_be_shorter_than_an_epoch(paintings, tmp_path):
    path = run(tmp_path / "run", paintings, **(SMALL | {"max_steps": "1", "patience": "2"}))
    assert checkpoint(path, "last")["step"] == 1
    assert json.loads((path / "metrics.json").read_text())["steps"] == 1


def test_a_learner_can_be_pickled(paintings):
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 2))
    classifier = Classifier(body, 2, {"x": HeadShape(outputs=2)})
    make = partial(adamw_slower_below, classifier, lr=0.1, head_lr=0.2, weight_decay=0.0)
    schedule = partial(warm_then_cosine, 12, 0.25)
    task = a_task("x", LabelKind.MULTICLASS, ("a", "b"))
    data = SimpleNamespace(tasks=(task,), preprocessing=squashed(1), seed=0)
    learner = Learner(classifier, data, make, schedule=schedule)
    found = pickle.loads(pickle.dumps(learner)).configure_optimizers()
    groups = found["optimizer"].param_groups
    assert [(group["initial_lr"], len(group["params"])) for group in groups] == [(0.1, 2), (0.2, 2)]


@pytest.mark.slow
def test_two_devices_share_each_batch_and_write_one_run(paintings, tmp_path, capfd):
    config = configure(load_recipe("finetune").Config, SMALL | {"batch_size": "7"})
    plan = RunPlan(recipe="finetune", settings=to_json(config), seed=0, index=str(paintings))
    path = tmp_path / "run"
    train_run(Run(path=path, plan=start_run(path, plan, device="cpu"), devices=2, workers=1))
    found = json.loads((path / "metrics.json").read_text())
    assert (found["epochs"], found["steps"]) == (2, 8)
    assert len(read_curves(path)) == 2
    printed = "".join(capfd.readouterr())
    assert "distributed" not in printed  # what Lightning says in each process
    assert "Warning" not in printed


def test_the_head_starts_as_the_linear_probe(paintings, tmp_path):
    still = SMALL | {"lr": "0", "head_lr": "0", "weight_decay": "0", "epochs": "1"}
    still |= {"freeze_until": "global_pool"}  # batch statistics, too, stay
    cold = run(tmp_path / "cold", paintings, warm_start="false", **still)
    warm = run(tmp_path / "warm", paintings, **still)
    scores = [json.loads((path / "metrics.json").read_text())["tasks"][0] for path in (cold, warm)]
    learned = [each["train"]["top1"] for each in scores]
    assert learned[1] > learned[0] + 0.2


def test_predictions_of_a_run_are_compared_with_the_catalog(tuned):
    store = RunPredictor(tuned).store
    ids = store.read(["id"]).column("id").to_pylist()[:2]
    printed = list(predict_ids(RunPredictor(tuned), ids, workers=1))
    assert [(each.id, each.label, each.catalog) for each in printed] == [
        (id_, "artist", "Alphonse Mucha") for id_ in ids
    ]
    table = pq.read_table(tuned / "predictions.parquet").to_pylist()
    learned = next(row["id"] for row in table if row["split"] == "train")
    said = CliRunner().invoke(
        cli, ["predict", "--run", str(tuned), "--id", learned, "--table", "--device", "cpu"]
    )
    assert "Catalog: " in said.output
    assert "Note: the network was trained on, or chosen by, this picture" in said.output


# The classes are in order of their names, so that "not a woodcut" comes first.
@pytest.mark.parametrize("name", ["lithograph", "woodcut"])
def test_a_binary_label_is_described_in_words(paintings, tmp_path, name):
    label = f"{name} = artist ILIKE '%mucha%'"
    path = run(tmp_path / "run", paintings, **(SMALL | {"label": label, "epochs": "1"}))
    store = RunPredictor(path).store
    printed = list(
        predict_ids(RunPredictor(path), store.read(["id"]).column("id").to_pylist(), workers=1)
    )
    words = {name: f"A {name}!", f"not {name}": f"Not a {name}"}
    for answer, phrase in zip(printed[::2], printed[1::2], strict=True):
        assert (answer.label, phrase.label) == (name, PHRASE)
        assert phrase.predicted == words[answer.predicted]
        assert phrase.catalog == words[answer.catalog]
        assert phrase.agrees == (answer.predicted == answer.catalog)
    arguments = ["predict", "--run", str(path), "--id", printed[0].id, "--device", "cpu"]
    lines = CliRunner().invoke(cli, [*arguments, "--json"]).stdout.splitlines()
    (said,) = (each for each in map(json.loads, lines) if each["label"] == PHRASE)
    assert said["predicted"] == printed[1].predicted
    assert said["confidence"] == pytest.approx(printed[1].confidence)
    assert said["catalog"] == printed[1].catalog
    table = CliRunner().invoke(cli, [*arguments, "--table"]).stdout
    assert f"phrase: {said['predicted']} ({said['confidence']:.3f})" in table
    assert f"  Catalog: {said['catalog']}" in table


def test_the_name_of_a_run_is_looked_up_in_runs_first(tmp_path, monkeypatch):
    for folder in ("finetune-1", "runs/finetune-1", "elsewhere/run"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    runs = Path("runs")
    assert find_run(Path("finetune-1"), runs) == runs / "finetune-1"
    assert find_run("elsewhere/run", runs) == Path("elsewhere/run")
    assert find_run(tmp_path / "finetune-1", runs) == tmp_path / "finetune-1"


def test_the_learning_rate_rises_and_falls():
    at = partial(warm_then_cosine, 12, 0.25)
    assert [round(at(step), 3) for step in range(13)] == [
        0.25, 0.5, 0.75, 1.0, 0.97, 0.883, 0.75, 0.587, 0.413, 0.25, 0.117, 0.03, 0.0
    ]  # fmt: skip
    assert at(20) == 0


def test_a_run_abstains_when_no_class_is_probable_enough(tuned):
    ids = RunPredictor(tuned).store.read(["id"]).column("id").to_pylist()
    unsure = list(predict_ids(RunPredictor(tuned, min_confidence=1.0, top=1), ids, workers=1))
    usual = list(predict_ids(RunPredictor(tuned, top=1), ids, workers=1))
    assert len(unsure) == len(usual) == len(ids)
    for one, other in zip(unsure, usual, strict=True):
        assert one.predicted == (other.predicted if other.confidence >= 1 else None)
        assert one.agrees == (other.agrees if other.confidence >= 1 else None)
        assert [each.name for each in one.classes] == [other.predicted]


# --- compared -----------------------------------------------------------------------------------


def test_runs_are_compared_picture_by_picture(tuned, paintings, tmp_path):
    other = run(tmp_path / "other", paintings, **(SMALL | {"epochs": "1", "keep_copies": "true"}))
    first, second = compare_runs([tuned, other])
    assert (first.run, first.task, first.metric, first.difference) == (
        "tuned", "artist", "top1", None
    )  # fmt: skip
    values = [
        json.loads((path / "metrics.json").read_text())["tasks"][0]["test"]["top1"]
        for path in (tuned, other)
    ]
    assert [first.score.value, second.score.value] == pytest.approx(values)
    assert second.difference.estimate.value == pytest.approx(values[1] - values[0])
    said = CliRunner().invoke(cli, ["compare", str(tuned), str(other), "--json"])
    rows = [json.loads(line) for line in said.output.splitlines()]
    assert [row["run"] for row in rows] == ["tuned", "other"]
    assert [row["difference"] for row in rows] == [None, second.difference.estimate.value]
    assert rows[0]["score_low"] < rows[0]["score"] <= rows[0]["score_high"]
    assert [row["keep_copies"] for row in rows] == [False, True]
    said = CliRunner().invoke(cli, ["compare", str(tuned), str(other), "--table"])
    assert "Trained on copies of test pictures, so the scores are too high: other\n" in said.output


def test_runs_with_other_test_pictures_are_not_compared(tuned, paintings, tmp_path):
    settings = SMALL | {"epochs": "1", "max_steps": "1"}
    other = run(tmp_path / "other", paintings, seed=1, **settings)
    with pytest.raises(TrainingError, match="have different test pictures of 'artist'"):
        compare_runs([tuned, other])
    style = run(tmp_path / "style", paintings, **(settings | {"label": "style"}))
    with pytest.raises(TrainingError, match="no task in common"):
        compare_runs([tuned, style])


def test_damaged_predictions_are_refused_in_one_line(tuned, tmp_path):
    broken = shutil.copytree(tuned, tmp_path / "broken")
    file = broken / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    for args in (["compare", str(tuned), str(broken)], ["compare", str(broken), str(tuned)]):
        said = CliRunner().invoke(cli, args, catch_exceptions=False)
        assert said.exit_code == 1
        assert said.output == (
            f"Error: the run {str(broken)!r} has no complete predictions.parquet; finish it with "
            f"'artsim train --resume {broken}'\n"
        )


def test_a_comparison_needs_two_runs():
    said = CliRunner().invoke(cli, ["compare", "a"])
    assert said.exit_code == 2
    assert "name two runs or more" in said.output
