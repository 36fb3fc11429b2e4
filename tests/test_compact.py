"""``artsim compact``: fewer files, the same rows, vectors, answers and map."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import without_umap
from test_index import store_of

from artsim.cli import cli
from artsim.errors import StoreError
from artsim.index import (
    build_index,
    compact_index,
    is_current,
    make_layout,
    open_index,
    read_layout,
)
from artsim.store import Failure, Store, lock_index, merged_parts

ROWS = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index of twelve parts of 30 rows, with failures, a search index and a map."""
    vectors = np.random.default_rng(0).standard_normal((ROWS * 30, 8), dtype=np.float32)
    path = tmp_path_factory.mktemp("made") / "index"
    store = store_of(path, *np.split(vectors, ROWS), dim=8)
    store.append(
        store.read_part(0).slice(0, 0), [Failure("gone", "gone.jpg", "decode", "no such file")]
    )
    store.finish()
    build_index(store, "rgb")
    with pytest.MonkeyPatch.context() as patch:
        without_umap(patch)
        make_layout(store, "rgb")
    return store.path


@pytest.fixture
def path(made, tmp_path):
    """A copy of that index."""
    return shutil.copytree(made, tmp_path / "index")


def answers(path):
    store = Store.open(path)
    scores, rows = open_index(store, "rgb").search(store.vectors("rgb")[:5], 7)
    return scores.tobytes(), rows.tolist()


def test_neighbors_are_merged_up_to_a_size(path):
    store = Store.open(path)
    sizes = [(path / "parts" / part.file).stat().st_size for part in store.manifest.parts]
    assert merged_parts(store, sum(sizes)) == [range(ROWS)]
    assert merged_parts(store, sizes[0] + sizes[1] + sizes[2] - 1)[0] == range(2)
    assert merged_parts(store, 1) == []


def test_rows_answers_failures_and_map_stay_as_they_are(path):
    before = Store.open(path)
    rows, found, places = before.read(["id", "rgb"]), answers(path), read_layout(before, "rgb")
    del before  # while it is open, its parts stay
    inode = next((path / "faiss").glob("*.index")).stat().st_ino
    done = compact_index(path)
    store = Store.open(path)
    assert (done.before, done.after, len(store.manifest.parts)) == (ROWS, 1, 1)
    assert store.read(["id", "rgb"]).equals(rows)
    assert answers(path) == found
    assert is_current(store, "rgb")
    assert next((path / "faiss").glob("*.index")).stat().st_ino == inode  # not built again
    np.testing.assert_array_equal(read_layout(store, "rgb"), places)
    assert store.failures().column("id").to_pylist() == ["gone"]
    assert [file.name for file in (path / "parts").iterdir()] == [store.manifest.parts[0].file]
    again = compact_index(path)
    assert (again.before, again.after) == (1, 1)


def test_killed_at_any_write_the_index_is_whole_and_the_command_finishes_it(path, monkeypatch):
    from artsim.store import files

    rows, found = Store.open(path).read(["id", "rgb"]), answers(path)
    sync = files.sync_folder
    for survived in range(100):
        left = survived

        def fail(folder):
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            return sync(folder)

        monkeypatch.setattr(files, "sync_folder", fail)
        try:
            compact_index(path, part_bytes=30_000 + 1_000 * survived)
            break
        except KeyboardInterrupt:
            pass
        finally:
            monkeypatch.setattr(files, "sync_folder", sync)
        assert Store.open(path).damaged_parts() == []
        assert Store.open(path).read(["id", "rgb"]).equals(rows)
        assert answers(path) == found
    assert survived > 2
    assert compact_index(path).after == 1
    assert answers(path) == found


def test_an_index_that_is_written_or_unfinished_is_refused(path):
    with lock_index(path), pytest.raises(StoreError, match="is writing"):
        compact_index(path)
    unfinished = store_of(path.parent / "other", np.eye(8, dtype=np.float32), dim=8)
    with pytest.raises(StoreError, match="is not complete; run 'artsim embed' again"):
        compact_index(unfinished.path)


def test_the_command_says_how_many_files_there_were(path):
    result = CliRunner().invoke(cli, ["compact", str(path)])
    assert result.exit_code == 0, result.output
    assert f"{path}: 12 files of rows before, 1 now" in result.output
