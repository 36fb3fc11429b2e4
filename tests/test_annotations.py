"""Labels and splits of an index: noted by name, kept by id, true after the index has changed."""

import json

import numpy as np
import pyarrow as pa
import pytest
import search_toys
from click.testing import CliRunner
from conftest import toy_passport

from artsim.cli import cli
from artsim.datatypes import Catalog, Field, FieldType
from artsim.embedding import embed_collection
from artsim.errors import EvaluationError, StoreError
from artsim.evaluation.knn import KnnPlan, knn_eval
from artsim.labels import (
    add_label,
    codes_of,
    derived_labels,
    group_codes,
    label_columns,
    remove_label,
    values_of,
)
from artsim.readers import read_collection
from artsim.splits import (
    SplitPlan,
    audit_catalog,
    audit_splits,
    make_split,
    read_stored_split,
    stored_splits,
)
from artsim.store import Manifest, Store, part_schema

METADATA = [
    pa.field("artist", pa.string()),
    pa.field("medium", pa.string()),
    pa.field("tags", pa.list_(pa.string())),
    pa.field("year", pa.int64()),
]


def make_store(path, artists, media, vectors=None, years=None):
    """Make an index with a row for each artist; ids are r0, r1, ..."""
    n = len(artists)
    manifest = Manifest(
        name="toy",
        reader="table",
        source="/museum",
        root="/museum",
        fields=tuple(Field(field.name, FieldType.of(field.type)) for field in METADATA),
        passport=toy_passport(),
        complete=True,
    )
    store = Store.create(path, manifest)
    store.append(rows([f"r{i}" for i in range(n)], artists, media, vectors, years))
    return Store.open(path)


def rows(ids, artists, media, vectors=None, years=None):
    n = len(ids)
    if vectors is None:
        vectors = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    schema = part_schema(METADATA, toy_passport().taps)
    columns = {
        "id": ids,
        "image": [f"{id_}.jpg" for id_ in ids],
        "content_hash": [f"hash of {id_}" for id_ in ids],
        "width": [10] * n,
        "height": [20] * n,
        "file_bytes": [100] * n,
        "file_mtime_ns": [5] * n,
        "artist": artists,
        "medium": media,
        "tags": [["a", "b"]] * n,
        "year": years or [1900] * n,
        "rgb": pa.FixedSizeListArray.from_arrays(
            pa.array(np.ravel(vectors)), type=schema.field("rgb").type
        ),
    }
    return pa.Table.from_pydict(columns, schema=schema)


@pytest.fixture
def store(tmp_path):
    artists = ["Ada", "Ben", "Cy", "Dee"] * 5
    return make_store(tmp_path / "i", artists, ["Oil", "Lithograph", None, "oil"] * 5)


def sides(split):
    return dict(zip([f"r{i}" for i in range(len(split.parts))], split.parts, strict=True))


# --- labels -------------------------------------------------------------------------------


def test_a_derived_label_is_known_by_its_name(store):
    add_label(store.path, "oily = medium ILIKE '%oil%'")
    again = Store.open(store.path)
    assert derived_labels(again) == {"oily": "medium ILIKE '%oil%'"}
    assert values_of(again, "oily")[:4] == ["oily", "not oily", None, "oily"]
    assert label_columns(again)[0] == ["artist", "medium", "oily"]


def test_a_derived_label_can_be_replaced_and_removed(store):
    add_label(store.path, "x = year > 1")
    add_label(store.path, "y = floor(year / 100)")
    add_label(store.path, "x = medium ILIKE '%oil%'")
    assert derived_labels(Store.open(store.path)) == {
        "y": "floor(year / 100)",
        "x": "medium ILIKE '%oil%'",
    }
    remove_label(store.path, "y")
    assert derived_labels(Store.open(store.path)) == {"x": "medium ILIKE '%oil%'"}
    with pytest.raises(EvaluationError, match="no derived label or added column 'y'; there are: x"):
        remove_label(store.path, "y")


def test_a_label_that_another_of_its_name_replaces_is_said(store):
    def derive(text):
        return CliRunner().invoke(cli, ["label", text, "--index", str(store.path)]).output

    assert "replaces" not in derive("x = year > 1")
    assert "replaces" not in derive("x = year > 1")  # the same again
    assert "Note: it replaces another 'x', which was: year > 1" in derive("x = year > 2")


def test_a_name_with_spaces_and_quotes_is_read_back(store):
    add_label(store.path, '"a ""b"" c" = year > 1')
    assert values_of(Store.open(store.path), 'a "b" c')[0] == 'a "b" c'


def test_a_label_can_be_derived_from_size_and_id(store):
    assert set(values_of(store, "upright = height > width")) == {"upright"}
    assert values_of(store, "ten = id ILIKE '%r1%'").count("ten") == 11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("artist = year > 1", "has a column 'artist' already"),
        ("id = year > 1", "has a column 'id' already"),
        (
            "x = nation ILIKE '%a%'",
            "no column 'nation'; choose from artist, medium, tags, year, id",
        ),
        ("x = rgb > 1", "no column 'rgb'; choose from"),
    ],
)
def test_an_invalid_label_is_not_added(store, text, message):
    with pytest.raises(EvaluationError, match=message):
        add_label(store.path, text)
    assert derived_labels(Store.open(store.path)) == {}


def test_a_column_of_several_values_needs_a_derived_label(store):
    with pytest.raises(EvaluationError, match=r"derive a label of it: NAME = tags = 'text'"):
        values_of(store, "tags")
    assert set(values_of(store, "x = tags = 'a'")) == {"x"}


def test_a_manifest_without_labels_opens(store):
    file = store.path / "manifest.json"
    values = json.loads(file.read_text())
    del values["labels"], values["checksum"]  # as artsim 0.1 wrote it
    file.write_text(json.dumps(values))
    assert Store.open(store.path).manifest.labels == ()


# --- splits -------------------------------------------------------------------------------


def test_a_split_is_stored_with_how_it_was_drawn(store):
    plan = SplitPlan(fractions=(0.6, 0.2, 0.2), stratify="artist", seed=3)
    made = make_split(store, "s", plan)
    assert made == read_stored_split(Store.open(store.path), "s")
    assert made.plan == plan
    assert made.counts == {"train": 12, "val": 4, "test": 4}
    for side, each in (("train", 3), ("val", 1), ("test", 1)):
        artists = [["Ada", "Ben", "Cy", "Dee"][row % 4] for row in made.rows(side)]
        assert [artists.count(name) for name in ("Ada", "Ben", "Cy", "Dee")] == [each] * 4
    assert stored_splits(store) == ["s"]


def test_each_group_is_in_one_part(store):
    split = make_split(store, "s", SplitPlan(folds=2, group="artist"))
    folds = {}
    for row, side in enumerate(split.parts):
        folds.setdefault(row % 4, set()).add(side)
    assert all(len(found) == 1 for found in folds.values())
    assert split.counts == {"fold 1": 10, "fold 2": 10}


def test_a_split_follows_ids_when_rows_change(store):
    before = sides(make_split(store, "s", SplitPlan(fractions=(0.5, 0.5))))
    moved = store.read_part(0)
    order = [7, 3, 0, 19, 12]
    store.rewrite([(0, moved.take(order))], failures=(), manifest=store.manifest)
    store.append(rows(["new", "newer"], ["Ada", "Ben"], ["Oil", None]))
    after = read_stored_split(Store.open(store.path), "s")
    assert after.parts == (*(before[f"r{i}"] for i in order), None, None)
    assert (after.unassigned, after.gone, after.left_out) == (2, 15, 0)


def test_a_sample_has_the_same_number_of_each_class(tmp_path):
    artists = ["Ada"] * 900 + ["Ben"] * 100 + [None] * 10
    store = make_store(tmp_path / "i", artists, [None] * 1010)
    split = make_split(store, "s", SplitPlan(per_class=50, stratify="artist"))
    drawn = split.rows("sample")
    assert ((drawn < 900).sum(), (drawn >= 900).sum()) == (50, 50)
    assert 250 < np.median(drawn[drawn < 900]) < 650  # not the head
    assert split.left_out == 910
    assert split.unassigned == 0
    halves = SplitPlan(per_class=50, stratify="artist", fractions=(0.5, 0.5))
    assert make_split(store, "h", halves).counts == {"train": 50, "test": 50}


def test_the_seed_determines_the_split(store):
    drawn = [
        make_split(store, name, SplitPlan(fractions=(0.5, 0.5), seed=seed)).parts
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_derived_label_can_stratify(store):
    add_label(store.path, "oily = medium ILIKE '%oil%'")
    split = make_split(
        Store.open(store.path), "s", SplitPlan(fractions=(0.6, 0.4), stratify="oily")
    )
    assert split.counts == {"train": 12, "test": 8}


@pytest.mark.parametrize(
    ("name", "plan", "message"),
    [
        ("../s", {"folds": 2}, "is not a valid name for a split"),
        (".s", {"folds": 2}, "is not a valid name for a split"),
        ("artist", {"folds": 2}, "'artist' is a column"),
        ("s", {}, "needs fractions, folds, or a number of rows per class"),
        ("s", {"folds": 2, "fractions": (0.5, 0.5)}, "not both"),
        ("s", {"fractions": (0.25,) * 4}, "2 fractions .* or 3 .*, got 4"),
        ("s", {"per_class": 2}, "a number of rows per class needs a label"),
        ("s", {"folds": 5, "group": "artist"}, "too few groups for 5 folds: 4"),
        ("s", {"folds": 2, "stratify": "nation"}, "no column 'nation'; choose from artist"),
    ],
)
def test_an_impossible_split_says_why(store, name, plan, message):
    with pytest.raises(EvaluationError, match=message):
        make_split(store, name, SplitPlan(**plan))
    assert stored_splits(store) == []


def test_a_split_is_replaced_only_on_request(store):
    make_split(store, "s", SplitPlan(folds=2))
    with pytest.raises(EvaluationError, match="has a split 's'; choose another --name, or"):
        make_split(store, "s", SplitPlan(folds=3))
    assert len(make_split(store, "s", SplitPlan(folds=3), replace=True).counts) == 3


def test_a_damaged_split_gives_a_one_line_error(store):
    make_split(store, "s", SplitPlan(folds=2))
    (store.path / "splits" / "s.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"is damaged .*; delete it and split again"):
        read_stored_split(store, "s")


def test_a_split_column_can_use_any_common_name_of_the_parts(tmp_path):
    words = ["Train", "training", "TEST", "val", "valid", "dev", None, "other", "testing"]
    split = read_stored_split(make_store(tmp_path / "i", words, [None] * 9), "artist")
    assert split.parts == (
        *("train", "train", "test", "val", "val", "val", None, None),
        "test",
    )
    assert split.plan is None


def test_labels_and_splits_survive_an_embed(colors, tmp_path, toy, paint):
    path = tmp_path / "index"
    embed_collection(read_collection(colors), path, toy)
    add_label(path, "cold = class ILIKE '%cold%'")
    before = make_split(Store.open(path), "s", SplitPlan(fractions=(0.5, 0.5)))
    ids = Store.open(path).read(["id"]).column("id").to_pylist()
    side = dict(zip(ids, before.parts, strict=True))
    paint(colors / "cold/aqua.png", (0, 200, 200))
    paint(colors / "warm/red.png", (200, 0, 0))  # changed, so embedded again and last
    (colors / "cold/blue.png").unlink()
    embed_collection(read_collection(colors), path, toy)
    store = Store.open(path)
    ids = store.read(["id"]).column("id").to_pylist()
    assert read_stored_split(store, "s").parts == tuple(side.get(id_) for id_ in ids)
    assert (read_stored_split(store, "s").unassigned, read_stored_split(store, "s").gone) == (1, 1)
    assert values_of(store, "cold") == [
        "cold" if id_.startswith("cold") else "not cold" for id_ in ids
    ]
    result = CliRunner().invoke(
        cli, ["knn-eval", "--index", str(path), "--label", "cold", "--split", "s", "-k", "1"]
    )
    assert "1 picture was added after the split 's'" in result.stderr


# --- what an evaluation makes of them -----------------------------------------------------

EAST, NORTH = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def accuracy(store, **plan):
    (found,) = knn_eval(store, KnnPlan(tap="rgb", labels=("artist",), ks=(1,), **plan))
    return found.scores[0].estimate.value, found.scores[0].estimate.n


@pytest.fixture
def compass(tmp_path):
    """Twenty rows: Ada's point east, Ben's north."""
    vectors = np.float32([EAST, NORTH] * 10)
    return make_store(tmp_path / "i", ["Ada", "Ben"] * 10, ["Oil"] * 20, vectors)


def test_splits_folds_and_samples_are_evaluated(compass):
    make_split(compass, "s", SplitPlan(fractions=(0.8, 0.2), stratify="artist"))
    assert accuracy(compass, split="s") == (1.0, 4)
    make_split(compass, "f", SplitPlan(folds=4, stratify="artist"))
    assert accuracy(compass, split="f") == (1.0, 20)
    make_split(compass, "p", SplitPlan(per_class=3, stratify="artist"))
    assert accuracy(compass, split="p") == (1.0, 6)


def test_a_fold_is_never_compared_with_itself(tmp_path):
    vectors = np.float32([EAST, NORTH] * 10)
    store = make_store(tmp_path / "i", ["Ada", "Ben"] * 10, ["Oil"] * 20, vectors)
    make_split(store, "f", SplitPlan(folds=2, group="artist"))  # a fold is all of one artist
    assert accuracy(store, split="f") == (0.0, 20)


def test_a_label_is_evaluated_without_being_added(compass):
    plan = KnnPlan(tap="rgb", labels=("ada = artist ILIKE '%ad%'",), ks=(1,))
    (found,) = knn_eval(compass, plan)
    assert (found.label.name, found.label.classes) == ("ada", ("ada", "not ada"))
    assert found.scores[0].estimate.value == 1.0
    assert derived_labels(Store.open(compass.path)) == {}


def test_rows_added_later_are_in_no_part(compass):
    make_split(compass, "f", SplitPlan(folds=2, stratify="artist"))
    compass.append(rows(["new"], ["Ada"], ["Oil"], np.float32([NORTH])))
    assert accuracy(Store.open(compass.path), split="f") == (1.0, 20)


def test_pictures_with_a_value_in_common_are_one_group(tmp_path):
    artists = [["Ada"], ["Bob", "Ada"], ["Cyd"], None, ["Bob"], [None], ["Cyd", None]]
    columns = {"artist": pa.array(artists), "school": pa.array(list("xyxyxyx"))}
    store = search_toys.make_store(
        tmp_path / "i", list("abcdefg"), {"t": search_toys.at(*range(7))}, columns
    )
    assert group_codes(store, "artist").tolist() == [0, 0, 1, -1, 0, -1, 1]
    assert group_codes(store, "school").tolist() == codes_of(store, "school").tolist()
    for args in (
        ["knn-eval", "--label", "school", "--group", "artist", "-k", "1"],
        ["retrieval-eval", "--label", "school", "--junk", "artist", "-k", "1"],
    ):
        done = CliRunner().invoke(cli, [*args, "--index", str(store.path)])
        assert done.exit_code == 0, done.output


def test_a_value_in_common_leaks(tmp_path):
    columns = {
        "artist": [["Ada"], ["Bob", "Ada"], ["Cyd"], None, ["Bob"], [None]],
        "task": ["train", "test", "train", "train", "test", "test"],
    }
    store = search_toys.make_store(
        tmp_path / "i",
        list("abcdef"),
        {"t": search_toys.at(*range(6))},
        {name: pa.array(values) for name, values in columns.items()},
    )
    found = audit_splits(store, ["task"], group="artist", object_="artist", pictures=False)
    expected = [(kind, row, 0) for kind in ("object", "group") for row in (1, 4)]
    leaks = found.comparisons[0].leaks
    assert [(leak.kind, leak.test_row, leak.train_row) for leak in leaks] == expected

    table = pa.table({"id": list("abcdef"), "image": list("abcdef"), **columns})
    catalog = Catalog.of_table(table, name="c", reader="r", source=tmp_path, root=tmp_path)
    assert audit_catalog(catalog, ["task"], group="artist").comparisons[0].leaks == leaks[2:]
    with pytest.raises(EvaluationError, match="no column 'artist' of one value a picture; choose"):
        audit_catalog(catalog, ["artist"])
    with pytest.raises(EvaluationError, match="no column 'maker' to group by; choose from artist"):
        audit_catalog(catalog, ["task"], group="maker")
