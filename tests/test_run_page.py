"""The page of a run: its scores, curves and mistakes, whatever its classes and works are called."""

import math
import re

import pytest
from conftest import noise_picture

from artsim.report.figures import lines
from artsim.report.run import run_page
from artsim.study.results import (
    Bin,
    ClassScore,
    Confusion,
    Estimate,
    Evidence,
    Judgment,
    Mistake,
    RunStudy,
    TaskStudy,
    Way,
    Work,
)

HALF = Estimate(0.5, 0.1, 0.9)
ODD = "<b>oil & gold</b>"


def class_score(name, right):
    return ClassScore(
        class_=name, learned=3, tested=1, right=right, recall=Estimate(right, 0.0, 1.0),
        precision=None, taken_for=None, times=0,
    )  # fmt: skip


def judgment(work, near):
    return Judgment(
        source="the network",
        top1=HALF,
        top5=1.0,
        macro_f1=0.5,
        balanced_accuracy=0.5,
        kappa=0.0,
        classes=(class_score(ODD, 0), class_score("ink", 1)),
        confusions=(Confusion(ODD, "ink", 1), Confusion("ink", "ink", 1)),
        bins=(Bin(0.5, 0.75, 2, 0.6, HALF),),
        mistakes=(
            Mistake(
                work=work,
                truth=ODD,
                predicted="ink",
                probability=0.7,
                truth_probability=0.3,
                neighbors=(Evidence(near, ODD, 0.8, 1),),
                nearest_of_truth=None,
            ),
        ),
        coverage=(),
    )


def task(name, metric, found):
    return TaskStudy(
        name=name,
        metric=metric,
        sizes=(6, 2, 2),
        split="70/10/20",
        notes=("drawn twice",),
        learned=1.0,
        chosen=None,
        ways=(
            Way("the network", HALF),
            Way("majority", Estimate(0.25, math.nan, math.nan)),
            Way("probe", Estimate(0.75, 0.2, 1.0)),
        ),
        metadata=("width",),
        k=5,
        classes=(class_score(ODD, 0), class_score("ink", 1)),
        judgment=found,
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
        tasks=(task("medium", "top1", judgment(*works)), task("terms", "mAP", None)),
        curves={"": curve},
        retrieved=(),
        settings={"label": ODD},
        version="1.0",
    )
    return run_page(found, "artsim train finetune 'a b'", workers=1)


def test_names_that_look_like_markup_are_shown_and_the_page_is_whole(page):
    text, count = page
    assert count == 2
    assert ODD not in text
    assert text.count("&lt;b&gt;oil &amp; gold&lt;/b&gt;") > 8
    assert set(re.findall(r'src="([a-z]+:)', text)) == {"data:"}
    anchors = set(re.findall(r'<a href="#([^"]+)"', text))
    assert anchors == {"scores", "curves", "task-0", "task-1", "made"}
    assert all(f'id="{anchor}"' in text for anchor in anchors)


def test_the_network_is_told_beside_the_best_of_what_needs_no_training(page):
    text, _ = page
    said = "The network gets <b>50.0% (10.0\N{EN DASH}90.0)</b> on 2 test pictures"
    assert f"{said} (share of test pictures told right)." in text
    assert "The best of what it stands beside, probe, gets 75.0% (20.0\N{EN DASH}100.0), " in text
    assert "25.0 points more." in text
    row = '<tr><th scope="row">medium</th>' + "".join(
        f'<td class="n">{cell}</td>' for cell in ("50.0%", "25.0%", "75.0%", "", "100.0%", "2")
    )
    assert row in text


def test_the_curves_say_which_epoch_was_best(page):
    text, _ = page
    assert "Loss on validation pictures, least in epoch 1 (2; 2 on those learned from)." in text
    assert "medium: score on validation pictures, best in epoch 2 (50.0%)." in text


def test_one_epoch_is_a_figure_too():
    drawn = lines([1.0], [0.5], title="t", description="d", unit="epoch", ticks=str, share=True)
    assert drawn.startswith('<svg role="img"')
    assert "<title>t</title><desc>d</desc>" in drawn
