"""The page of a run: its scores, curves and errors, whatever its classes and works are called."""

import math

import numpy as np
import pytest
from conftest import noise_picture
from pages import check_page

from artsim.datatypes import Estimate
from artsim.report import run_page
from artsim.report.figures import lines
from artsim.study import (
    CalibrationBin,
    ClassScore,
    Confusion,
    MethodScore,
    Neighbor,
    PredictionError,
    PredictionStudy,
    RunStudy,
    TaskStudy,
    Work,
)

HALF = Estimate(0.5, 0.1, 0.9, n=2)
ODD = "<b>oil & gold</b>"


def class_score(name, right):
    return ClassScore(
        class_=name, train=3, test=1, correct=right, recall=Estimate(right, 0.0, 1.0, n=1),
        precision=None, confused_with=None, confused=0,
    )  # fmt: skip


def predictions(work, near):
    return PredictionStudy(
        source="the network",
        accuracy=HALF,
        top5=1.0,
        macro_f1=0.5,
        balanced_accuracy=0.5,
        kappa=0.0,
        ece=0.1,
        brier=0.5,
        classes=(class_score(ODD, 0), class_score("ink", 1)),
        confusions=(Confusion(ODD, "ink", 1), Confusion("ink", "ink", 1)),
        calibration=(CalibrationBin(0.5, 0.75, 2, 0.6, HALF),),
        errors=(
            PredictionError(
                work=work,
                truth=ODD,
                predicted="ink",
                probability=0.7,
                truth_probability=0.3,
                neighbors=(Neighbor(near, ODD, 0.8, 1),),
                nearest_of_truth=None,
            ),
        ),
        columns=(),
    )


def task(name, metric, found):
    return TaskStudy(
        name=name,
        metric=metric,
        sizes=(6, 2, 2),
        split="70/10/20",
        notes=("drawn twice",),
        train_score=1.0,
        validation_score=None,
        methods=(
            MethodScore("the network", HALF),
            MethodScore("majority", Estimate(0.25, math.nan, math.nan, n=2)),
            MethodScore("probe", Estimate(0.75, 0.2, 1.0, n=2)),
        ),
        metadata=("width",),
        k=5,
        classes=(class_score(ODD, 0), class_score("ink", 1)),
        predictions=found,
    )


@pytest.fixture
def page(tmp_path):
    works = []
    for n, title in enumerate((ODD, None)):
        file = tmp_path / f"{n}.png"
        noise_picture(file, (20, 20), seed=n)
        works.append(Work(f"id{n}", str(file), title))
    curve = [
        {"epoch": e, "step": 1, "train_loss": 2.0 - e, "val_loss": 2.0 + e, "val_medium": e / 2}
        for e in (0.0, 1.0)
    ]
    found = RunStudy(
        name="run-1",
        recipe="finetune",
        facts="7 parameters",
        notes=(ODD,),
        tasks=(task("medium", "top1", predictions(*works)), task("terms", "mAP", None)),
        curves={"": curve},
        retrieved=(),
        settings={"label": ODD},
        version="1.0",
        sizes={"megapixels": np.array([0.5, 1.0, 2.0]), "aspect": np.array([0.5, 1.0, 1.0])},
    )
    return run_page(found, "artsim train finetune 'a b'", workers=1)


def test_names_that_look_like_markup_are_escaped(page):
    text, count = page
    assert count == 2
    assert ODD not in text
    assert text.count("&lt;b&gt;oil &amp; gold&lt;/b&gt;") > 8
    anchors = check_page(text).values("href")
    assert anchors == ["#scores", "#curves", "#sizes", "#task-0", "#task-1", "#made"]


def test_the_network_is_compared_with_the_best_baseline(page):
    text, _ = page
    assert (
        "The network reaches an accuracy of <b>50.0% (10.0\N{EN DASH}90.0)</b> on 2 test pictures. "
        "The best baseline, probe, reaches 75.0% (20.0\N{EN DASH}100.0): 25.0 points higher."
    ) in text
    row = '<tr><th scope="row">medium</th>' + "".join(
        f'<td class="n">{cell}</td>' for cell in ("50.0%", "25.0%", "75.0%", "", "100.0%", "2")
    )
    assert row in text


def test_the_curves_say_which_epoch_was_best(page):
    text, _ = page
    assert "Loss on the validation set, lowest in epoch 1 (2; 2 on the training set)." in text
    assert "medium: score on the validation set, best in epoch 2 (50.0%)." in text


def test_the_sizes_have_captions_that_say_what_they_show(page):
    text, _ = page
    assert "Of the 3 pictures that were trained or tested on" in text
    assert "Megapixels: the median is 1; 90% of the pictures lie between 0.55 and 1.9" in text
    assert "Width / height: the median is 1; 90% of the pictures lie between 0.55 and 1," in text


def test_one_epoch_also_has_a_figure():
    drawn = lines([1.0], [0.5], title="t", description="d", unit="epoch", ticks=str, share=True).svg
    assert drawn.startswith('<svg role="img"')
    assert "<title>t</title><desc>d</desc>" in drawn
