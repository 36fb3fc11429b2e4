"""Concepts from a few marks: a model readable by eye, kept and taught on, taken elsewhere."""

import csv
import json
import shutil

import hypothesis.strategies as st
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from search_toys import WORKS, at, make_compass, make_store
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from artsim.cli import cli
from artsim.errors import EvaluationError, PassportError, StoreError, UnknownWorkError
from artsim.labels import read_label
from artsim.metrics import choose_different, evaluate_concept, fit_concept, least_sure
from artsim.prediction import (
    Marks,
    Teacher,
    apply_concept,
    concept_names,
    delete_concept,
    find_head,
    load_concept,
    save_concept,
)
from artsim.search import Works
from artsim.store import Store

IDS = list(WORKS)


@pytest.fixture
def store(tmp_path):
    return make_compass(tmp_path / "compass")


def ids_of(rows):
    return [IDS[row] for row in rows]


def teach(store, positive, negative=(), name="east"):
    teacher = Teacher(Works(store))
    concept = teacher.learn(teacher.mark(positive, negative))
    return save_concept(name, teacher, concept, None)


# --- the model ----------------------------------------------------------------------------


def test_a_mark_in_the_east_ranks_works_from_east_to_north(store):
    teacher = Teacher(Works(store))
    concept = teacher.learn(teacher.mark(["a0"]))
    assert ids_of(concept.ranked(10)) == ["a10", "b20", "b30", "c40", "n60", "c90"]
    assert concept.scores[0] > 0.5 > concept.scores[-1]


def test_a_negative_mark_turns_the_ranking(store):
    teacher = Teacher(Works(store))
    concept = teacher.learn(teacher.mark(["c40"], ["a0"]))
    assert ids_of(concept.ranked(2)) == ["c90", "n60"]
    assert ids_of(concept.ranked(2, np.array([1, 2, 3]))) == ["b30", "b20"]


def test_the_model_is_scikit_learns_with_the_background_as_weak_negatives():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((60, 20)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    marks, background = vectors[:10], vectors[10:]
    positive = np.arange(10) < 8
    weights, bias = fit_concept(marks, positive, background)
    # 8 positive and 2 negative marks: the 50 others count as 6 more negative ones.
    sample_weight = np.r_[np.ones(10), np.full(50, 6 / 50)]
    truth = np.r_[positive, np.zeros(50, dtype=bool)]
    peer = LogisticRegression(C=10, tol=1e-8, max_iter=10_000)
    peer.fit(vectors.astype(float), truth, sample_weight=sample_weight)
    np.testing.assert_allclose(weights, peer.coef_[0], atol=0.01 * abs(peer.coef_).max())
    assert bias == pytest.approx(peer.intercept_[0], abs=0.01)


def test_the_sample_counts_at_least_half_as_much_as_the_positive_marks():
    marks, background = at(0, 10, 80, 90), at(40, 50)
    positive = np.array([True, True, False, False])
    weights, bias = fit_concept(marks, positive, background)
    peer = LogisticRegression(C=10, tol=1e-8, max_iter=10_000)
    truth = [1, 1, 0, 0, 0, 0]
    peer.fit(np.concatenate([marks, background]), truth, sample_weight=[1, 1, 1, 1, 0.5, 0.5])
    np.testing.assert_allclose(weights, peer.coef_[0], atol=0.05)
    assert bias == pytest.approx(peer.intercept_[0], abs=0.05)


def test_marks_that_are_left_out_are_ranked_by_the_others():
    rng = np.random.default_rng(1)
    marks = rng.standard_normal((9, 12)).astype(np.float32)
    marks /= np.linalg.norm(marks, axis=1, keepdims=True)
    positive = np.arange(9) % 2 == 0
    background = rng.standard_normal((20, 12)).astype(np.float32)
    scores = []
    for out in range(9):
        rest = np.arange(9) != out
        weights, bias = fit_concept(marks[rest], positive[rest], background)
        scores.append(marks[out] @ weights + bias)
    found = evaluate_concept(marks, positive, background)
    assert found.average_precision == pytest.approx(average_precision_score(positive, scores))
    assert (found.chance, found.positive, found.negative) == (5 / 9, 5, 4)
    assert evaluate_concept(marks[:5], positive[:5], background) is None  # two negative marks


def test_it_asks_about_works_it_is_least_sure_of_that_differ():
    assert least_sure(np.array([3.0, -0.1, 0.2, -4.0, 0.0]), 1).tolist()[:3] == [4, 1, 2]
    assert choose_different(at(40, 41, 42, 90, 0), 3).tolist() == [0, 3, 4]
    assert choose_different(at(40, 41), 5).tolist() == [0, 1]


@given(st.integers(0, 6), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_questions_are_distinct_and_as_many_as_possible(rows, n, seed):
    vectors = np.random.default_rng(seed).integers(-1, 2, (rows, 3)).astype(np.float32)
    found = choose_different(vectors, n).tolist()
    assert len(set(found)) == len(found) == min(rows, n)
    assert found[:1] == [0][:rows]


# --- marks --------------------------------------------------------------------------------


def test_marking_again_replaces_a_mark(store):
    teacher = Teacher(Works(store))
    marks = teacher.mark(["a0", "a10"], ["c90"]).updated(teacher.mark(["b20"], ["a10"]))
    assert (marks.of(True), marks.of(False)) == (["a0", "b20"], ["c90", "a10"])
    np.testing.assert_allclose(marks.vectors, at(0, 90, 20, 10), atol=1e-3)
    assert marks.without({"a0", "b20"}).of(True) == []


def test_marks_that_make_no_sense_are_refused(store):
    teacher = Teacher(Works(store))
    with pytest.raises(EvaluationError, match="'a0' is marked as positive and as negative"):
        teacher.mark(["a0"], ["a0"])
    with pytest.raises(UnknownWorkError, match="did you mean 'a10'"):
        teacher.mark(["a100"])
    with pytest.raises(EvaluationError, match="no work is marked as positive"):
        teacher.learn(teacher.mark([], ["a0"]))
    with pytest.raises(EvaluationError, match="no work is marked as positive"):
        teacher.learn(Marks.none(2))


# --- saved --------------------------------------------------------------------------------


def test_a_concept_is_a_column_a_condition_and_a_label(store):
    saved = teach(store, ["a0", "a10"], ["c90"])
    assert (saved.name, saved.score, saved.rows) == ("east", "east_score", 7)
    now = store.reopen()
    table = now.read(["id", "east", "east_score"]).to_pydict()
    assert table["east"][:3] == ["yes", "yes", "yes"]
    assert table["east"][-1] == "no"
    assert table["east_score"] == sorted(table["east_score"], reverse=True)
    found = Works(now).filter.rows("east = 'yes' AND east_score > 0.5", ())
    assert ids_of(found) == IDS[: saved.yes]
    label = read_label(now, "east")
    assert label.classes == ("no", "yes")
    assert "east was predicted by a model, and is no fact of the catalog" in label.notes[0]
    assert read_label(now, "east_score").is_prediction


def test_marks_are_kept_and_taught_on(store):
    teach(store, ["a0"], ["c90"])
    head = load_concept(store, "east")
    assert (head.marks.of(True), head.marks.of(False)) == (["a0"], ["c90"])
    teacher = Teacher(Works(store))
    both = head.marks.updated(teacher.mark(["a10"]))
    again = teacher.learn(both)
    at_once = teacher.learn(teacher.mark(["a0", "a10"], ["c90"]))
    np.testing.assert_allclose(again.logits, at_once.logits, atol=0.02)
    assert concept_names(store) == ["east"]


def test_a_damaged_concept_is_noticed(store):
    teach(store, ["a0"])
    file = find_head(store, "east")
    file.write_text(file.read_text().replace("a0", "a1"))
    with pytest.raises(StoreError, match="is damaged"):
        load_concept(store, "east")


def test_a_concept_of_an_index_that_was_embedded_again_meanwhile_is_not_saved(store):
    teacher = Teacher(Works(store))
    concept = teacher.learn(teacher.mark(["a0"]))
    shutil.rmtree(store.path)
    again = {id_: WORKS[id_] for id_ in reversed(WORKS)}  # as many works, in another order
    degrees = [work[0] for work in again.values()]
    make_store(store.path, list(again), {"east": at(*degrees)})
    with pytest.raises(StoreError, match="has changed meanwhile; teach 'east' again"):
        save_concept("east", teacher, concept, None)
    assert concept_names(store) == []


def test_a_concept_that_must_not_be_replaced_stays(store):
    teach(store, ["a0"])
    teacher = Teacher(Works(store))  # of before: it is in no column that this index read
    concept = teacher.learn(teacher.mark(["c90"]))
    with pytest.raises(EvaluationError, match="there is a concept 'east' already"):
        save_concept("east", teacher, concept, None, replaces=False)
    assert load_concept(store, "east").marks.of(True) == ["a0"]


def test_the_names_of_other_things_are_refused(store):
    with pytest.raises(EvaluationError, match="has a column or label 'artist' already"):
        teach(store, ["a0"], name="artist")
    with pytest.raises(EvaluationError, match="not a valid name"):
        teach(store, ["a0"], name="../east")
    assert concept_names(store) == []


def test_a_concept_is_deleted_with_its_columns(store):
    teach(store, ["a0"])
    delete_concept(store.reopen(), "east")
    assert (concept_names(store), list(store.reopen().added)) == ([], [])
    with pytest.raises(EvaluationError, match="no concept 'east'; there are: none"):
        delete_concept(store.reopen(), "east")


# --- elsewhere ----------------------------------------------------------------------------


def test_a_concept_is_taken_to_another_index_and_taught_on_there(store, tmp_path):
    teach(store, ["a0", "a10"], ["c90"])
    # Its first id is that of another work.
    other = make_store(tmp_path / "other", ["c90", "x", "y"], {"east": at(5, 45, 85)})
    saved = apply_concept(load_concept(store, "east"), other)
    assert (saved.rows, other.reopen().read(["east"]).column(0).to_pylist()[0]) == (3, "yes")
    here = load_concept(store, "east").tasks[0]
    there = load_concept(other, "east")
    np.testing.assert_array_equal(here.weights, there.tasks[0].weights)
    teacher = Teacher(Works(other))
    concept = teacher.learn(there.marks)
    assert concept.marked.tolist() == []  # its c90 is not the one that was marked
    assert [("c90", "x", "y")[row] for row in concept.ranked(3)] == ["c90", "x", "y"]


def test_an_index_of_another_model_is_refused_with_the_difference(store, tmp_path):
    teach(store, ["a0"])
    other = make_store(tmp_path / "other", ["x"], {"east": at(5)}, weights="1")
    with pytest.raises(PassportError, match=r"weights.*artsim teach east --positive ID"):
        apply_concept(load_concept(store, "east"), other)
    assert list(other.reopen().added) == []


# --- in the terminal ----------------------------------------------------------------------


def run_cli(*args):
    return CliRunner().invoke(cli, [*args], catch_exceptions=False)


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_teach_prints_the_concept_the_likeliest_and_what_to_mark(store, tmp_path):
    (tmp_path / "ids.txt").write_text("a0\na10\n\n")
    given = ["--positive", str(tmp_path / "ids.txt"), "--negative", "c90"]
    done = run_cli("teach", str(store.path), "east", *given, "-k", "2", "--ask", "1", "--json")
    summary, *rows = lines(done)
    assert summary["positive"] == ["a0", "a10"]
    assert summary["columns"] == ["east", "east_score"]
    assert [(row["use"], row["id"]) for row in rows[:2]] == [("likely", "b20"), ("likely", "b30")]
    assert rows[2]["use"] == "ask"
    assert {row["index"] for row in rows} == {str(store.path)}


def test_teach_goes_on_with_the_marks_of_before_and_writes_them(store, tmp_path):
    run_cli("teach", str(store.path), "east", "--positive", "a0", "--negative", "a10")
    out = tmp_path / "east.csv"
    more = ["--positive", "a10", "--unmark", "a0", "--output", str(out)]
    summary = lines(run_cli("teach", str(store.path), "east", *more, "--json"))[0]
    assert (summary["positive"], summary["negative"]) == (["a10"], [])
    with out.open(encoding="utf-8-sig") as file:
        marks = {row["id"]: row["mark"] for row in csv.DictReader(file)}
    assert marks == dict.fromkeys(IDS, "") | {"a10": "positive"}
    again = run_cli("teach", str(store.path), "copy", "--marks", str(out), "--json")
    assert lines(again)[0]["positive"] == ["a10"]
    listed = lines(run_cli("teach", str(store.path), "--json"))
    assert {row["concept"]: (row["positive"], row["negative"]) for row in listed} == {
        "east": (1, 0),
        "copy": (1, 0),
    }


def test_the_top_of_a_concept_is_written_as_it_is_shown_without_the_marks(store, tmp_path):
    words = ("teach", "east", "--index", str(store.path), "-o", str(tmp_path / "top.csv"))
    done = run_cli(*words, "--positive", "a0", "-k", "2", "--json")
    cut = f"only the first 2 of {len(WORKS) - 1} works without a mark are in {words[-1]}; "
    assert done.stderr == f"Note: {cut}without -k it has all\n"
    shown = lines(done)[1:]
    rows = list(csv.DictReader((tmp_path / "top.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == [row["id"] for row in shown] == ["a10", "b20"]
    assert [float(row["score"]) for row in rows] == [row["score"] for row in shown]
    own = ["rank", "id", "score", "predicted", "mark", "image"]
    assert list(rows[0]) == [*own, *(field.name for field in store.manifest.fields)]
    assert [row["artist"] for row in rows] == [WORKS[row["id"]][1] or "" for row in rows]
    run_cli(*words, "--where", "artist = 'Ada'")
    rows = list(csv.DictReader((tmp_path / "top.csv").read_text().splitlines()))
    assert {row["artist"] for row in rows} == {"Ada"}
    assert run_cli(*words).stderr == ""  # every work, to teach on elsewhere
    rows = list(csv.DictReader((tmp_path / "top.csv").read_text().splitlines()))
    assert [row["mark"] for row in rows if row["mark"]] == ["positive"]
    assert len(rows) == len(WORKS)


def test_an_unknown_id_is_reported_and_the_others_are_marked(store):
    given = ["--positive", "a0,zz"]
    done = run_cli("teach", str(store.path), "east", *given, "--json")
    assert done.exit_code == 1
    assert "not marked: no picture has the id 'zz'" in done.stderr
    assert load_concept(Store.open(store.path), "east").marks.of(True) == ["a0"]


def test_a_mark_to_remove_that_is_not_there_is_said(store):
    run_cli("teach", str(store.path), "east", "--positive", "a0,a10")
    done = run_cli("teach", str(store.path), "east", "--unmark", "a10,c90")
    assert (done.exit_code, done.stderr) == (0, "Note: 'c90' has no mark to remove\n")
    assert load_concept(Store.open(store.path), "east").marks.of(True) == ["a0"]
    done = run_cli("teach", str(store.path), "east", "--unmark", "zz")
    assert done.exit_code == 1
    assert done.stderr.startswith("Note: not unmarked: no picture has the id 'zz' in ")


def test_a_concept_that_is_no_better_than_chance_is_said_to_be(store):
    better = ["--positive", "a0,a10,b20", "--negative", "c40,n60,c90"]
    printed = run_cli("teach", str(store.path), "east", *better, "--table").stdout
    assert "each left out in turn (chance 0.500). Works that you did not choose are har" in printed
    worse = ["--positive", "a0,b30,n60", "--negative", "a10,b20,c40"]
    printed = run_cli("teach", str(store.path), "mixed", *worse, "--table").stdout
    assert (
        "(chance 0.500). That is no better than chance: check your marks, or mark more" in printed
    )


def test_both_lists_of_teach_have_the_columns_that_the_works_have(tmp_path):
    columns = {
        "title": ["Jar", "Cup", "Urn"],
        "artist": [None] * 3,
        "period": ["Late", "Old", None],
    }
    store = make_store(tmp_path / "finds", list("abc"), {"t": at(0, 30, 90)}, columns)
    given = ["--positive", "a", "--ask", "1", "--table"]
    for _ in range(2):  # also where the index has the columns of the concept
        printed = run_cli("teach", str(store.path), "round", *given).stdout
        lines = [line.split() for line in printed.splitlines()]
        heads = [place for place, line in enumerate(lines) if line[:1] == ["score"]]
        assert [lines[place][:3] for place in heads] == [["score", "id", "title"]] * 2
        assert lines[heads[0]] == ["score", "id", "title", "period"]
        assert lines[heads[0] + 2][1:] == ["b", "Cup", "Old"]


def test_a_title_given_as_a_mark_lists_the_works_of_that_title(store):
    done = run_cli("teach", str(store.path), "east", "--positive", "ada")
    assert done.exit_code == 1
    assert "not marked: 'ada' is no id; these works of" in done.stderr
    assert "\n  a0  Ada, 1600" in done.stderr


def test_teach_without_marks_says_what_is_missing(store):
    done = run_cli("teach", str(store.path), "east")
    assert done.exit_code == 2
    assert "there is no concept 'east' yet; mark works with --positive ID" in done.stderr


def test_teach_applies_to_another_index(store, tmp_path):
    other = make_store(tmp_path / "other", ["x"], {"east": at(5)})
    given = ["--positive", "a0", "--apply", str(other.path)]
    done = run_cli("teach", str(store.path), "east", *given, "--table")
    assert f"east in {other.path}: 1 of 1 picture yes" in done.stdout
    assert run_cli("teach", str(store.path), "east", "--delete").exit_code == 0
    assert concept_names(store) == []
    assert concept_names(other) == ["east"]


def test_marks_without_a_name_are_refused_and_a_missing_file_is_named(store):
    result = run_cli("teach", str(store.path), "--positive", "a0")
    assert result.exit_code == 2
    assert "name the concept, too: teach compass NAME ..." in result.output
    result = run_cli("teach", str(store.path), "east", "--positive", "gone.txt")
    assert result.exit_code == 2
    assert "no file 'gone.txt'; give IDs, or a file with one a line" in result.output
    result = run_cli("teach", str(store.path), "sailing ships", "--positive", "a0")
    assert "'sailing ships' is not a valid name here" in result.output
    assert "such as 'sailing-ships'" in result.output
