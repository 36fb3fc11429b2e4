"""Damaged files of an index are noticed where they are read, named, and made again."""

import errno
import hashlib
import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import noise_picture

from artsim.cli import cli
from artsim.embedding import EmbedSettings, embed_collection, repair_index
from artsim.errors import ShortageError, StoreError
from artsim.index import Goals, IndexKind, build_index, open_index, read_note
from artsim.readers import read_collection
from artsim.splits import SplitPlan, make_split
from artsim.store import (
    Store,
    check_files,
    is_whole,
    read_parquet,
    sealed,
    sha256_of,
    unsealed,
    write_parquet,
    write_whole,
)

SMALL = EmbedSettings(batch_size=2, workers=1, part_rows=3)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("artsim.store.checksums._cache", lambda: tmp_path / "cache")


@pytest.fixture
def index(colors, tmp_path, toy):
    embed_collection(read_collection(colors), tmp_path / "i", toy, settings=SMALL)
    return tmp_path / "i"


def flip(file, at=0.5):
    """Flip a bit as a disk does: size and times stay."""
    data, status = bytearray(file.read_bytes()), file.stat()
    data[int(at * len(data))] ^= 4
    file.write_bytes(data)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def repair(path, collection, toy):
    return repair_index(path, lambda _: read_collection(collection), lambda _: toy, settings=SMALL)


def rows_of(path):
    store = Store.open(path)
    table = store.read(["id", "image", "content_hash", "rgb"])
    return {row.pop("id"): row for row in table.to_pylist()}


# --- files --------------------------------------------------------------------------------


def test_no_flipped_bit_of_a_parquet_file_changes_what_is_read(tmp_path):
    table = pa.table({"id": [f"msw-{n}" for n in range(6)], "year": [1642.5 + n for n in range(6)]})
    file = tmp_path / "t.parquet"
    write_whole(file, lambda stream: write_parquet(stream, table))
    whole = file.read_bytes()
    assert read_parquet(file, None, remedy="").equals(table)
    noticed = 0
    for bit in range(0, 8 * len(whole), 29):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << (bit % 8)
        file.write_bytes(data)
        try:
            assert read_parquet(file, None, remedy="").equals(table), bit
        except StoreError:
            noticed += 1
    assert noticed > 0.8 * 8 * len(whole) / 29


def test_no_changed_character_of_a_json_file_changes_what_is_read():
    values = {"label": "style", "rows": 12, "scores": [0.25, 1e-07], "of": {"artist": "Dürer"}}
    whole = sealed(values).decode()
    assert unsealed(whole) == values
    for place in range(len(whole)):
        for character in "0x ,":
            try:
                found = unsealed(whole[:place] + character + whole[place + 1 :])
            except ValueError:
                continue
            assert {name: found.get(name) for name in values} == values


def test_json_of_an_older_artsim_has_no_checksum_and_is_read():
    assert unsealed('{"rows": 3}') == {"rows": 3}


def test_a_file_that_was_whole_is_read_again_when_it_changes_or_on_request(tmp_path, monkeypatch):
    file, reads = tmp_path / "rgb.index", []
    file.write_bytes(b"vectors")
    sha256 = sha256_of(file)

    def reading(file):
        reads.append(file)
        return hashlib.sha256(file.read_bytes()).hexdigest()

    monkeypatch.setattr("artsim.store.checksums.sha256_of", reading)
    assert is_whole(file, sha256)
    assert is_whole(file, sha256)
    assert len(reads) == 1
    assert is_whole(file, sha256, again=True)
    assert len(reads) == 2
    flip(file)
    assert not is_whole(file, sha256)
    file.unlink()
    assert not is_whole(file, sha256)


# --- an index -----------------------------------------------------------------------------


def test_every_flip_in_a_part_is_an_error_that_names_it_and_the_command(index):
    before, file = rows_of(index), index / "parts" / "000001.parquet"
    whole = file.read_bytes()
    for at in np.linspace(0, 0.999, 40):
        flip(file, at)
        try:
            assert rows_of(index) == before
        except StoreError as error:
            message = str(error)
            assert message.startswith(f"{str(file)!r} is damaged (")
            assert message.endswith(f"; run 'artsim repair {index}'")
        file.write_bytes(whole)


@pytest.mark.parametrize("kind", [IndexKind.FLAT, IndexKind.PQ])
def test_a_flip_in_a_search_file_changes_no_answer_and_is_said(index, kind, caplog):
    store = Store.open(index)
    build_index(store, "rgb", Goals(kind=kind))
    query = store.vectors("rgb")[:1]
    scores, rows = open_index(store, "rgb").search(query, 6)
    name = "rgb.index" if kind is IndexKind.FLAT else "rgb.vectors.npy"
    flip(index / "faiss" / name, 0.9)
    found = open_index(store, "rgb").search(query, 6)
    np.testing.assert_allclose(found[0], scores, atol=1e-6)
    assert found[1].tolist() == rows.tolist()
    assert f"run 'artsim repair {index}'" in caplog.text
    assert name in caplog.text
    assert check_files(store).damaged == (f"faiss/{name}",)


def test_embed_replaces_what_is_damaged(index, colors, toy):
    before = rows_of(index)
    flip(index / "parts" / "000000.parquet")
    flip(index / "faiss" / "rgb.index", 0.9)
    summary = embed_collection(read_collection(colors), index, toy, settings=SMALL)
    assert (summary.damaged, summary.embedded, summary.kept) == (1, 3, 3)
    assert rows_of(index) == before
    assert check_files(Store.open(index)).damaged == ()


def test_repair_embeds_the_pictures_of_damaged_parts_and_keeps_the_rest(index, colors, toy):
    before = rows_of(index)
    kept = index / "parts" / "000001.parquet"
    content = kept.read_bytes()
    flip(index / "parts" / "000000.parquet")
    flip(index / "failures.parquet")
    flip(index / "faiss" / "rgb.json")
    done = repair(index, colors, toy)
    assert done.before.damaged == (
        "failures.parquet",
        "faiss/rgb.json",
        "parts/000000.parquet",
    )
    assert done.after.damaged == ()
    assert done.embedded.embedded == 3
    assert rows_of(index) == before
    assert kept.read_bytes() == content
    assert read_note(Store.open(index), "rgb") is not None


def test_info_says_that_search_files_are_damaged(index):
    assert CliRunner().invoke(cli, ["info", str(index), "--json"]).stderr == ""
    file = index / "faiss" / "rgb.index"
    file.write_bytes(file.read_bytes()[:50])
    done = CliRunner().invoke(cli, ["info", str(index), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["search"]) == (0, [])
    assert done.stderr == (
        "Note: the search files of rgb are missing, damaged, or older than the rows; searches "
        f"compare every vector until 'artsim repair {index}' builds them again\n"
    )


def test_an_index_whose_manifest_is_lost_is_named_with_the_command(index):
    before = rows_of(index)
    (index / "manifest.json").unlink()
    lost = index / "manifest.json"
    for command in (["info", str(index)], ["split", str(index), "--name", "s"]):
        done = CliRunner().invoke(cli, command)
        assert (done.exit_code, done.output) == (
            1,
            f"Error: {str(lost)!r} is missing; run 'artsim repair {index}'\n",
        )
    assert CliRunner().invoke(cli, ["repair", str(index)]).exit_code == 0
    assert rows_of(index) == before


def test_a_picture_that_is_added_is_resized_as_the_others_whatever_the_backend(tmp_path):
    (tmp_path / "museum").mkdir()
    for n in range(4):
        noise_picture(tmp_path / "museum" / f"{n}.png", (300, 200), seed=n)

    def embed(name, backend):
        options = [
            "-m",
            "timm:test_resnet.random",
            "--backend",
            backend,
            "-o",
            str(tmp_path / name),
        ]
        made = CliRunner().invoke(cli, ["embed", str(tmp_path / "museum"), *options])
        assert made.exit_code == 0, made.output
        store = Store.open(tmp_path / name)
        ids = store.read(["id"]).column(0).to_pylist()
        return store.vectors(store.tap(None).name)[ids.index("4.png")] if "4.png" in ids else None

    embed("added to", "torch")
    noise_picture(tmp_path / "museum" / "4.png", (300, 200), seed=4)
    added, at_once = embed("added to", "openvino"), embed("by torch", "torch")
    by_pillow = embed("by openvino", "openvino")
    assert abs(added - at_once).max() < abs(by_pillow - at_once).max() / 10


def test_an_index_of_torch_is_repaired_by_torch(tmp_path):
    (tmp_path / "museum").mkdir()
    for n in range(12):
        noise_picture(tmp_path / "museum" / f"{n}.png", (300, 200), seed=n)
    options = ["-m", "timm:test_resnet.random", "--backend", "torch", "--part-rows", "6"]
    made = CliRunner().invoke(
        cli, ["embed", str(tmp_path / "museum"), "-o", str(tmp_path / "i"), *options]
    )
    assert made.exit_code == 0, made.output

    def vectors():
        store = Store.open(tmp_path / "i")
        ids = store.read(["id"]).column(0).to_pylist()
        return dict(zip(ids, store.vectors(store.tap(None).name).tolist(), strict=True))

    before = vectors()
    (tmp_path / "i/parts/000000.parquet").write_bytes(b"")
    assert CliRunner().invoke(cli, ["repair", str(tmp_path / "i")]).exit_code == 0
    assert vectors() == before


def test_a_killed_repair_is_finished_by_the_next(index, colors, toy, monkeypatch):
    before = rows_of(index)
    flip(index / "parts" / "000000.parquet")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "append_many", killed)
        with pytest.raises(KeyboardInterrupt):
            repair(index, colors, toy)
    (index / ".catalog.arrow").write_bytes(b"left by a kill")
    assert Store.open(index).rows < len(before)
    assert repair(index, colors, toy).embedded.embedded == 3
    assert rows_of(index) == before
    assert not (index / ".catalog.arrow").exists()


def test_a_repair_that_was_short_of_memory_is_finished_by_the_next(index, colors, toy, monkeypatch):
    before = rows_of(index)
    flip(index / "parts" / "000000.parquet")

    def scarce(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("artsim.loader.images.decode", scarce)
        repair(index, colors, toy)
    assert Store.open(index).rows == len(before) - 3
    assert repair(index, colors, toy).embedded.embedded == 3
    assert rows_of(index) == before
    assert repair(index, colors, toy).embedded is None


def test_repair_needs_no_pictures_for_search_files_and_the_manifest(index, colors, toy):
    store = Store.open(index)
    make_split(store, "half", SplitPlan(fractions=(0.5, 0.5)))
    flip(index / "manifest.json")
    with pytest.raises(StoreError, match=r"manifest.json' is damaged .*; run 'artsim repair"):
        Store.open(index)
    (index / "faiss" / "rgb.index").write_bytes(b"torn")
    flip(index / "splits" / "half.parquet")
    shutil.rmtree(colors)
    done = repair(index, colors, toy)
    assert (done.manifest, done.embedded) == (True, None)
    assert done.before.damaged == ("faiss/rgb.index", "splits/half.parquet")
    assert done.after.damaged == ("splits/half.parquet",)  # drawn by the user


def test_repair_refuses_a_collection_with_other_columns(index, tmp_path, toy, paint):
    other = tmp_path / "other"
    paint(other / "warm" / "red.png", (250, 10, 10))
    (other / "list.csv").write_text("id,image,year\nred,warm/red.png,1900\n")
    before = (index / "manifest.json").read_bytes()
    flip(index / "parts" / "000000.parquet")
    with pytest.raises(StoreError, match="give the options of 'artsim embed' that made it"):
        repair(index, other, toy)
    assert (index / "manifest.json").read_bytes() == before


def test_the_commands_name_what_is_damaged_and_what_is_left(index, colors):
    flip(index / "faiss" / "rgb.index", 0.9)
    (index / "heads").mkdir()
    (index / "heads" / "style.json").write_text("{")
    checked = CliRunner().invoke(cli, ["info", str(index), "--check", "--json"])
    assert checked.exit_code == 1
    assert json.loads(checked.stdout)["damaged"] == ["faiss/rgb.index", "heads/style.json"]
    assert f"run 'artsim repair {index}'" in checked.stderr
    repaired = CliRunner().invoke(cli, ["repair", str(index)])
    assert repaired.exit_code == 1
    assert repaired.stdout == f"{index}/faiss/rgb.index: repaired\n"
    assert repaired.stderr == (
        f"{index}/heads/style.json: damaged; train it again with 'artsim probe'\n"
    )


def test_files_without_a_checksum_are_said(index):
    file = index / "faiss" / "rgb.json"
    values = unsealed(file.read_text())
    del values["sha256"]
    file.write_text(json.dumps(values))  # as artsim 0.1 wrote it
    assert open_index(Store.open(index), "rgb").info.why == "exact search is fast enough"
    assert check_files(Store.open(index)).unchecked == ("faiss/rgb.index", "faiss/rgb.json")
    shown = CliRunner().invoke(cli, ["info", str(index), "--check", "--table"])
    assert shown.exit_code == 0
    assert "Without a checksum, by an older artsim: faiss/rgb.index, faiss/rgb.json" in shown.stdout


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_a_shortage_is_no_damage(index, monkeypatch, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    store = Store.open(index)
    monkeypatch.setattr("artsim.store.parquet.has_checksums", fail)
    monkeypatch.setattr("artsim.store.checksums.hashlib.file_digest", fail)
    for read in (
        lambda: store.read(["id"]),
        lambda: is_whole(index / "manifest.json", "0" * 64, again=True),
        lambda: check_files(store),
    ):
        with pytest.raises(ShortageError, match=r"cannot be read now .*; end other programs and"):
            read()


def written(tmp_path, rows=1_000):
    file = tmp_path / "some.parquet"
    table = pa.table({"id": [f"{n}" * 9 for n in range(rows)]})
    write_whole(file, lambda stream: write_parquet(stream, table))
    return file, table


def test_want_of_memory_is_no_damage(tmp_path, monkeypatch):
    file, table = written(tmp_path)
    read, fails = pq.ParquetFile.read, [pa.ArrowMemoryError("malloc of size 99 failed")] * 3

    def scarce(self, *more, **options):
        if fails:
            raise fails.pop()
        return read(self, *more, **options)

    monkeypatch.setattr(pq.ParquetFile, "read", scarce)
    with monkeypatch.context() as patched:
        patched.setattr("artsim.store.parquet.mmap.mmap", no_room)
        with pytest.raises(ShortageError, match=r"cannot be read now .*malloc of size 99"):
            read_parquet(file, None, remedy="")
    fails[1:] = []  # a moment later there is some
    assert read_parquet(file, None, remedy="") == table


def no_room(*_):
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def test_a_page_that_claims_more_memory_than_there_is_is_damaged(tmp_path, monkeypatch):
    file, _ = written(tmp_path)

    def huge(*_, **__):
        raise pa.ArrowMemoryError("malloc of size 1152921504606846976 failed")

    monkeypatch.setattr(pq.ParquetFile, "read", huge)
    with pytest.raises(StoreError, match=r"is damaged .malloc of size 115") as caught:
        read_parquet(file, None, remedy="")
    assert not isinstance(caught.value, ShortageError)
