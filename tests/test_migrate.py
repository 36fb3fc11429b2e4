"""An index moves to another model: compared before, switched in one step, whole at any moment."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import MeanColor, toy_passport, unit
from PIL import Image

from artsim.cli import cli
from artsim.cli.migrate_outputs import print_cost
from artsim.datatypes import Field, FieldType, TapInfo, parse_spec
from artsim.embedding import EmbedSettings, embed_collection, sizing
from artsim.errors import PassportError, StoreError
from artsim.evaluation.probe import LabelPlan
from artsim.index import is_current, open_index
from artsim.metrics import fit_linear_map
from artsim.migration import (
    build_version,
    compare_labels,
    compare_neighbors,
    count_unread,
    map_missing,
    pair_versions,
    what_is_kept,
)
from artsim.models import Extractor
from artsim.prediction import Teacher, apply_concept, load_concept, save_concept
from artsim.readers import read_collection
from artsim.search import SearchRequest, Term, Works
from artsim.server import Museum
from artsim.store import (
    MAPPED,
    Store,
    finish_version,
    lock_index,
    read_versions,
    switch_version,
    write_added,
)


class Turned(MeanColor):
    """A picture's mean color, its axes turned: another model whose neighbors are the same."""

    def __call__(self, pixels):
        mean = pixels.mean(axis=(2, 3), dtype=np.float32)
        return [np.stack([-mean[:, 1], mean[:, 2], mean[:, 0]], axis=1)]


class OnlyRed(MeanColor):
    """A model that sees red alone, and black as its contrary."""

    def __call__(self, pixels):
        red = pixels[:, 0].mean(axis=(1, 2), dtype=np.float32) / 255
        return [np.stack([red, 1 - red, np.zeros_like(red)], axis=1)]


def extractor(network, name):
    tap = TapInfo(name="rgb", layer=name, pooling="none", dim=3)
    return Extractor(network(), toy_passport((tap,), spec=f"toy:{name}"))


TURNED = extractor(Turned, "turned")
RED = extractor(OnlyRed, "red")


def paint_grid(folder):
    """Paint 64 pictures: all mixtures of four shades of each color, and a table with their red."""
    folder.mkdir()
    lines = ["id,image,red"]
    for n in range(64):
        color = tuple(20 + 70 * (n // 4**axis % 4) for axis in range(3))
        Image.new("RGB", (8, 8), color).save(folder / f"{n:02}.png")
        lines.append(f"w{n:02},{n:02}.png,shade {n % 4}")
    (folder / "objects.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def grid(tmp_path):
    return paint_grid(tmp_path / "grid")


@pytest.fixture
def index(tmp_path, grid, toy):
    embed_collection(read_collection(grid), tmp_path / "index", toy)
    return tmp_path / "index"


def build(index, grid, network):
    store = Store.open(index)
    summary = build_version(store, read_collection(grid), network)
    finish_version(summary.path, store.fingerprint)
    return next(each for each in read_versions(index) if each.path == summary.path)


def answers(index):
    """Return what the nearest three of each work are, and by which model."""
    store = Store.open(index)
    ids = store.read(["id"]).column("id").to_pylist()
    _, rows = open_index(store, "rgb").search(unit_rows(store), 3)
    return store.manifest.passport.spec, [[ids[row] for row in some] for some in rows]


def unit_rows(store):
    vectors = store.vectors("rgb")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# --- the comparison -----------------------------------------------------------------------


def test_turned_vectors_keep_every_neighbor(index, grid):
    version = Store.open(build(index, grid, TURNED).path)
    found = compare_neighbors(pair_versions(Store.open(index), version, (None, None)), k=5)
    assert found.overlap == 1
    assert found.histogram == [0, 0, 0, 0, 0, 64]


def test_another_models_neighbors_are_counted_as_by_hand(index, grid):
    version = Store.open(build(index, grid, RED).path)
    pair = pair_versions(Store.open(index), version, (None, None))
    found = compare_neighbors(pair, k=5)
    similar = pair.old @ pair.old.T
    by_red = pair.new @ pair.new.T
    for each in (similar, by_red):
        np.fill_diagonal(each, -2)
    kept = [
        len(set(np.argsort(-a, kind="stable")[:5]) & set(found.new[row].tolist()))
        for row, a in enumerate(similar)
    ]
    assert found.shared.tolist() == kept
    assert (by_red[np.arange(64)[:, None], found.new] > 0.999).all()
    assert 0 < found.overlap < 0.5
    order = found.most_changed
    assert found.shared[order].tolist() == sorted(kept)


def test_labels_are_scored_on_the_same_split(index, grid):
    version = Store.open(build(index, grid, RED).path)
    pair = pair_versions(Store.open(index), version, (None, None))
    (found,) = compare_labels(pair, LabelPlan(labels=("red",)), {})
    assert found.new.value == 1  # the new model sees nothing but this
    assert found.difference.estimate.value == pytest.approx(found.new.value - found.old.value)
    assert found.old.n == found.new.n == len(found.split.test)


# --- the switch ---------------------------------------------------------------------------


def test_a_switch_changes_the_index_and_back_restores_it(index, grid):
    before, straight = answers(index), Store.open(index).fingerprint
    version = build(index, grid, RED)
    assert answers(index) == before  # the index answers as before while the version is there
    after = answers(version.path)
    store = switch_version(Store.open(index), version)
    assert store.manifest.name == "index"
    assert answers(index) == after
    assert is_current(store, "rgb")
    (old,) = read_versions(index)
    assert (old.spec, old.rows, bool(old.replaced)) == ("toy:mean-color", 64, True)
    assert answers(old.path) == before
    store = switch_version(store, old)
    assert answers(index) == before
    assert store.fingerprint == straight
    assert [each.spec for each in read_versions(index)] == ["toy:red"]
    assert store.damaged_parts() == []


class Killed(BaseException):
    """What a kill is in a test: nothing catches it."""


def test_killed_at_any_moment_of_a_switch_the_index_is_whole(tmp_path, grid, toy, monkeypatch):
    collection = read_collection(grid)
    embed_collection(collection, tmp_path / "made", toy)
    build(tmp_path / "made", grid, RED)
    old, new = answers(tmp_path / "made"), None
    moment, seen = 0, set()
    while True:
        index = tmp_path / f"index{moment}"
        shutil.copytree(tmp_path / "made", index)
        (version,) = read_versions(index)
        new = new or answers(version.path)
        with monkeypatch.context() as patched:
            left = [moment]
            for owner, name in ((os, "link"), (Path, "replace"), (Path, "unlink")):
                patched.setattr(owner, name, killing(getattr(owner, name), left))
            try:
                switch_version(Store.open(index), version)
                break
            except Killed:
                pass
        store = Store.open(index)
        assert store.damaged_parts() == []
        assert store.failures().num_rows == 0
        assert answers(index) in (old, new)
        seen.add(answers(index)[0])
        waiting = [each for each in read_versions(index) if not each.replaced]
        if waiting:
            switch_version(store, waiting[0])
        assert answers(index) == new
        assert is_current(Store.open(index), "rgb")
        (kept,) = read_versions(index)
        assert answers(kept.path) == old
        moment += 1
    assert seen == {"toy:mean-color", "toy:red"}
    assert moment > 15


def killing(call, left):
    def killed(*args, **options):
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return call(*args, **options)

    return killed


def test_an_interrupted_version_cannot_be_switched_to_and_is_resumed(index, grid):
    class Stops(OnlyRed):
        def __call__(self, pixels):
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            self.batches.append(len(pixels))
            return super().__call__(pixels)

    store, catalog = Store.open(index), read_collection(grid)
    network = Stops()
    settings = EmbedSettings(batch_size=8, part_rows=16)
    with pytest.raises(KeyboardInterrupt):
        build_version(store, catalog, Extractor(network, RED.passport), settings=settings)
    assert read_versions(index) == []
    done = build_version(store, catalog, RED, settings=settings)
    assert (done.rows, done.embedded, done.kept) == (64, 48, 16)


def test_a_locked_index_is_not_switched(index, grid):
    version = build(index, grid, RED)
    with lock_index(index), pytest.raises(StoreError, match="another 'artsim embed' is writing"):
        switch_version(Store.open(index), version)
    assert answers(index)[0] == "toy:mean-color"


def test_an_index_that_changed_meanwhile_is_not_switched(index, grid, toy):
    version = build(index, grid, RED)
    with (grid / "objects.csv").open("a") as table:
        table.write("w64,00.png,shade 0\n")
    embed_collection(read_collection(grid), index, toy)
    with pytest.raises(StoreError, match="has changed since toy-red was made; bring that up to"):
        switch_version(Store.open(index), version)
    assert switch_version(Store.open(index), build(index, grid, RED)).rows == 65


def test_the_same_model_is_refused(index, grid, toy):
    with pytest.raises(StoreError, match="has the vectors of toy:mean-color already"):
        build_version(Store.open(index), read_collection(grid), toy)


def test_an_index_that_is_served_answers_on_and_is_then_the_new_one(index, grid):
    made = []
    museum = Museum([Store.open(index)], lambda store: made.append(store) or object())
    before, request = museum.rooms["index"], SearchRequest(terms=(Term(id="w03"),), k=3)
    old = [each.id for each in before.searcher.search(request).matches]
    version = build(index, grid, RED)
    assert museum.refresh() == []
    switch_version(Store.open(index), version)
    assert [each.id for each in before.searcher.search(request).matches] == old
    assert museum.refresh() == ["index"]
    spec = museum.rooms["index"].store.manifest.passport.spec
    assert spec == made[-1].manifest.passport.spec == "toy:red"  # with an encoder of its own
    museum.close()


# --- what is kept with an index -----------------------------------------------------------


def test_concepts_of_the_old_model_are_refused_and_learned_again(index, grid):
    teacher = Teacher(Works(Store.open(index)))
    marks = teacher.mark(["w03", "w07"], ["w00", "w04"])
    save_concept("bright", teacher, teacher.learn(marks), None)
    version = build(index, grid, RED)
    kept = what_is_kept(Store.open(index), Store.open(version.path).manifest.passport)
    assert (kept.concepts, kept.probes) == (("bright",), ())
    assert kept.columns == ("bright", "bright_score")
    store = switch_version(Store.open(index), version)
    head = load_concept(store, "bright")
    with pytest.raises(PassportError, match="'bright' was trained on vectors other than"):
        apply_concept(head, store)
    again = Teacher.of(Works(store), head).marks_of(head)
    assert again.ids == marks.ids
    rows = [3, 7, 0, 4]
    np.testing.assert_allclose(again.vectors, unit_rows(store)[rows], atol=1e-3)


# --- the linear map -----------------------------------------------------------------------


def test_a_rotation_is_recovered_exactly():
    rng = np.random.default_rng(0)
    old = unit(rng, 300, 8)
    turn, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    new = (old @ turn).astype(np.float32)
    found = fit_linear_map(old, new, np.arange(200), np.arange(200, 250))
    np.testing.assert_allclose(found.weights, turn, atol=1e-5)
    np.testing.assert_allclose(found.apply(old[250:]), new[250:], atol=1e-6)


def test_a_strong_ridge_is_chosen_where_the_vectors_are_noise():
    rng = np.random.default_rng(1)
    old, new = unit(rng, 60, 50), unit(rng, 60, 4)
    found = fit_linear_map(old, new, np.arange(40), np.arange(40, 60))
    assert found.strength >= 1.0
    flat = fit_linear_map(old, new, np.arange(40), np.arange(40, 60), lambdas=[1e-3])
    x = old[:40].astype(np.float64) - old[:40].mean(axis=0, dtype=np.float64)
    y = new[:40].astype(np.float64) - new[:40].mean(axis=0, dtype=np.float64)
    penalty = 1e-3 * np.trace(x.T @ x) / 50 * np.eye(50)  # of the mean variance
    np.testing.assert_allclose(flat.weights, np.linalg.solve(x.T @ x + penalty, x.T @ y), atol=1e-5)


def test_works_without_a_picture_get_mapped_vectors_that_are_marked(index, grid, toy):
    for name in ("07.png", "42.png"):
        (grid / name).unlink()
    assert count_unread(Store.open(index), TURNED.passport) == 64
    version = build(index, grid, TURNED)
    assert version.rows == 62
    assert count_unread(Store.open(index), TURNED.passport) == 0  # two are gone
    with pytest.raises(StoreError, match=r"2 works of .*, such as 'w07', have no vector in"):
        switch_version(Store.open(index), version)
    pair = pair_versions(Store.open(index), Store.open(version.path), (None, None))
    done = map_missing(pair)
    assert (done.rows, done.train, done.validation, done.test) == (2, 50, 6, 6)
    assert done.recall == 1.0
    store = switch_version(Store.open(index), version)
    table = store.read(["id", "rgb", MAPPED]).to_pandas().set_index("id")
    assert table.index[table[MAPPED].notna()].tolist() == ["w07", "w42"]
    assert store.added[MAPPED].made["recall"] == 1.0
    for name, color in {"w07": (230, 90, 20), "w42": (160, 160, 160)}.items():
        true = np.array([-color[1], color[2], color[0]]) / np.linalg.norm(color)
        np.testing.assert_allclose(table.loc[name, "rgb"], true, atol=2e-3)
    # A picture that is there again is embedded, and its vector is no mapped one any more.
    Image.new("RGB", (8, 8), (230, 90, 20)).save(grid / "07.png")
    embed_collection(read_collection(grid), index, TURNED)
    assert MAPPED not in Store.open(index).added


def test_a_mark_is_no_label_of_its_own(index, grid):
    table = Store.open(index).read(["id"]).slice(0, 1)
    marks = table.append_column(MAPPED, [["yes"]])
    write_added(index, Field(MAPPED, FieldType.TEXT), marks, {"kind": "mapped"})
    version = build(index, grid, RED)
    pair = pair_versions(Store.open(index), Store.open(version.path), (None, None))
    assert [each.label.name for each in compare_labels(pair, LabelPlan(), {})] == ["red"]


# --- the command --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tiles", "cores", "longer"),
    [
        (0, 1, ", in about 7 minutes on 1 core"),  # 60 s of decoding, 320 s of computing
        (2, 1, ", in about 28 minutes on 1 core"),  # five times as much computing: 27.6
        (0, 2, ", in about 4 minutes on 2 cores"),
        (0, None, ""),
    ],
)
def test_the_cost_is_said_before(monkeypatch, capsys, index, tiles, cores, longer):
    store = Store.open(index)
    work = sizing.Workload(pictures=20_000, flops=8e8, dims=(8,), side=8, cores=1)
    monkeypatch.setattr(sizing, "workload_of", lambda *_, cores, **__: replace(work, cores=cores))
    store.manifest = replace(store.manifest, tiles=tiles)
    print_cost(store, parse_spec("timm:x.random"), TURNED.passport, cores=cores)
    assert capsys.readouterr().err == (
        f"index: 64 pictures will be embedded again by timm:x.random{longer}; if you interrupt "
        "it, the next run continues\n"
    )


def run(*arguments):
    return CliRunner().invoke(cli, ["migrate", *map(str, arguments)])


def test_the_command_goes_from_one_model_to_another_and_back(grid, tmp_path):
    index, toy = tmp_path / "index", ("--backend", "torch", "--precision", "f32")
    made = ["embed", str(grid), "-m", "timm:test_resnet.random", "-o", str(index), *toy]
    assert CliRunner().invoke(cli, made).exit_code == 0
    files = [f"--{kind}={tmp_path / f'changes.{kind}'}" for kind in ("csv", "html")]
    files.append(f"--sheet={tmp_path / 's.png'}")
    found = run(index, "-m", "timm:test_vit.random", *toy, *files, "--json")
    assert found.exit_code == 0, found.output
    assert (
        "index: 64 pictures will be embedded again by timm:test_vit.random, in about 1 minute on"
        in (found.stderr)
    )
    again = run(index, "-m", "timm:test_vit.random", *toy, "--json")
    assert again.exit_code == 0, again.output
    assert "will be embedded again" not in again.stderr
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert rows[0]["works"] == 64
    assert rows[1]["label"] == "red"
    csv = (tmp_path / "changes.csv").read_text().splitlines()
    assert csv[0] == "id,kept,of,rank,old_neighbor,new_neighbor"
    assert len(csv) == 1 + 64 * 10
    assert "of its 10 nearest stay" in (tmp_path / "changes.html").read_text()
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width > 1000
    switched = run(index, "--switch", "--table")
    assert switched.exit_code == 0, switched.output
    assert "--back restores it" in switched.output
    assert run(index, "--back", "--table").exit_code == 0
    assert Store.open(index).manifest.passport.spec == "timm:test_resnet.random"
    assert run(index, "--drop-old", "--table").output.startswith("Deleted ")
    assert run(index, "--json").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--switch"], "has no new version; there are: none. Make one with 'artsim migrate"),
        (["--back"], "has no replaced version; there are: none"),
        (["--drop-old"], "has no replaced version to delete; there are: none"),
        (["--switch", "--name", "x"], "has no version 'x'; there are: none"),
        (["--switch", "--back"], "are steps of their own"),
    ],
)
def test_a_step_that_is_not_possible_says_what_is(index, arguments, message):
    found = run(index, *arguments)
    assert found.exit_code in (1, 2)
    assert message in found.output
