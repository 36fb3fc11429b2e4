"""Search by codes: chosen by size, measured, beside brute force, and taken over in an update."""

import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import faiss
import numpy as np
import pytest
from conftest import unit as draw_units
from search_toys import pretend_gpus
from test_index import append, store_of, table_of

from artsim.errors import SearchError, StoreError
from artsim.index import (
    Goals,
    IndexKind,
    build_index,
    is_current,
    note,
    open_index,
    read_note,
    to_gpu,
    unit,
)
from artsim.index.choice import Shape, choose_shapes
from artsim.index.codes import restore
from artsim.store import Store, round_to_half

DIM = 16


@pytest.fixture(autouse=True)
def _one_thread():
    """Keep faiss from starting threads for work of milliseconds."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)


CODED = [IndexKind.PQ, IndexKind.IVF]


def vectors_of(n, seed=0):
    return round_to_half(draw_units(np.random.default_rng(seed), n, DIM))


def built(path, kind, *parts):
    store = store_of(path, *parts, dim=DIM)
    build_index(store, "rgb", Goals(kind=kind))
    return store


def brute_force(vectors, queries, k):
    similarity = unit(queries).astype(np.float64) @ unit(vectors).astype(np.float64).T  # (q, n)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarity, order, 1), order


def codes_are_of(store, vectors):
    """Say whether the codes by row are what the index's own codebook writes of the vectors."""
    index = faiss.read_index(str(note.index_file(store, "rgb", note.INDEX)))
    expected = restore(index, DIM).encode(unit(vectors))
    return np.array_equal(np.load(note.index_file(store, "rgb", note.CODES)), expected)


# --- the choice ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "dim", "goals", "names"),
    [
        (100_000, 512, Goals(), ["Flat"]),
        (200_000, 512, Goals(), ["PQ128x4fs", "PQ256x4fs", "IVF512,PQ256x4fs"]),
        (200_000, 512, Goals(latency=0.05), ["Flat"]),
        (200_000, 512, Goals(recall=1), ["Flat"]),
        (100_000, 512, Goals(memory=10**8), ["PQ128x4fs", "PQ256x4fs", "IVF256,PQ256x4fs"]),
        (10**6, 512, Goals(memory=4 * 10**7), ["IVF1024,PQ32x4fs", "IVF1024,PQ64x4fs"]),
        (10**6, 512, Goals(memory=1), ["IVF1024,PQ32x4fs"]),
        (10**7, 512, Goals(), ["IVF4096,PQ128x4fs", "IVF4096,PQ256x4fs"]),
        (10**7, 64, Goals(), ["IVF4096,PQ32x4fs", "IVF4096,PQ64x4fs"]),
        (100, 512, Goals(kind=IndexKind.PQ), ["PQ128x4fs", "PQ256x4fs"]),
        (10**7, 512, Goals(kind=IndexKind.FLAT), ["Flat"]),
    ],
)
def test_candidate_kinds_depend_on_size_and_goals(rows, dim, goals, names):
    shapes, _ = choose_shapes(rows, dim, goals)
    assert [shape.name for shape in shapes] == names


def test_the_choice_says_why():
    assert choose_shapes(10**6, 512, Goals())[1] == "exact search would take about 171 ms a query"
    assert choose_shapes(10**5, 512, Goals(memory=10**8))[1] == "exact search would hold 0.2 GB"


def test_memory_counts_the_scanned_codes():
    assert Shape().memory(10, 512) == 10 * 512 * 4
    assert Shape(pieces=128).memory(10, 512) == 10 * 64
    assert Shape(pieces=128, cells=4).memory(10, 512) == 10 * (64 + 8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"recall": 1.5}, "recall must be above 0 and at most 1, got 1.5"),
        ({"recall": float("nan")}, "recall must be above 0 and at most 1, got nan"),
        ({"memory": 0}, "memory must be more than 0 bytes, got 0"),
        ({"latency": 0}, "latency must be more than 0 s, got 0"),
    ],
)
def test_goals_that_no_index_can_meet_are_refused(wrong, message):
    with pytest.raises(SearchError, match=message):
        Goals(**wrong)


# --- search -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CODED)
def test_nearly_all_true_neighbors_are_found_with_their_exact_cosines(tmp_path, kind):
    vectors = vectors_of(3000)
    store = built(tmp_path / "i", kind, vectors[:1000], vectors[1000:])
    index = open_index(store, "rgb")
    assert index.info.kind.endswith("PQ16x4fs")
    assert index.info.k_factor * 10 < 3000 / 4  # or every row is compared
    scores, rows = index.search(vectors[::30], 11)
    _, true = brute_force(vectors, vectors[::30], 11)
    found = [len(set(mine) & set(theirs)) for mine, theirs in zip(rows, true, strict=True)]
    assert sum(found) >= 0.95 * 11 * len(found)
    similarity = unit(vectors[::30]) @ unit(vectors).T
    np.testing.assert_allclose(scores, np.take_along_axis(similarity, rows, 1), atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert rows[:, 0].tolist() == list(range(0, 3000, 30))


@pytest.mark.parametrize("kind", CODED)
def test_ties_are_also_ordered_by_row_with_codes(tmp_path, kind):
    vectors = vectors_of(2000)
    vectors[[7, 300, 1999]] = vectors[42]
    store = built(tmp_path / "i", kind, vectors)
    _, rows = open_index(store, "rgb").search(vectors[[42]], 4)
    assert rows.tolist() == [[7, 42, 300, 1999]]


@pytest.mark.parametrize("kind", CODED)
@pytest.mark.parametrize("n", [1, 2, 15, 40])
def test_few_rows_are_all_compared(tmp_path, kind, n):
    vectors = vectors_of(n)
    store = built(tmp_path / "i", kind, vectors)
    index = open_index(store, "rgb")
    assert index.info.recall_at_10 == 1
    scores, rows = index.search(vectors, n)
    cosines, true = brute_force(vectors, vectors, n)
    np.testing.assert_allclose(scores, cosines, atol=1e-6)
    np.testing.assert_array_equal(rows, true)


def test_a_k_of_all_rows_orders_all_rows(tmp_path):
    vectors = vectors_of(500)
    store = built(tmp_path / "i", IndexKind.PQ, vectors)
    _, rows = open_index(store, "rgb").search(vectors[:1], 500)
    assert rows.tolist() == brute_force(vectors, vectors[:1], 500)[1].tolist()


def test_the_note_says_what_was_measured(tmp_path):
    vectors = vectors_of(3000)
    info = read_note(built(tmp_path / "i", IndexKind.PQ, vectors), "rgb")
    assert (info.kind, info.why, info.queries, info.trained_rows, info.memory) == (
        "PQ16x4fs",
        "requested",
        256,
        3000,
        3000 * 8,
    )
    assert info.recall_at_10 >= 0.98
    assert info.latency > 0


def test_the_recall_of_the_note_is_that_of_its_queries(tmp_path):
    vectors = vectors_of(3000)
    store = built(tmp_path / "i", IndexKind.PQ, vectors)
    index = open_index(store, "rgb")
    asking = np.sort(np.random.default_rng(0).choice(3000, 256, replace=False))
    _, rows = index.search(vectors[asking], 11)  # among eleven candidates where ten were measured
    _, true = brute_force(vectors, vectors[asking], 11)
    found = [len(set(a[1:]) & set(b[1:])) for a, b in zip(rows, true, strict=True)]
    assert sum(found) / 2560 == pytest.approx(index.info.recall_at_10, abs=0.01)


def test_unmet_goals_are_named(tmp_path):
    store = store_of(tmp_path / "i", vectors_of(100), dim=DIM)
    info = build_index(store, "rgb", Goals(kind=IndexKind.PQ, memory=100, latency=1e-9))
    assert info.why == (
        "requested; it holds more than the 1e-07 GB requested; "
        "it is slower than the 1e-06 ms requested"
    )


@pytest.mark.gpu
def test_a_gpu_finds_the_same_rows(tmp_path):
    vectors = vectors_of(3000)
    index = open_index(built(tmp_path / "i", IndexKind.PQ, vectors), "rgb")
    scores, rows = to_gpu(index).search(vectors[:50], 10)
    cosines, true = brute_force(vectors, vectors[:50], 10)
    np.testing.assert_allclose(scores, cosines, atol=1e-6)
    np.testing.assert_array_equal(rows, true)


def test_the_order_that_half_precision_changes_is_corrected(tmp_path, monkeypatch):
    made = pretend_gpus(monkeypatch, 2)
    vectors = vectors_of(3000)
    index = open_index(built(tmp_path / "i", IndexKind.FLAT, vectors), "rgb")
    on_gpu = to_gpu(index, 1)
    assert [(each.device, len(each.rows)) for each in made] == [(1, 3000)]
    cosines, true = brute_force(vectors, vectors[:50], 100)
    _, by_halves = made[0].search(vectors[:50], 100)
    assert (by_halves != true).any()
    scores, rows = on_gpu.search(vectors[:50], 100)
    np.testing.assert_allclose(scores, cosines, atol=1e-6)
    np.testing.assert_array_equal(rows, true)
    # more than a GPU finds at a time
    np.testing.assert_array_equal(
        on_gpu.search(vectors[:1], 2900)[1], brute_force(vectors, vectors[:1], 2900)[1]
    )


def test_a_gpu_is_used_by_one_thread_at_a_time(tmp_path, monkeypatch):
    pretend_gpus(monkeypatch, 1)
    vectors = vectors_of(3000)
    index = to_gpu(open_index(built(tmp_path / "i", IndexKind.FLAT, vectors), "rgb"))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: index.search(vectors[row : row + 1], 1)[1], range(40)))
    assert np.concatenate(found).ravel().tolist() == list(range(40))


def test_a_gpu_that_is_too_small_gives_a_one_line_error(tmp_path, monkeypatch):
    pretend_gpus(monkeypatch, 1, error="Error in alloc\nout of memory\n")
    index = open_index(built(tmp_path / "i", IndexKind.FLAT, vectors_of(3)), "rgb")
    with pytest.raises(SearchError, match=r"GPU 0 cannot hold the vectors, .* \(out of memory\)"):
        to_gpu(index)


def test_a_missing_gpu_is_named(tmp_path):
    index = open_index(built(tmp_path / "i", IndexKind.FLAT, vectors_of(3)), "rgb")
    with pytest.raises(SearchError, match=r"faiss sees \d+ GPUs, none is number 99"):
        to_gpu(index, 99)


# --- bring up to date ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", CODED)
def test_known_parts_are_reused(tmp_path, kind):
    a, b, c, d = (vectors_of(400, seed) for seed in range(4))
    store = built(tmp_path / "i", kind, a, b, c)
    learned = read_note(store, "rgb").trained_rows
    # b loses half of its rows, c goes, d is new
    changes = [(1, table_of(store, b[::2])), (2, table_of(store, c[:0]))]
    store.rewrite(changes, failures=[], manifest=store.manifest)
    append(store, d)
    assert not is_current(store, "rgb")
    info = build_index(store, "rgb")
    now = np.concatenate([a, b[::2], d])
    assert (info.rows, info.trained_rows, info.goals.kind) == (1000, learned, kind)
    assert codes_are_of(store, now)
    fresh = built(tmp_path / "fresh", kind, now)
    for k in (10, 1000):
        scores, rows = open_index(store, "rgb").search(now[:100], k)
        expected, _ = open_index(fresh, "rgb").search(now[:100], k)
        np.testing.assert_allclose(
            scores, np.take_along_axis(unit(now[:100]) @ unit(now).T, rows, 1), atol=1e-6
        )
        assert abs(scores - expected).mean() < 0.005
    np.testing.assert_array_equal(open_index(store, "rgb").vectors[slice(None)], unit(now))


def test_only_new_parts_are_written_as_codes(tmp_path, monkeypatch):
    store = built(tmp_path / "i", IndexKind.PQ, vectors_of(1000))
    append(store, vectors_of(30, seed=1))
    encoded, read = [], []
    encode, read_part = build_index.__globals__["Coder"].encode, Store.read_part
    monkeypatch.setattr(
        build_index.__globals__["Coder"],
        "encode",
        lambda self, vectors: encoded.append(len(vectors)) or encode(self, vectors),
    )
    monkeypatch.setattr(
        Store,
        "read_part",
        lambda self, number, *rest: read.append(number) or read_part(self, number, *rest),
    )
    build_index(store, "rgb")
    assert (encoded, read) == ([30], [1])


def test_codes_that_no_longer_fit_the_rows_are_trained_again(tmp_path):
    rng = np.random.default_rng(0)
    center = draw_units(rng, 1, DIM)
    narrow = round_to_half((center + 1e-3 * rng.standard_normal((1500, DIM))).astype(np.float32))
    store = built(tmp_path / "i", IndexKind.PQ, narrow)
    append(store, vectors_of(1400))
    assert build_index(store, "rgb", Goals(kind=IndexKind.PQ, recall=0.999)).trained_rows == 2900


def test_codes_are_trained_again_when_the_rows_double(tmp_path):
    store = built(tmp_path / "i", IndexKind.PQ, vectors_of(100))
    append(store, vectors_of(101, seed=1))
    assert build_index(store, "rgb").trained_rows == 201


def test_another_kind_leaves_no_old_files(tmp_path):
    store = built(tmp_path / "i", IndexKind.PQ, vectors_of(100))
    build_index(store, "rgb", Goals())
    names = {file.name for file in (store.path / "faiss").iterdir()}
    assert names == {"rgb.index", "rgb.json"}
    assert open_index(store, "rgb").info.kind == "Flat"


# --- kills and damage ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", [IndexKind.FLAT, *CODED])
@pytest.mark.parametrize("written", range(5))
def test_a_kill_leaves_nothing_that_is_used_for_other_rows(tmp_path, monkeypatch, kind, written):
    before, added = vectors_of(60), vectors_of(60, seed=1)
    store = built(tmp_path / "i", kind, before)
    store.rewrite([(0, table_of(store, added))], failures=[], manifest=store.manifest)
    files = []

    def killed(file, write):
        if len(files) == written:
            raise KeyboardInterrupt
        files.append(file)
        note_write(file, write)

    note_write = note.write_whole
    for module in ("build", "note"):
        monkeypatch.setattr(f"artsim.index.{module}.write_whole", killed)
    try:
        build_index(store, "rgb")
    except KeyboardInterrupt:
        assert not is_current(store, "rgb")
    _, rows = open_index(store, "rgb").search(added, 1)
    assert rows.ravel().tolist() == list(range(60))
    monkeypatch.undo()
    assert build_index(store, "rgb").goals.kind is kind  # what was asked for is not forgotten


@pytest.mark.parametrize("name", ["rgb.index", "rgb.vectors.npy"])
@pytest.mark.parametrize("kind", CODED)
def test_damaged_files_are_ignored(tmp_path, kind, name):
    vectors = vectors_of(60)
    store = built(tmp_path / "i", kind, vectors)
    file = store.path / "faiss" / name
    for damage in (b"", b"x" * file.stat().st_size):
        file.write_bytes(damage)
        _, rows = open_index(store, "rgb").search(vectors, 1)
        assert rows.ravel().tolist() == list(range(60))
        append(store, vectors_of(1, seed=2))
        assert build_index(store, "rgb").rows == store.rows
        store = built(tmp_path / f"again{len(damage)}", kind, vectors)
        file = store.path / "faiss" / name


def test_a_full_disk_gives_a_one_line_error(tmp_path, monkeypatch):
    store = built(tmp_path / "i", IndexKind.PQ, vectors_of(60))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("artsim.index.build.write_vectors", full)
    with pytest.raises(StoreError, match=r"No space left on device; .* make room") as caught:
        build_index(store, "rgb", Goals(kind=IndexKind.PQ))
    assert "\n" not in str(caught.value)
    assert not [file for file in (store.path / "faiss").iterdir() if file.name.endswith(".tmp")]


def test_a_note_of_an_older_version_is_ignored(tmp_path):
    store = built(tmp_path / "i", IndexKind.PQ, vectors_of(60))
    file = store.path / "faiss" / "rgb.json"
    file.write_text('{"tap": "rgb", "kind": "Flat", "fingerprint": "' + store.fingerprint + '"}')
    assert read_note(store, "rgb") is None
    assert build_index(store, "rgb").kind == "Flat"


def test_a_note_is_read_back(tmp_path):
    store = built(tmp_path / "i", IndexKind.IVF, vectors_of(60))
    info = replace(read_note(store, "rgb"), why="for a test")
    note.write_note(store, "rgb", info)
    assert read_note(store, "rgb") == info
