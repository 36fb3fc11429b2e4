"""Vectors made elsewhere: every layout, every fault, and never a vector under another's id."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import noise_picture

from artsim.cli import cli
from artsim.embedding import embed_collection
from artsim.errors import ModelError, PassportError, ReaderError, StoreError
from artsim.evaluation.knn import KnnPlan, knn_eval
from artsim.external import import_vectors, importing, open_vectors
from artsim.index import open_index
from artsim.readers import read_collection
from artsim.search import Searcher, SearchRequest, Term
from artsim.store import Store

IDS = ["a", "b", "c"]
VECTORS = np.float32([[1, 2.5, -3], [0.25, 0, 1e-3], [7, 8, 9]])


def read(file, **options):
    """Return all ids, vectors and faults of a file, faults by row of the file."""
    opened = open_vectors(file, **options)
    ids, blocks, faults = [], [], {}
    for batch in opened.batches():
        faults |= {len(ids) + row: reason for row, reason in batch.faults.items()}
        ids += batch.ids
        blocks.append(batch.vectors)
    return opened, ids, np.concatenate(blocks), faults


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def lists_csv(folder):
    cells = ["[1, 2.5, -3]", "[0.25, 0.0, 1e-3]", "[7,8,9]"]
    rows = [f'{id_},oil,"{cell}"' for id_, cell in zip(IDS, cells, strict=True)]
    return write(folder / "v.csv", "\n".join(["id,medium,f", *rows])), {}


def numpy_csv(folder):
    rows = ['a,"[ 1.    2.5  -3.  ]"', 'b,"[0.25\n 0.\n 0.001]"', "c,[7. 8. 9.]"]
    return write(folder / "v.csv", "\n".join(["Image file,MobileNetV1 features", *rows])), {}


def columns_csv(folder):
    rows = ["a,1900,1,-3,2.5", "b,1901,0.25,1e-3,0", "c,,7,9,8"]
    return write(folder / "v.csv", "\n".join(["object_id,year,f0,f10,f2", *rows])), {}


def named_csv(folder):
    rows = ["1,2.5,-3,a,5", "0.25,0,0.001,b,5", "7,8,9,c,5"]
    file = write(folder / "v.tsv", "\n".join(["x,y,z,who,n", *rows]).replace(",", "\t"))
    return file, {"id_column": "who", "vector_columns": ("x", "y", "z")}


def lists_parquet(folder):
    column = pa.array(VECTORS.astype(np.float64).tolist(), pa.list_(pa.float64()))
    pq.write_table(pa.table({"v": column, "id": IDS}), folder / "v.parquet", row_group_size=2)
    return folder / "v.parquet", {}


def fixed_parquet(folder):
    column = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel()), 3)
    pq.write_table(pa.table({"id": IDS, "v": column}), folder / "v.parquet")
    return folder / "v.parquet", {}


def text_parquet(folder):
    column = [json.dumps(row) for row in VECTORS.astype(float).tolist()]
    pq.write_table(pa.table({"id": IDS, "v": column, "title": IDS}), folder / "v.parquet")
    return folder / "v.parquet", {}


def columns_parquet(folder):
    columns = {f"f{n}": VECTORS[:, n] for n in (2, 0, 1)}
    pq.write_table(pa.table(columns | {"id": IDS, "year": [1, 2, 3]}), folder / "v.parquet")
    return folder / "v.parquet", {"vector_columns": ("f*",)}


def npy(folder):
    np.save(folder / "v.npy", np.asfortranarray(VECTORS))
    return folder / "v.npy", {"ids": write(folder / "ids.txt", "a\nb\r\n c \n")}


def npy_ids(folder):
    np.save(folder / "v.npy", VECTORS.astype(np.float64))
    np.save(folder / "ids.npy", np.array(IDS))
    return folder / "v.npy", {"ids": folder / "ids.npy"}


LAYOUTS = [
    *(lists_csv, numpy_csv, columns_csv, named_csv, npy, npy_ids),
    *(lists_parquet, fixed_parquet, text_parquet, columns_parquet),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_ids_and_vectors(tmp_path, layout):
    file, options = layout(tmp_path)
    opened, ids, vectors, faults = read(file, **options)
    assert (opened.dim, ids, faults) == (3, IDS, {})
    assert vectors.dtype == np.float32
    assert (vectors == VECTORS).all()


def test_whole_numbers_are_ids_as_text(tmp_path):
    pq.write_table(pa.table({"id": [3.0, 1.0], "v": [[1.0, 2.0]] * 2}), tmp_path / "v.parquet")
    assert read(tmp_path / "v.parquet")[1] == ["3", "1"]


def test_an_invalid_vector_says_why(tmp_path):
    cells = {
        "good": "[1, 2, 3]",
        "short": "[1, 2]",
        "long": "[1, 2, 3, 4]",
        "none": "",
        "empty": "[]",
        "nan": "[1, nan, 3]",
        "infinite": "[1, 2, -inf]",
        "huge": "[1e300, 2, 3]",
        "cut": "[1 ... 3]",
        "zero": "[0, 0, 0]",
        "good too": "[4, 5, 6]",
    }
    lines = [f'{id_},"{cell}"' for id_, cell in cells.items()]
    _, ids, vectors, faults = read(write(tmp_path / "v.csv", "\n".join(["id,v", *lines])))
    assert ids == list(cells)
    assert {ids[row]: reason for row, reason in faults.items()} == {
        "short": "2 numbers, not 3",
        "long": "4 numbers, not 3",
        "none": "no vector",
        "empty": "no vector",
        "nan": "number 2 is nan",
        "infinite": "number 3 is -inf",
        "huge": "number 1 is 1e+300",
        "cut": "'...' is not a number",
        "zero": "every number is 0, so the vector has no direction",
    }
    assert vectors[[0, 10]].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_very_long_and_short_vectors_keep_their_direction(tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 8))
    scales = np.ones((40, 1))
    scales[1:6, 0] = 1e30, 1e-30, 1e37, 1e-38, 1e-60
    np.save(tmp_path / "v.npy", vectors * scales)
    ids = [f"w{n}" for n in range(40)]
    (tmp_path / "v.txt").write_text("\n".join(ids))
    file = open_vectors(tmp_path / "v.npy", ids=tmp_path / "v.txt")
    summary = import_vectors(file, tmp_path / "index")
    assert (summary.rows, summary.unused) == (40, 0)
    expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    stored = open_index(Store.open(tmp_path / "index"), summary.tap).vectors
    np.testing.assert_allclose(stored[np.arange(40)], expected, atol=1e-3)


def test_columns_that_are_not_numbers_say_why(tmp_path):
    text = "id,f0,f1\na,1,2\nb,3,x\nc,4,\nd,5,6"
    file = write(tmp_path / "v.csv", text)
    _, ids, vectors, faults = read(file, vector_columns=("f0", "f1"))
    assert faults == {1: "'x' is not a number", 2: "number 2 is nan"}
    assert vectors[[0, 3]].tolist() == [[1, 2], [5, 6]]
    assert ids == ["a", "b", "c", "d"]


def save(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda f: f / "no.csv", {}, "no file '.*no.csv'; name a .csv, .parquet or .npy"),
        (lambda f: write(f / "v.json", "[]"), {}, "cannot read vectors from .*v.json"),
        (lambda f: write(f / "v.csv", "id,f0,f1"), {}, "v.csv has no rows"),
        (lambda f: write(f / "v.csv", "id,x\na,1"), {}, "no column that clearly holds vectors"),
        (
            lambda f: write(f / "v.csv", "id,a0,a1,b0,b1\na,1,2,3,4"),
            {},
            "several columns that may hold vectors; name it with --vector-column",
        ),
        (lambda f: write(f / "v.csv", "x,y,f0,f1\na,b,1,2"), {}, "no column that clearly holds id"),
        (
            lambda f: write(f / "v.csv", "id,f0,f1\na,1,2"),
            {"id_column": "key"},
            "no column 'key' for",
        ),
        (lambda f: write(f / "v.csv", "id,f\na,1"), {"vector_columns": ("g*",)}, "no column 'g"),
        (lambda f: write(f / "v.csv", "id,f0,f1\na,1"), {}, "row 1 .*ends after 2 of 3 values"),
        (lambda f: write(f / "v.parquet", "PAR1"), {}, "v.parquet cannot be read"),
        (lambda f: write(f / "v.npy", "hello"), {}, "v.npy cannot be read"),
        (lambda f: save(f / "v.npy", VECTORS), {}, "v.npy has no ids; name a file .* --ids"),
        (lambda f: save(f / "v.npy", VECTORS[0]), {}, r"holds float32 of shape \(3,\); expected"),
        (lambda f: save(f / "v.npy", np.array([["a"]])), {}, "holds <U1 of shape"),
        (lambda f: lists_csv(f)[0], {"ids": "ids.txt"}, "are a column of it; leave out --ids"),
    ],
)
def test_a_file_that_cannot_be_read_gives_a_one_line_error(tmp_path, make, options, message):
    with pytest.raises(ReaderError, match=message) as caught:
        open_vectors(make(tmp_path), **options)
    assert "\n" not in str(caught.value)


def test_ids_must_match_the_number_of_vectors(tmp_path):
    np.save(tmp_path / "v.npy", VECTORS)
    with pytest.raises(ReaderError, match=r"has 3 vectors and .* has 2 ids; expected as many"):
        open_vectors(tmp_path / "v.npy", ids=write(tmp_path / "ids.txt", "a\nb\n"))


def test_objects_in_an_npy_are_never_unpickled(tmp_path):
    np.save(tmp_path / "v.npy", np.array([[object()]]), allow_pickle=True)
    with pytest.raises(ReaderError, match=r"v.npy cannot be read: .*objects"):
        open_vectors(tmp_path / "v.npy", ids=write(tmp_path / "ids.txt", "a"))


# --- the index ----------------------------------------------------------------------------


@pytest.fixture
def museum(tmp_path):
    """Four works, the last of which no one made a vector of; two pictures are there."""
    folder = tmp_path / "museum"
    folder.mkdir()
    for name in "ab":
        noise_picture(folder / f"{name}.png", (40, 30), seed=ord(name))
    lines = ["a,a.png,Ada", "b,b.png,Ben", "c,c.png,Ada", "d,d.png,Ben"]
    write(folder / "objects.csv", "\n".join(["id,image,artist", *lines]))
    return folder


@pytest.fixture
def vectors(tmp_path):
    """Vectors in another order than the works, with every fault there is."""
    lines = [
        'c,"[7, 8, 9]"',
        'x,"[1, 1, 1]"',
        'a,"[1, 2.5, -3]"',
        'c,"[0, 0, 1]"',
        ',"[1, 2, 3]"',
        'b,"[1, nan, 3]"',
    ]
    return write(tmp_path / "features.csv", "\n".join(["id,my features", *lines]))


def test_vectors_are_joined_to_their_works_and_the_rest_is_reported(museum, vectors, tmp_path):
    file = open_vectors(vectors)
    summary = import_vectors(file, tmp_path / "i", catalog=read_collection(museum))
    assert (summary.rows, summary.unused, summary.without) == (2, 4, 1)
    store = Store.open(tmp_path / "i")
    table = store.read(["id", "image", "artist"]).to_pylist()
    assert table == [
        {"id": "c", "image": "c.png", "artist": "Ada"},
        {"id": "a", "image": "a.png", "artist": "Ada"},
    ]
    assert store.vectors("my-features").tolist() == [[7, 8, 9], [1, 2.5, -3]]
    failures = store.failures().select(["id", "stage", "reason"]).to_pylist()
    assert [tuple(failure.values()) for failure in failures] == [
        ("x", "vector", "row 2 of features.csv: the catalog has no row with this id"),
        ("c", "vector", "row 4 of features.csv: row 1 has the id 'c' too"),
        (None, "vector", "row 5 of features.csv: no id"),
        ("b", "vector", "row 6 of features.csv: number 2 is nan"),
        ("d", "catalog", "features.csv has no vector with this id"),
    ]
    assert store.manifest.complete
    assert store.damaged_parts() == []
    assert open_index(store, "my-features").info.rows == 2


def test_the_passport_names_the_source_of_the_vectors(museum, vectors, tmp_path):
    import_vectors(open_vectors(vectors), tmp_path / "i", catalog=read_collection(museum))
    passport = Store.open(tmp_path / "i").manifest.passport
    assert passport.spec == "external:features"
    assert passport.weights_sha256 == hashlib.sha256(vectors.read_bytes()).hexdigest()
    assert passport.weights_source == f"vectors in {vectors}"
    assert passport.is_external


def test_vectors_are_imported_in_parts(museum, tmp_path, monkeypatch):
    ids = [f"r{n}" for n in range(50)]
    matrix = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    np.save(tmp_path / "v.npy", matrix)
    file = open_vectors(tmp_path / "v.npy", ids=write(tmp_path / "ids.txt", "\n".join(ids)))
    monkeypatch.setattr(importing, "_PART_ROWS", 7)
    import_vectors(file, tmp_path / "i")
    store = Store.open(tmp_path / "i")
    assert [part.rows for part in store.manifest.parts] == [7] * 7 + [1]
    assert store.read(["id"]).column("id").to_pylist() == ids
    assert (store.vectors("v") == matrix).all()


def test_an_imported_index_is_searched_by_id_and_evaluated(museum, tmp_path, paint):
    lines = ["a,1,0.1", "b,0.1,1", "c,1,0", "d,0,1"]
    vectors = write(tmp_path / "v.csv", "\n".join(["id,f0,f1", *lines]))
    import_vectors(open_vectors(vectors), tmp_path / "i", catalog=read_collection(museum))
    store = Store.open(tmp_path / "i")
    searcher = Searcher(store)
    found = searcher.search(SearchRequest(terms=(Term(id="a"),), k=1)).matches
    assert [(match.id, match.metadata) for match in found] == [("c", {"artist": "Ada"})]
    # a picture that the index knows, byte for byte, needs no network
    found = searcher.search(SearchRequest(terms=(Term(file=museum / "b.png"),), k=2)).matches
    assert [match.id for match in found] == ["b", "d"]
    with pytest.raises(ModelError, match=r"the network that made them is unknown, .*--id ID"):
        searcher.search(SearchRequest(terms=(Term(file=paint(tmp_path / "new.png", (1, 2, 3))),)))
    (artist,) = knn_eval(store, KnnPlan(tap="f", labels=("artist",), ks=(1,)))
    assert artist.scores[0].estimate.value == 1.0


def test_a_failed_import_gives_a_one_line_error_and_leaves_no_index(museum, tmp_path):
    catalog = read_collection(museum)
    strangers = write(tmp_path / "s.csv", "id,f0,f1\n1,2,3\n4,5,6")
    faulty = write(tmp_path / "f.csv", "id,f0,f1\na,0,0\nb,0,0")
    clash = write(tmp_path / "c.csv", 'id,artist\na,"[1, 2]"')
    for file, message in (
        (strangers, r"no id of .*s.csv \('1', '4'\) is in the catalog \('a', 'b', 'c'\)"),
        (faulty, "none of the vectors can be used: row 1 of f.csv: every number is 0"),
        (clash, "'artist' is the name of a column; name the vectors with --tap NAME"),
    ):
        with pytest.raises(ReaderError, match=message):
            import_vectors(open_vectors(file), tmp_path / "i", catalog=catalog)
        with pytest.raises(StoreError, match="no index at"):
            Store.open(tmp_path / "i")
    import_vectors(open_vectors(clash), tmp_path / "i", catalog=catalog, tap="other")
    assert Store.open(tmp_path / "i").rows == 1


def test_the_first_row_of_a_repeated_id_counts(tmp_path):
    catalog = write(tmp_path / "m.csv", "id,image,artist\na,1.png,Ada\na,2.png,Ben\n,3.png,Cy")
    vectors = write(tmp_path / "v.csv", "id,f0,f1\na,1,2")
    summary = import_vectors(
        open_vectors(vectors), tmp_path / "i", catalog=read_collection(catalog)
    )
    store = Store.open(tmp_path / "i")
    assert store.read(["id", "artist"]).to_pylist() == [{"id": "a", "artist": "Ada"}]
    assert (summary.unused, summary.without) == (0, 2)
    assert store.failures().column("reason").to_pylist() == [
        "row 2 of the catalog: row 1 has the id 'a' too",
        "row 3 of the catalog: no id",
    ]


def test_an_interrupted_import_starts_over_and_a_finished_one_is_kept(tmp_path, monkeypatch):
    rows = [f"r{n},{n + 1},1" for n in range(9)]
    vectors = write(tmp_path / "v.csv", "\n".join(["id,f0,f1", *rows]))
    monkeypatch.setattr(importing, "_PART_ROWS", 4)
    monkeypatch.setattr(Store, "finish", lambda store: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_vectors(open_vectors(vectors), tmp_path / "i")
    monkeypatch.undo()
    assert not Store.open(tmp_path / "i").manifest.complete
    assert import_vectors(open_vectors(vectors), tmp_path / "i").rows == 9
    store = Store.open(tmp_path / "i")
    assert store.vectors("f")[:, 0].tolist() == list(range(1, 10))
    assert len(list((tmp_path / "i" / "parts").iterdir())) == len(store.manifest.parts)
    import_vectors(open_vectors(vectors), tmp_path / "at once")
    at_once = Store.open(tmp_path / "at once")
    columns = [*store.manifest.passport.taps, "id", "content_hash"]
    columns = [getattr(each, "name", each) for each in columns]
    assert store.read(columns).to_pylist() == at_once.read(columns).to_pylist()
    assert store.failures().to_pylist() == at_once.failures().to_pylist() == []
    with pytest.raises(StoreError, match="is an index already; import to another folder"):
        import_vectors(open_vectors(vectors), tmp_path / "i")


def test_an_import_is_finished_when_its_search_file_is_built(tmp_path, monkeypatch):
    vectors = write(tmp_path / "v.csv", "id,f0,f1\na,1,0\nb,0,1")
    with monkeypatch.context() as patched:
        patched.setattr(importing, "build_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            import_vectors(open_vectors(vectors), tmp_path / "i")
    assert import_vectors(open_vectors(vectors), tmp_path / "i").rows == 2
    assert (tmp_path / "i" / "faiss" / "f.index").exists()
    assert (tmp_path / "i" / "manifest.copy.json").exists()


def test_nothing_is_embedded_into_imported_vectors(museum, vectors, tmp_path, toy):
    import_vectors(open_vectors(vectors), tmp_path / "i", catalog=read_collection(museum))
    with pytest.raises(PassportError, match="spec: external:features, not toy:mean-color"):
        embed_collection(read_collection(museum), tmp_path / "i", toy)


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_the_commands_import_label_split_and_describe(museum, vectors, tmp_path):
    index = tmp_path / "i"
    output = run("import-vectors", vectors, "--catalog", museum, "-o", index)
    assert output.splitlines() == [
        f"{index}: 2 vectors of 3 (my-features)",
        "  4 vectors could not be used, 1 row of the catalog without a vector: "
        f"see 'artsim info {index} --failures'",
    ]
    (line,) = run("label", "ada = artist ILIKE '%ad%'", "--index", index).splitlines()
    assert json.loads(line) == {
        "label": "ada",
        "expression": "artist ILIKE '%ad%'",
        "classes": {"ada": 2},
        "missing": 0,
        "index": str(index),
    }
    assert "1 class, 0 missing" in run(
        "label", "ada = artist ILIKE '%A%'", "--index", index, "--table"
    )
    (line,) = run(
        "split", "--name", "half", "--fractions", "50/50", "--index", index, "--json"
    ).splitlines()
    assert json.loads(line)["sets"] == {"train": 1, "test": 1}
    info = run("info", "--index", index, "--table")
    assert "model       external:features" in info
    assert "derived     ada = artist ILIKE '%A%'" in info
    assert "splits      half" in info
    assert "'80/30' is not of the form" in run(
        "split", "--name", "x", "--fractions", "80/30", "--index", index, code=2
    )
    run("label", "--remove", "ada", "--index", index)
    assert run("label", "--index", index, "--json") == ""


def test_mame_features_are_imported_without_a_network(museum_data, tmp_path):
    catalog = read_collection(museum_data / "mame")
    ids = [id_ for batch in catalog.batches() for id_ in batch["id"].to_pylist()]
    picked = np.random.default_rng(0).permutation(len(ids))[:60]
    matrix = np.random.default_rng(1).standard_normal((60, 1024)).round(4).astype(np.float32)
    lines = [f'{ids[row]},"{vector.tolist()}"' for row, vector in zip(picked, matrix, strict=True)]
    file = write(tmp_path / "f.csv", "\n".join(["Image file,MobileNetV1 features", *lines]))
    opened = open_vectors(file, vector_columns=("MobileNetV1 features",))
    summary = import_vectors(opened, tmp_path / "i", catalog=catalog)
    assert (summary.rows, summary.unused, summary.without) == (60, 0, 37_407 - 60)
    store = Store.open(tmp_path / "i")
    assert store.read(["id"]).column("id").to_pylist() == [ids[row] for row in picked]
    assert (store.vectors("MobileNetV1-features") == matrix).all()
    table = pa.Table.from_batches(catalog.batches()).take(pa.array(picked))
    fields = [field.name for field in catalog.fields]
    assert store.read(fields).equals(table.select(fields))
