"""A report on an index of three hues: what it finds, what it refuses, and what the page shows."""

import csv
import html as html_module
import json
import math
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import MeanColor, toy_passport
from hypothesis import given
from hypothesis import strategies as st
from pages import check_page
from PIL import Image

from artsim.cli import cli
from artsim.cli.report import _print
from artsim.datatypes import Estimate
from artsim.embedding import embed_collection
from artsim.errors import EvaluationError
from artsim.metrics import Difference, separate_difference
from artsim.metrics.intervals import wilson
from artsim.models import Extractor
from artsim.readers import ReaderOptions, read_collection
from artsim.report import markdown, study_page, write_csv
from artsim.report.figures import curve
from artsim.report.tables import study_tables
from artsim.store import Store
from artsim.study.data import principal_components
from artsim.study.errors import class_score
from artsim.study.findings import ColumnSlices, Confusion
from artsim.study.of_index import StudyPlan, find_group, study
from artsim.study.predictions import AlignedPredictions, ModelPredictions, align

HUES = {"red": (240, 30, 30), "green": (30, 240, 30), "blue": (30, 30, 240)}
SIDES = 7 * ["train"] + ["val"] + 2 * ["test"]
EVIL = "<script>alert('x')</script> | \"quoted\""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """120 pictures of three hues by twelve painters who keep to one; p9 is red and called blue."""
    folder = tmp_path_factory.mktemp("report") / "museum"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(120):
        hue = list(HUES)[i // 40]
        color = np.clip(HUES[hue] + rng.integers(-15, 16, 3), 0, 255)
        Image.new("RGB", (12, 10), tuple(map(int, color))).save(folder / "images" / f"{i}.png")
        rows.append(
            {
                "id": f"p{i}",
                "image": f"images/{i}.png",
                "title": EVIL if i == 9 else f"No. {i}",
                "hue": "blue" if i == 9 else hue,
                "artist": f"painter {i // 10}",
                "museum": "Uffizi" if i % 10 == 9 else "Prado",
                "year": 1500 + 100 * (i // 40),
                "era": "new" if SIDES[i % 10] == "test" else "old",
                "side": SIDES[i % 10],
            }
        )
    with (folder / "objects.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    catalog = read_collection(folder, options=ReaderOptions(types={"year": "number"}))
    index = folder.parent / "index"
    embed_collection(catalog, index, Extractor(MeanColor(), toy_passport()))
    return index


@pytest.fixture(scope="module")
def found(path):
    plan = StudyPlan(tap="rgb", labels=("hue",), split="side", group="artist")
    return study(Store.open(path), plan)


@pytest.fixture(scope="module")
def html(found):
    return study_page(found, "artsim report --index 'my <index>'")[0]


# ---- what is found ----


def test_the_split_is_shown_with_the_scores(found):
    (label,) = found.labels
    assert (label.split.train, label.split.validation, label.split.test) == (84, 12, 24)
    assert sum(each.train for each in label.predictions.classes) == 84
    assert [method.name for method in label.methods] == [
        "majority",
        "metadata only",
        "1-NN",
        "kNN",
        "probe",
    ]
    assert label.method("probe").value == pytest.approx(23 / 24)
    assert label.predictions.accuracy.value == label.method("probe").value


def test_the_one_wrong_label_is_the_most_confident_error_and_the_first_outlier(found):
    (label,) = found.labels
    (error,) = label.predictions.errors
    assert (error.work.id, error.truth, error.predicted) == ("p9", "blue", "red")
    assert {each.class_ for each in error.neighbors} == {"red"}
    outlier = label.outliers.works[0]
    assert (outlier.work.id, outlier.truth, outlier.predicted) == ("p9", "blue", "red")
    assert outlier.agreement == 0
    assert outlier.truth_probability < 0.5 < outlier.probability


def test_no_neighbor_of_an_error_is_a_test_image(found):
    (error,) = found.labels[0].predictions.errors
    shown = error.shown
    assert all(SIDES[int(each.work.id[1:]) % 10] != "test" for each in shown)


def test_confusions_and_classes_count_every_test_picture(found):
    studied = found.labels[0].predictions
    assert studied.confusions == (
        Confusion("blue", "blue", 8),
        Confusion("blue", "red", 1),
        Confusion("green", "green", 8),
        Confusion("red", "red", 7),
    )
    blue = next(score for score in studied.classes if score.class_ == "blue")
    assert (blue.train, blue.test, blue.correct, blue.confused_with, blue.confused) == (
        28,  # of the training set, as in the table of splits; 4 more choose the settings
        9,
        8,
        "red",
        1,
    )
    assert (blue.recall.low, blue.recall.high) == wilson(8, 9)
    assert sum(each.count for each in studied.calibration) == 24


def test_slices_are_the_values_of_other_columns(found):
    by_column = {each.column: each for each in found.labels[0].predictions.columns}
    slices = by_column["museum"].slices
    assert [(each.value, each.count) for each in slices] == [("Uffizi", 12), ("Prado", 12)]
    assert slices[0].accuracy.value == pytest.approx(11 / 12)
    assert not any(each.weak for each in slices)
    assert "hue" not in by_column


def test_a_label_is_evaluated_again_with_each_artist_in_one_set(found):
    grouped = found.labels[0].grouped
    assert (grouped.group, grouped.seen) == ("artist", 24)
    assert grouped.purity == pytest.approx(119 / 120)
    assert "each artist in one set" in grouped.split.description


def test_copies_of_test_images_are_left_out_of_training_unless_kept(path, tmp_path):
    shutil.copytree(path.parent / "museum", tmp_path / "museum")
    shutil.copy(tmp_path / "museum/images/0.png", tmp_path / "museum/images/8.png")
    embed_collection(
        read_collection(tmp_path / "museum"),
        tmp_path / "index",
        Extractor(MeanColor(), toy_passport()),
    )
    plan = StudyPlan(tap="rgb", labels=("hue",), split="side")
    left_out, kept = (
        study(Store.open(tmp_path / "index"), replace(plan, keep_copies=keep)).labels[0].split
        for keep in (False, True)
    )
    assert (left_out.train, left_out.leaks["file"]) == (83, 0)
    assert (kept.train, kept.leaks["file"]) == (84, 1)


def test_the_artist_column_is_found(path):
    assert find_group(Store.open(path)) == "artist"


def test_a_label_that_was_not_named_and_cannot_be_evaluated_is_skipped_with_the_reason(path):
    everything = study(Store.open(path), StudyPlan(tap="rgb", split="side"))
    assert [label.name for label in everything.labels] == ["hue", "artist"]
    assert list(everything.skipped) == ["museum", "era"]
    assert "one class" in everything.skipped["era"]


def test_a_number_is_studied_without_classes(path):
    (label,) = study(Store.open(path), StudyPlan(tap="rgb", labels=("year",))).labels
    assert (label.metric, label.kind, label.counts, label.predictions) == (
        "MAE",
        "number",
        {},
        None,
    )
    assert label.method("probe").value < label.method("median").value


# ---- predictions from elsewhere ----


def predictions(**changes):
    tested = [i for i in range(120) if SIDES[i % 10] == "test"]
    truth = ["blue" if i == 9 else list(HUES)[i // 40] for i in tested]
    values = {
        "label": "hue",
        "source": "a fine-tuned network",
        "train": tuple(f"p{i}" for i in range(120) if SIDES[i % 10] == "train"),
        "validation": tuple(f"p{i}" for i in range(120) if SIDES[i % 10] == "val"),
        "ids": tuple(f"p{i}" for i in tested),
        "truth": tuple(truth),
        "classes": ("blue", "green", "red"),
        "probabilities": np.array([[0.8, 0.1, 0.1]] * len(tested)),
    }
    return ModelPredictions(**(values | changes))


def study_with(path, **changes):
    plan = StudyPlan(tap="rgb", labels=("hue",), split="side")
    return study(Store.open(path), plan, predictions=[predictions(**changes)])


def test_predictions_of_another_model_are_studied_instead_of_the_probes(path):
    (label,) = study_with(path).labels
    assert label.predictions.source == label.methods[-1].name == "a fine-tuned network"
    assert label.predictions.accuracy.value == label.methods[-1].estimate.value == 9 / 24
    assert label.predictions.errors[0].probability == 0.8


def test_predictions_of_other_pictures_than_the_splits_are_refused(path):
    one = {"ids": ("p8",), "truth": ("red",), "probabilities": np.ones((1, 3))}
    with pytest.raises(
        EvaluationError,
        match=r"have other test pictures \(1, not 24\) than split 'side'",
    ):
        study_with(path, **one)
    with pytest.raises(
        EvaluationError, match="there are predictions of 'smell', which is not among the labels hue"
    ):
        study_with(path, label="smell")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train": ("p8",)},
            "test pictures of 'hue' that are also in its training set: 1, such as 'p8'",
        ),
        (
            {"validation": ("p9",)},
            "test pictures of 'hue' that are also in its training set: 1, such as 'p9'",
        ),
        ({"train": ("nobody",)}, "the index lacks: 1, such as 'nobody'"),
        ({"classes": ("blue", "green", "pink")}, "'pink' is not a class of 'hue'"),
        ({"truth": ("green",) * 24}, "the 'hue' of 'p8' is 'green' in the predictions"),
        ({"probabilities": np.ones((2, 2))}, "have probabilities of shape (2, 2)"),
    ],
)
def test_predictions_that_do_not_fit_the_index_are_refused(changes, message):
    ids = [f"p{i}" for i in range(120)]
    codes = np.array([0 if i == 9 else (2, 1, 0)[i // 40] for i in range(120)])
    with pytest.raises(EvaluationError, match=re.escape(message)):
        align(predictions(**changes), ids, ("blue", "green", "red"), codes)


def test_intervals_of_classes_and_slices_resample_groups():
    # Two of four artists are right, with ten pictures each.
    artists, right = np.repeat(np.arange(4), 10), np.repeat([True, True, False, False], 10)
    every = np.ones(40, dtype=bool)
    alone, whole = (class_score("a", every, right, 5, groups=g).recall for g in (None, artists))
    assert (alone.value, alone.groups, whole.value, whole.groups) == (0.5, None, 0.5, 4)
    assert (whole.low, whole.high) == (0, 1)
    found = AlignedPredictions(
        source="a model",
        classes=("a", "b"),
        codes=np.zeros(40, dtype=np.int64),
        train=np.arange(0),
        validation=np.arange(0),
        test=np.arange(40),
        probabilities=np.stack([right, ~right], axis=1).astype(float),
        groups=artists,
    )
    assert found.share(right, every) == whole
    assert found.share(right, artists < 2).groups == 2


# ---- the page ----


def test_the_page_is_one_file_that_loads_nothing(html):
    assert html.startswith("<!DOCTYPE html>")
    page = check_page(html)
    assert all(address.startswith("#") for address in page.values("href"))


def test_catalog_values_are_shown_and_never_run(html):
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in html
    assert "artsim report --index &#39;my &lt;index&gt;&#39;" in html


def test_every_text_of_a_study_is_escaped(found):
    evil = "<script>x</script>"
    (label,) = found.labels
    score = replace(label.predictions.classes[0], class_=evil, confused_with=evil)
    error = label.predictions.errors[0]
    near = replace(error.neighbors[0], class_=evil, work=replace(error.work, id=evil, title=None))
    error = replace(error, work=near.work, truth=evil, predicted=evil, neighbors=(near,))
    slices = label.predictions.columns[0]
    columns = (ColumnSlices(evil, (replace(slices.slices[0], value=evil, weak=True),)),)
    predictions = replace(
        label.predictions,
        source=evil,
        classes=(score,),
        confusions=(Confusion(evil, evil, 1), Confusion(evil, "b", 1)),
        errors=(error,),
        columns=columns,
    )
    outliers = replace(label.outliers, works=(replace(label.outliers.works[0], truth=evil),))
    split = replace(label.split, description=evil, notes=(evil,))
    label = replace(
        label,
        name=evil,
        counts={evil: 1},
        split=split,
        metadata=(evil,),
        predictions=predictions,
        outliers=outliers,
        methods=tuple(replace(method, name=method.name) for method in label.methods),
        grouped=replace(label.grouped, group=evil, split=split),
    )
    everything = replace(
        found,
        **dict.fromkeys(("name", "reader", "source", "updated", "spec", "weights", "tap"), evil),
        fields=(replace(found.fields[0], name=evil, not_a_label=evil),),
        failures={evil: 1},
        failure_examples=((evil, evil),),
        labels=(label,),
        skipped={evil: evil},
        map=replace(found.map, classes={evil: (evil,) * len(found.map.rows)}, method=evil),
    )
    text, _ = study_page(everything, evil)
    check_page(text)
    assert text.count("&lt;script&gt;x&lt;/script&gt;") > 60


def test_intervals_over_few_groups_are_marked(found):
    (label,) = found.labels
    scores = tuple(
        replace(each, estimate=replace(each.estimate, groups=3)) for each in label.grouped.methods
    )
    label = replace(label, grouped=replace(label.grouped, methods=scores))
    text, _ = study_page(replace(found, labels=(label,)), "artsim report")
    assert "Its intervals rest on 3 groups and are likely too narrow." in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            Estimate(-0.132, -0.37, 0.07, 16, 40),
            "changes by -13.2 points there (95% interval -37.0 to +7.0), which is too uncertain to "
            "say how much of its score comes from having seen the same artist.",
        ),
        (
            Estimate(0.037, -0.2, 0.3, 24, 40),
            "changes by +3.7 points there (95% interval -20.0 to +30.0), which is too uncertain",
        ),
        (Estimate(-0.4, -0.6, -0.2, 90, 6), "-20.0), which is too uncertain"),
        (Estimate(-0.4, math.nan, math.nan, 90, 1), "-40.0 points there, which is too uncertain"),
        (
            Estimate(-0.4, -0.6, -0.2, 90, 60),
            "-20.0), more than chance explains: its score in the split 'side' rests in part on "
            "having seen the same artist.",
        ),
        (
            Estimate(0.4, 0.2, 0.6, 90, 60),
            "more than chance explains: the two test sets differ in more than the artist.",
        ),
    ],
)
def test_what_a_score_owes_to_the_artist_is_said_as_far_as_the_figures_show_it(found, change, said):
    (label,) = found.labels
    label = replace(label, grouped=replace(label.grouped, change=Difference(change, None)))
    text, _ = study_page(replace(found, labels=(label,)), "artsim report")
    assert said in html_module.unescape(text)


def test_the_change_in_a_study_is_that_of_its_two_scores(found):
    (label,) = found.labels
    ordinary, again = label.method("probe"), label.grouped.method("probe")
    assert label.grouped.change == separate_difference(ordinary, again)


def test_figures_have_a_text_description(html):
    figures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(figures) == 2 + 1 + 1 + 3  # two choices, reliability, the map, one of each hue
    assert all("<title>" in figure for figure in figures)
    assert "Neighbors: 1 was chosen, with 100.0% on 12 validation pictures" in html


def test_the_same_index_and_command_make_the_same_page(path, found, html):
    plan = StudyPlan(tap="rgb", labels=("hue",), split="side", group="artist")
    again = study(Store.open(path), plan)
    assert again == found
    assert study_page(again, "artsim report --index 'my <index>'")[0] == html


def test_three_hundred_classes_give_confusions_that_are_listed_and_no_matrix(found):
    (label,) = found.labels
    score = label.predictions.classes[0]
    many = tuple(replace(score, class_=f"class {i}") for i in range(300))
    pairs = tuple(Confusion(f"class {i}", f"class {i + 1}", 300 - i) for i in range(299))
    studied = replace(label.predictions, classes=many, confusions=pairs, errors=())
    label = replace(
        label, predictions=studied, counts={f"class {i}": 5 for i in range(300)}, outliers=None
    )
    text, _ = study_page(replace(found, labels=(label,)), "artsim report")
    assert 'class="heat"' not in text
    assert "The most frequent confusions" in text
    assert "276 more classes" in text


def test_a_curve_on_one_setting_is_drawn():
    pytest.importorskip("matplotlib")
    drawn = curve([1], [0.5], 1, title="a < b", description="c", unit="d", ticks=str)
    assert "<title>a &lt; b</title><desc>c</desc>" in drawn.svg


# ---- tables ----


def test_markdown_has_the_tables_and_no_live_mark_up(found):
    text = markdown(found, "artsim report")
    assert "| hue | side | probe | top1 | 0.958 |" in text
    assert "&lt;script>alert" in text
    assert '\\| "quoted"' in text
    assert "## Map" not in text


def test_csv_is_a_folder_of_tables_or_one_file_of_cells(found, tmp_path):
    files = write_csv(found, tmp_path / "tables")
    assert {file.stem for file in files} == {table.name for table in study_tables(found)}
    with (tmp_path / "tables" / "confusions.csv").open(newline="", encoding="utf-8-sig") as stream:
        assert list(csv.reader(stream))[:2] == [
            ["label", "truth", "predicted", "test"],
            ["hue", "blue", "blue", "8"],
        ]
    write_csv(found, tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8-sig") as stream:
        cells = {tuple(row[:3]): row[3] for row in csv.reader(stream)}
    assert cells["confusions", "2", "predicted"] == "red"
    assert sum(len(table.rows) * len(table.columns) for table in study_tables(found)) == (
        len(cells) - 1
    )


# ---- the command ----


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_the_table_has_a_line_for_each_split(found, capsys):
    _print(Path("indexes/toy"), found)
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("Report on indexes/toy (120 pictures, by ")
    lines = [line.split() for line in lines]
    assert [line[-1] for line in lines if "top1" in line] == ["24", "30"]


def test_the_command_writes_the_files_it_lists_and_records_itself(path, tmp_path):
    page, notes, tables = tmp_path / "r.html", tmp_path / "r.md", tmp_path / "tables"
    printed = run(
        *("report", "--index", path, "--label", "hue", "--split", "side", "-o", page),
        *("--markdown", notes, "--csv", tables, "--device", "cpu", "--json"),
    )
    collection, label = (json.loads(line) for line in printed.stdout.splitlines())
    assert (collection["kind"], collection["rows"]) == ("collection", 120)
    assert collection["index"] == label["index"] == str(path)
    assert (label["label"], label["of"], label["split"]["test"]) == ("hue", "multiclass", 24)
    command = (
        f"artsim report --index {path} --tap rgb --label hue --split side --group artist "
        f"--works 12 --seed 0 --output {page} --markdown {notes} --csv {tables}"
    )
    assert command in notes.read_text()
    assert command in page.read_text()
    scores = csv.DictReader((tables / "scores.csv").read_text("utf-8-sig").splitlines())
    f1 = {row["method"]: row["macro F1"] for row in scores if row["split"] == "side"}
    assert {name: float(value) if value else None for name, value in f1.items()} == {
        each["name"]: each["macro_f1"] for each in label["methods"]
    }
    assert float(f1["probe"]) == label["predictions"]["macro_f1"]
    share = label["methods"][0]["estimate"]["value"]  # the precision of one of three classes
    assert float(f1["majority"]) == pytest.approx(2 * share / (share + 1) / 3)
    assert "notes" in (tables / "splits.csv").read_text("utf-8-sig").splitlines()[0].split(",")
    assert printed.stderr.startswith(f"Written to {page} (")


def test_without_matplotlib_nothing_is_computed(path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    printed = run("report", "--index", path, "--html", tmp_path / "r.html", code=1)
    assert printed.output == (
        "Error: figures need matplotlib; install it with pip install 'artsim[report]'\n"
    )


def test_a_named_label_that_cannot_be_evaluated_is_refused(path, tmp_path):
    printed = run(
        *("report", "--index", path, "--label", "title", "--html", tmp_path / "r.html"), code=1
    )
    assert printed.output.startswith("Error: 'title' cannot be a label")
    assert not (tmp_path / "r.html").exists()


# ---- the parts ----


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_contains_the_share_and_stays_within_0_and_1(pair):
    right, n = pair
    low, high = wilson(right, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1


def test_wilsons_interval_equals_the_textbook_value():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_principal_components_are_those_of_the_singular_values():
    vectors = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
    centered = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centered, full_matrices=False)
    found, shares = principal_components(vectors, 3)
    np.testing.assert_allclose(abs(found), abs(left * sizes)[:, :3], atol=1e-4)
    np.testing.assert_allclose(shares, (sizes**2 / (sizes**2).sum())[:3], rtol=1e-4)
