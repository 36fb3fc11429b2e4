"""Collections and indexes in an object store: a real S3 server that fails, waits and is left."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from buckets import SECRET, serving_bucket
from click.testing import CliRunner
from conftest import ROOT, noise_picture, started, wait_until
from test_places import COLORS, png, rows, write_pictures, write_shard, write_tar

from artsim.cli import cli
from artsim.embedding import EmbedSettings, embed_collection
from artsim.errors import PlaceError, ReaderError
from artsim.images import ReadAhead, read_bytes
from artsim.inspection import InspectSettings, inspect_collection
from artsim.places import RemotePath, as_path, objects, picture_file, status
from artsim.readers import read_collection
from artsim.search import locate
from artsim.store import Store, index_to_write, local_index

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with serving_bucket() as bucket:
        yield bucket


@pytest.fixture
def bucket(server, monkeypatch):
    """A bucket without faults; what is tried again is tried at once."""
    monkeypatch.setattr(objects, "PAUSE_S", 0.001)
    monkeypatch.setitem(objects._S3, "config_kwargs", {"retries": {"max_attempts": 0}})
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    server.faults()
    return server


@pytest.fixture
def place(request):
    """A prefix for this test alone."""
    return request.node.name.replace("[", "-").replace("]", "")


def write_collection(kind, folder):
    """Write six pictures as files, in tars or in Parquet files, one of each kind broken."""
    colors = {f"{name}{n}": color for n in range(2) for name, color in COLORS.items()}
    if kind == "folder":
        for name, color in colors.items():
            file = folder / name[-1] / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(color))
        (folder / "0" / "torn.png").write_bytes(png(colors["red0"])[:40])
    elif kind == "table":
        for name, color in colors.items():
            noise = folder / "images" / f"{name}.png"
            noise.parent.mkdir(parents=True, exist_ok=True)
            noise.write_bytes(png(color))
        lines = [f"{n},images/{name}.png,{name}" for n, name in enumerate(colors)]
        (folder / "objects.csv").write_text("\n".join(["id,image,title", *lines, "9,no.png,x"]))
    elif kind == "tars":
        write_shard(folder / "train-000.tar", colors)
        write_tar(folder / "val-000.tar", {"a.png": png(colors["red1"]), "torn.png": b"\x89PNG"})
    else:
        named = [(f"{name}.png", png(color)) for name, color in colors.items()]
        write_pictures(folder / "data/train-0.parquet", named, title=list(colors))
        write_pictures(
            folder / "data/val-0.parquet", [("a", b"torn"), ("b", None)], title=["x", "y"]
        )


def failures(store):
    return [
        {**row, "reason": row["reason"].replace(str(store.manifest.root), "ROOT")}
        for row in store.failures().to_pylist()
    ]


def embed_here(catalog, path, extractor, **settings):
    embed_collection(catalog, path, extractor, settings=EmbedSettings(part_rows=2, **settings))
    return Store.open(path)


@pytest.mark.parametrize("kind", ["folder", "table", "tars", "parquet"])
def test_a_collection_in_a_bucket_is_embedded_as_the_same_files_here(
    kind, bucket, place, tmp_path, toy
):
    write_collection(kind, tmp_path / "c")
    address = bucket.put(tmp_path / "c", place)
    here = embed_here(read_collection(tmp_path / "c"), tmp_path / "here", toy)
    bucket.faults(every=3)
    there = embed_here(read_collection(address), tmp_path / "there", toy)
    assert there.manifest.parts == here.manifest.parts  # names, rows and checksums
    assert (there.rows, len(failures(there))) == (here.rows, len(failures(here)))
    assert failures(there) == failures(here)
    assert there.manifest.root == address
    image = there.read(["image"]).column(0)[0].as_py()
    assert locate(there, image) == f"{address}/{image}"
    assert read_bytes(picture_file(address, image)) == read_bytes(tmp_path / "c" / image)
    found = [
        inspect_collection(read_collection(each), settings=InspectSettings(hashes=True))
        for each in (tmp_path / "c", address)
    ]
    assert found[0].formats == found[1].formats
    assert found[0].sizes.quantiles() == found[1].sizes.quantiles()


def test_an_unchanged_collection_is_listed_and_not_read_again(bucket, place, tmp_path, toy):
    for kind in ("folder", "tars", "parquet"):
        write_collection(kind, tmp_path / kind)
        address = bucket.put(tmp_path / kind, f"{place}-{kind}")
        store = embed_here(read_collection(address), tmp_path / f"i-{kind}", toy)
        bucket.faults()
        summary = embed_collection(read_collection(address), store.path, toy)
        assert (summary.kept, summary.embedded) == (store.rows, 0)
        read = [path for method, path, _ in bucket.log() if method == "GET" and path != "/museum"]
        assert all(path.endswith(".parquet") for path in read)  # the rows of the catalog are in it


def test_a_changed_picture_is_embedded_again(bucket, place, tmp_path, toy):
    write_collection("folder", tmp_path / "c")
    address = bucket.put(tmp_path / "c", place)
    embed_here(read_collection(address), tmp_path / "i", toy)
    (tmp_path / "c" / "0" / "red0.png").write_bytes(png((0, 0, 0), (9, 9)))
    bucket.put(tmp_path / "c", place)
    assert embed_collection(read_collection(address), tmp_path / "i", toy).embedded == 1


def test_a_picture_that_is_never_answered_is_a_failure_and_the_rest_goes_on(
    bucket, place, tmp_path, toy
):
    write_collection("folder", tmp_path / "c")
    address = bucket.put(tmp_path / "c", place)
    bucket.faults(lost=["green0"])
    store = embed_here(read_collection(address), tmp_path / "i", toy)
    assert store.rows == 5
    (lost,) = [each for each in failures(store) if each["stage"] == "read"]
    assert lost["id"] == "0/green0.png"
    assert "ROOT/0/green0.png' cannot be read" in lost["reason"]
    assert "(Please reduce your request rate., 5 tries)" in lost["reason"]
    assert {method for method, _, _ in bucket.log()} == {"GET"}  # one request a picture
    bucket.faults()
    assert embed_collection(read_collection(address), store.path, toy).embedded == 1


def test_members_of_a_tar_are_found_by_their_headers_alone(bucket, place, tmp_path):
    scan = np.random.default_rng(0).bytes(3 * 2**20)
    write_tar(tmp_path / "c" / "a.tar", {f"{n}.png": scan for n in range(4)} | {"0.txt": b"first"})
    address = bucket.put(tmp_path / "c", place)
    bucket.faults()
    catalog = read_collection(address)
    assert [row["txt"] for row in rows(catalog)] == ["first", None, None, None]
    assert status(f"{address}/a.tar/3.png").st_size == len(scan)
    ranges = [span for method, path, span in bucket.log() if method == "GET" and span]
    spans = [span.removeprefix("bytes=").split("-") for span in ranges]
    assert sum(int(end) - int(start) + 1 for start, end in spans) < 7 * 2**20  # of 12
    assert read_bytes(as_path(f"{address}/a.tar/2.png")) == scan


def test_many_reads_are_in_flight_and_few_wait(bucket, place, tmp_path):
    for number in range(40):
        noise_picture(tmp_path / f"{number:02}.png", (9, 9), number)
    address = bucket.put(tmp_path, place)
    bucket.faults(slow_s=0.05)
    files = [as_path(f"{address}/{number:02}.png") for number in range(40)]
    with ReadAhead() as ahead:
        reads = [ahead.reading(file) for file in files]
        assert [read() for read in reads] == [(tmp_path / file.name).read_bytes() for file in files]
    assert bucket.most_reads() >= 8


def test_an_index_in_a_bucket_answers_as_the_folder(bucket, place, tmp_path, toy):
    write_collection("table", tmp_path / "c")
    here = embed_here(read_collection(tmp_path / "c"), tmp_path / "here", toy)
    address = f"{bucket.address}/{place}/index"
    bucket.faults(every=4)
    with index_to_write(as_path(address)) as folder:
        embed_here(read_collection(tmp_path / "c"), folder, toy)
    bucket.faults(every=4)
    sent = {file.relative_to(here.path).as_posix() for file in here.path.rglob("*.*")}
    assert sorted(bucket.names(f"{place}/index")) == sorted(
        name for name in sent if not name.startswith(".")
    )
    runner = CliRunner()
    answers = [
        runner.invoke(cli, ["similar", "--id", "1", "--index", str(index), "--json", "-k", "3"])
        for index in (here.path, address)
    ]
    lines = [[json.loads(line) for line in each.stdout.splitlines()] for each in answers]
    for rows_ in lines:
        for row in rows_:
            row.pop("index", None)
    assert lines[0] == lines[1]
    assert len(lines[0]) == 3
    bucket.faults()
    assert runner.invoke(cli, ["info", address]).exit_code == 0
    assert not [method for method, path, _ in bucket.log() if method in ("PUT", "DELETE")]


def test_what_a_command_adds_is_sent_and_another_machine_fetches_only_that(
    bucket, place, tmp_path, toy, monkeypatch
):
    write_collection("table", tmp_path / "c")
    address = f"{bucket.address}/{place}/index"
    with index_to_write(as_path(address)) as folder:
        embed_here(read_collection(tmp_path / "c"), folder, toy)
    with monkeypatch.context() as other:
        other.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
        assert Store.open(local_index(address)).rows == 6
    bucket.faults()
    done = CliRunner().invoke(cli, ["label", address, "short = length(title)"])
    assert done.exit_code == 0, done.output
    written = {path.rpartition("/")[2] for method, path, _ in bucket.log() if method == "PUT"}
    assert written == {"manifest.json", "manifest.copy.json", ".writing"}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    bucket.faults()
    assert [label.name for label in Store.open(local_index(address)).manifest.labels] == ["short"]
    read = {path.rpartition("/")[2] for method, path, _ in bucket.log() if method == "GET"}
    assert read == {"museum", "manifest.json", "manifest.copy.json"}


@pytest.mark.timeout(900)
def test_a_killed_run_loses_nothing_and_ends_as_an_uninterrupted_one(
    bucket, place, tmp_path, toy, monkeypatch
):
    for number in range(16):
        (tmp_path / "c").mkdir(exist_ok=True)
        noise_picture(tmp_path / "c" / f"{number:02}.png", (9, 9), number)
    pictures = bucket.put(tmp_path / "c", f"{place}/pictures")
    here = embed_here(read_collection(tmp_path / "c"), tmp_path / "here", toy)
    code = f"""
import os, sys, time
cache = os.environ["XDG_CACHE_HOME"]
sys.path.insert(0, {str(ROOT / "tests")!r})
from conftest import MeanColor, toy_passport
os.environ["XDG_CACHE_HOME"] = cache  # not one of its own: the next run goes on with this copy
from artsim.embedding import EmbedSettings, embed_collection
from artsim.models import Extractor
from artsim.places import as_path
from artsim.readers import read_collection
from artsim.store import Store, anywhere, index_to_write, is_store

class Slow(MeanColor):
    def __call__(self, pixels):
        Slow.parts += 1
        time.sleep(0.5 if Slow.parts <= 6 else 600)  # it never ends by itself
        return super().__call__(pixels)

anywhere._EVERY_S = 0.05
with index_to_write(as_path(sys.argv[2])) as folder:
    Slow.parts = Store.open(folder).rows // 2 if is_store(folder) else 0
    embed_collection(
        read_collection(sys.argv[1]), folder, Extractor(Slow(), toy_passport()),
        settings=EmbedSettings(part_rows=2, batch_size=2),
    )
"""
    address = f"{bucket.address}/{place}/index"

    def is_sent(part):  # and a manifest that lists one
        files = [f"parts/{part}.parquet", "manifest.json"]
        found = [bucket.look(f"{place}/index/{file}") for file in files]
        return None not in found and json.loads(found[1])["parts"]

    for part in ("000001", "000003"):
        bucket.faults(every=5)
        with started([sys.executable, "-c", code, pictures, address]) as process:
            wait_until(
                f"part {part} is sent", lambda part=part: is_sent(part), process, seconds=300
            )
            process.send_signal(signal.SIGKILL)
    # Another machine, which has no copy, goes on with what was sent.
    monkeypatch.setattr("artsim.store.lease._GONE_S", 2.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    with index_to_write(as_path(address)) as folder:
        sent = Store.open(folder).rows
        summary = embed_collection(
            read_collection(pictures), folder, toy, settings=EmbedSettings(part_rows=2)
        )
    assert 2 <= sent <= 12
    assert summary.embedded == 16 - sent
    killed = Store.open(local_index(address))
    assert killed.manifest.parts == here.manifest.parts
    for name in bucket.names(f"{place}/index"):
        if not name.endswith(".json"):
            assert (killed.path / name).read_bytes() == (here.path / name).read_bytes()


@pytest.mark.timeout(900)
def test_a_ray_cluster_of_two_nodes_reads_and_writes_a_bucket(bucket, place, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    for number in range(12):
        (tmp_path / "c").mkdir(exist_ok=True)
        noise_picture(tmp_path / "c" / f"{number:02}.png", (60, 40 + number), number)
    (tmp_path / "c" / "07.png").write_bytes(b"no picture")
    pictures = bucket.put(tmp_path / "c", f"{place}/pictures")
    address = f"{bucket.address}/{place}/index"
    # The nodes have the keys of the store; Ray warns of itself, so it is another process that
    # starts them.
    code = """
import subprocess, sys
from ray.cluster_utils import Cluster

node = {"num_cpus": 1, "object_store_memory": 128 << 20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=node, connect=False)
try:
    cluster.add_node(**node, node_ip_address="127.0.0.2")
    sys.exit(subprocess.run([*sys.argv[1:], "--engine", f"ray:{cluster.address}"]).returncode)
finally:
    cluster.shutdown()
"""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    embed = [sys.executable, "-m", "artsim", "embed", "--part-rows", "2", "--threads", "1"]
    for command in (
        [*embed, tmp_path / "c", "-o", tmp_path / "here"],
        [sys.executable, "-c", code, *embed, pictures, "-o", address],
    ):
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
    here = Store.open(tmp_path / "here")
    there = Store.open(local_index(address))
    assert there.manifest.parts == here.manifest.parts
    assert (here.rows, failures(there)) == (11, failures(here))
    for part in (tmp_path / "here" / "parts").iterdir():
        assert bucket.look(f"{place}/index/parts/{part.name}") == part.read_bytes()


def test_no_credential_is_printed_or_kept(bucket, place, tmp_path, toy, monkeypatch):
    write_collection("folder", tmp_path / "c")
    address = bucket.put(tmp_path / "c", place)
    bucket.faults(lost=["red0"])
    runner = CliRunner()
    index = f"{bucket.address}/{place}-index"
    with index_to_write(as_path(index)) as folder:
        embed_here(read_collection(address), folder, toy)
    outputs = [
        runner.invoke(cli, ["info", index, "--failures"]).output,
        runner.invoke(cli, ["inspect", f"{address}/none"]).output,
        runner.invoke(cli, ["similar", "--id", "x", "--index", f"{address}/none"]).output,
        runner.invoke(cli, ["inspect", f"s3://AKIAX:{SECRET}@museum/x"]).output,
    ]
    monkeypatch.setattr(objects, "TRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    import fsspec

    fsspec.filesystem("s3").clear_instance_cache()
    outputs.append(runner.invoke(cli, ["inspect", address]).output)
    fsspec.filesystem("s3").clear_instance_cache()
    kept = [file.read_bytes() for file in folder.parent.rglob("*") if file.is_file()]
    assert all(SECRET not in text and "AKIA" not in text for text in outputs)
    assert not any(SECRET.encode() in data or b"AKIA" in data for data in kept)
    assert all("Traceback" not in text for text in outputs)
    assert "contains a password" in outputs[3]


# --- without a server ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "package", "extra"),
    [
        ("s3://b/x", "s3fs", "s3"),
        ("gs://b/x", "gcsfs", "gcs"),
        ("hf://datasets/a/b", "huggingface_hub", "hf"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(address, package, extra, monkeypatch):
    import fsspec

    def missing(*_, **__):
        raise ImportError

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(PlaceError, match=rf"needs {package}; .*'artsim\[{extra}\]'"):
        read_collection(address)


def test_every_store_is_read_by_its_own_names(monkeypatch):
    import fsspec

    files = fsspec.filesystem("memory", skip_instance_cache=True)
    files.pipe_file("/datasets/a/b/train/x.png", png(COLORS["red"]))
    monkeypatch.setattr(objects, "_file_system", lambda address, kind: files)
    names = classmethod(lambda _, path: f"/{path.partition('://')[2] or path.lstrip('/')}")
    monkeypatch.setattr(type(files), "_strip_protocol", names)
    (row,) = rows(read_collection("hf://datasets/a/b"))
    assert row["id"] == "train/x.png"
    assert read_bytes(as_path("hf://datasets/a/b/train/x.png")) == png(COLORS["red"])


def test_a_path_in_a_store_is_its_address_and_stays_below_its_bucket():
    path = as_path("s3:/museum/a/../../../b.tar/1.jpg")
    assert isinstance(path, RemotePath)
    assert str(path) == "s3://museum/a/../../../b.tar/1.jpg"
    assert str(path.resolve()) == "s3://museum/b.tar/1.jpg"
    assert path.name == "1.jpg"
    assert as_path("pictures/s3/a.jpg") == Path("pictures/s3/a.jpg")
    with pytest.raises(PlaceError, match="names no bucket"):
        as_path("s3://")
    with pytest.raises(ReaderError, match=r"ftp://x is on the web"):
        read_collection("ftp://x")
