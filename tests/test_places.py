"""Pictures inside files, members of tars and rows of Parquet files: embedded and shown."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from search_toys import at, make_store
from serving import serving

from artsim.cli import cli
from artsim.embedding import EmbedSettings, embed_collection
from artsim.errors import ImageError, ReaderError
from artsim.images import describe, read_bytes
from artsim.inspection import InspectSettings, inspect_collection
from artsim.places import is_file, open_place, picture_file, status, statuses
from artsim.readers import ReaderOptions, read_collection
from artsim.report import small_copy
from artsim.search import locate
from artsim.server import Museum, make_app
from artsim.store import Store

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)
COLORS = {"red": RED, "green": GREEN, "blue": BLUE}


def png(color, size=(12, 10)):
    stream = io.BytesIO()
    Image.new("RGB", size, color).save(stream, "PNG")
    return stream.getvalue()


def write_tar(file, members):
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def test_the_statuses_of_many_pictures_are_those_of_each(tmp_path):
    data = png(RED)
    write_tar(tmp_path / "a.tar", {"b.png": data})
    names = ["c.png", "sub/d.png", r"e\xe9.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data + name.encode())
    pictures = [*names, "a.tar/b.png", str(tmp_path / "c.png")]
    nothing = ["sub", "none.png", "a.tar/none.png", None, "", "x\0", "https://a.org/b.png"]
    sizes, times = statuses(str(tmp_path), [*pictures, *nothing])
    known = [status(tmp_path / name) for name in pictures]
    assert sizes.tolist() == [each.st_size for each in known] + [-1] * len(nothing)
    assert times.tolist() == [each.st_mtime_ns for each in known] + [-1] * len(nothing)


def write_shard(file, colors=COLORS):
    """Write a tar as WebDataset does: a picture, its JSON and its class for each key."""
    members = {}
    for number, (name, color) in enumerate(colors.items()):
        members[f"./{number:04}.png"] = png(color)
        record = {"title": name, "maker": {"name": "A"}, "id": number}
        members[f"./{number:04}.json"] = json.dumps(record).encode()
        members[f"./{number:04}.cls"] = str(number).encode()
    return write_tar(file, members)


def write_pictures(file, rows, *, classes=None, row_group_size=2, **columns):
    """Write a Parquet file as Hugging Face does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": [{"path": path, "bytes": data} for path, data in rows], **columns})
    if classes:
        features = {
            name: {"names": names, "_type": "ClassLabel"} for name, names in classes.items()
        }
        metadata = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, file, row_group_size=row_group_size)
    return file


def rows(catalog):
    return [row for batch in catalog.batches() for row in batch.to_pylist()]


@pytest.fixture(params=["webdataset", "imageparquet"])
def collection(request, tmp_path):
    """Three pictures of one color each, inside one file."""
    folder = tmp_path / request.param
    if request.param == "webdataset":
        write_shard(folder / "train-000.tar")
        return folder, [f"train-000.tar/{number:04}.png" for number in range(3)]
    named = [(f"{name}.png", png(color)) for name, color in COLORS.items()]
    write_pictures(folder / "data/train-0.parquet", named, title=list(COLORS))
    return folder, [f"data/train-0.parquet/image/{number}" for number in range(3)]


# --- one way to open a picture ------------------------------------------------------------


def test_a_picture_is_opened_by_its_path_wherever_it_lives(collection, paint):
    folder, images = collection
    loose = paint(folder / "loose.png", RED)
    for image, color in [("loose.png", RED), *zip(images, COLORS.values(), strict=True)]:
        file = picture_file(folder, image)
        assert is_file(file)
        assert is_file(str(file))
        assert describe(file).format == "PNG"
        data = read_bytes(file)
        assert status(file).st_size == len(data)
        assert small_copy(file, 5).getpixel((2, 2)) == color
    assert read_bytes(loose) == png(RED)
    container = folder / images[0].partition("/0")[0].removesuffix("/image")
    assert status(folder / images[0]).st_mtime_ns == container.stat().st_mtime_ns


@pytest.mark.parametrize(
    "image",
    ["no.png", "train-000.tar/no.png", "data/train-0.parquet/image/3", "data/train-0.parquet/x/0"],
)
def test_a_picture_that_is_in_no_file_is_missing(collection, image):
    assert not is_file(collection[0] / image)
    with pytest.raises(FileNotFoundError if collection[0].name in image else OSError):
        status(collection[0] / image)
    with pytest.raises(ImageError, match=r"no file|cannot be read"):
        read_bytes(collection[0] / image)


def test_a_changed_container_is_read_again(tmp_path):
    tar = write_tar(tmp_path / "a.tar", {"x.png": png(RED)})
    assert read_bytes(tar / "x.png") == png(RED)
    write_tar(tar, {"y.png": b"longer than before", "x.png": png(BLUE)})
    assert read_bytes(tar / "x.png") == png(BLUE)


def test_rows_are_read_in_any_order_and_from_several_row_groups(tmp_path):
    named = [(f"{n}.png", bytes([n]) * (n + 1)) for n in range(25)]
    file = write_pictures(tmp_path / "a.parquet", named, row_group_size=10)
    order = np.random.default_rng(0).permutation(50) % 25
    for row in order.tolist():
        assert open_place(file / f"image/{row}").read() == named[row][1]
    assert [status(file / f"image/{row}").st_size for row in range(25)] == list(range(1, 26))


def test_links_and_folders_in_a_tar_are_no_pictures(tmp_path, paint):
    paint(tmp_path / "secret.png", RED)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "../secret.png"
        tar.addfile(link)
        tar.add(tmp_path / "secret.png", "../up.png")
    assert not is_file(tmp_path / "a.tar/link.png")
    assert read_bytes(tmp_path / "a.tar" / ".." / "up.png")  # a member of this name, and no more
    (tmp_path / "pipe.tar").mkdir()
    assert not is_file(tmp_path / "pipe.tar/a.png")


# --- embedded and shown from there --------------------------------------------------------


def test_pictures_inside_files_are_embedded_found_and_shown(collection, tmp_path, toy):
    folder, images = collection
    catalog = read_collection(folder)
    assert catalog.reader == folder.name
    assert [row["image"] for row in rows(catalog)] == images
    found = inspect_collection(catalog, settings=InspectSettings(hashes=True))
    assert (found.pictures, found.formats) == (3, {"PNG": 3})

    summary = embed_collection(catalog, tmp_path / "i", toy)
    assert summary.embedded == 3
    assert embed_collection(catalog, tmp_path / "i", toy).kept == 3
    store = Store.open(tmp_path / "i")
    table = store.read(["id", "title", "file_bytes", "rgb"])
    assert table["title"].to_pylist() == list(COLORS)
    assert table["file_bytes"].to_pylist() == [len(png(color)) for color in COLORS.values()]
    assert np.allclose(np.array(table["rgb"].to_pylist()), list(COLORS.values()))
    assert [locate(store, image) for image in images] == [str(folder / each) for each in images]

    runner, sheet, page = CliRunner(), tmp_path / "s.png", tmp_path / "p.html"
    command = ["similar", str(tmp_path / "i"), "--id", images[0], "-k", "2", "--json"]
    done = runner.invoke(cli, [*command, "--sheet", str(sheet), "--html", str(page)])
    assert done.exit_code == 0, done.output
    assert page.read_text().count("data:image/jpeg") == 3
    shown = np.asarray(Image.open(sheet).convert("RGB")).astype(int)
    for color in COLORS.values():
        assert (abs(shown - color).sum(axis=2) < 60).any()


def test_pictures_inside_files_are_served(tmp_path):
    write_shard(tmp_path / "a.tar")
    write_tar(tmp_path / "outside.tar", {"x.png": png(BLUE)})
    folder = tmp_path / "own"
    folder.mkdir()
    write_shard(folder / "a.tar")
    (folder / "link.tar").symlink_to(tmp_path / "outside.tar")
    images = ["a.tar/0000.png", "link.tar/x.png", "../outside.tar/x.png", "a.tar/../../outside.tar"]
    store = make_store(
        tmp_path / "i", list("abcd"), {"compass": at(0, 1, 2, 3)}, images=images, root=folder
    )
    with serving(make_app(Museum([store], lambda _: None))) as address:
        import httpx2

        answers = [httpx2.get(f"{address}/api/i/picture", params={"id": id_}) for id_ in "abcd"]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 404]
    assert Image.open(io.BytesIO(answers[0].content)).getpixel((5, 5))[0] > 200
    assert [locate(store, image) is None for image in images] == [False, True, True, True]


# --- WebDataset ---------------------------------------------------------------------------


def test_the_files_of_one_key_are_one_row(tmp_path):
    write_shard(tmp_path / "train-000.tar", {"red": RED})
    write_shard(tmp_path / "val/000.tar", {"blue": BLUE})
    assert rows(read_collection(tmp_path)) == [
        {
            "id": image,
            "image": image,
            "split": split,
            "title": title,
            "maker.name": "A",
            "id_record": "0",
            "cls": 0,
        }
        for image, split, title in [
            ("train-000.tar/0000.png", "train", "red"),
            ("val/000.tar/0000.png", "val", "blue"),
        ]
    ]
    (one,) = rows(
        read_collection(tmp_path / "val/000.tar", options=ReaderOptions(id_column="title"))
    )
    assert (one["id"], one["image"]) == ("blue", "000.tar/0000.png")


def test_members_that_are_left_out_and_faults_are_named(tmp_path):
    tar = write_tar(
        tmp_path / "a.tar",
        {
            "1.png": png(RED),
            "1.npy": b"x",
            "1.json": b"{",
            "2.txt": b"no picture",
            "3.png": png(RED),
        },
    )
    with tar.open("r+b") as stream:
        stream.truncate(4608)  # within the last picture
    catalog = read_collection(tmp_path)
    assert [row["id"] for row in rows(catalog)] == ["a.tar/1.png", "a.tar/3.png"]
    faults, others = catalog.notes
    assert faults.startswith("faults in tars: 2, first ")
    assert "a.tar ends early or is damaged (unexpected end of data" in faults
    assert not inspect_collection(catalog).formats.keys() - {"PNG"}
    assert others.endswith("are left out: 1 .npy, 1 .txt")
    with pytest.raises(ReaderError, match=r"a\.tar ends early or is damaged"):
        read_collection(tmp_path, options=ReaderOptions(strict=True))


def test_a_compressed_tar_is_refused_with_what_to_do(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz"):
        pass
    with pytest.raises(ReaderError, match=r"a\.tar\.gz is compressed; unpack it to a \.tar"):
        read_collection(tmp_path / "a.tar.gz")
    (tmp_path / "b.tar").write_bytes((tmp_path / "a.tar.gz").read_bytes())
    with pytest.raises(ReaderError, match=r"b\.tar is compressed; unpack it with gunzip"):
        read_collection(tmp_path / "b.tar")


def test_a_table_beside_a_tar_comes_first_and_may_name_its_members(tmp_path):
    write_shard(tmp_path / "a.tar")
    (tmp_path / "objects.csv").write_text("id,image\n7,a.tar/0001.png\n")
    catalog = read_collection(tmp_path)
    assert (catalog.reader, rows(catalog)) == ("table", [{"id": "7", "image": "a.tar/0001.png"}])
    assert inspect_collection(catalog).pictures == 1


def test_a_pattern_names_several_files_and_ids_stay_those_of_the_folder(tmp_path):
    for split, color in {"train": RED, "val": GREEN, "test": BLUE}.items():
        write_shard(tmp_path / f"shards/{split}-0.tar", {split: color})
        write_pictures(tmp_path / f"shards/{split}-0.parquet", [("a", png(color))])
    for pattern, ids in {
        "shards/t*.tar": ["test-0.tar/0000.png", "train-0.tar/0000.png"],
        "sh*/t*.tar": ["shards/test-0.tar/0000.png", "shards/train-0.tar/0000.png"],
        "shards/t*.parquet": ["test-0.parquet/image/0", "train-0.parquet/image/0"],
    }.items():
        assert [row["id"] for row in rows(read_collection(tmp_path / pattern))] == ids
    with pytest.raises(ReaderError, match=r"no file fits .*no\*\.tar"):
        read_collection(tmp_path / "shards/no*.tar")


def test_broken_members_are_failures_and_a_resumed_run_equals_an_uninterrupted_one(tmp_path, toy):
    colors = {f"{name}{n}": color for n in range(3) for name, color in COLORS.items()}
    tar = write_shard(tmp_path / "t" / "a.tar", colors)
    tar.write_bytes(tar.read_bytes().replace(b"IDAT", b"XXXX", 1))
    named = [(name, png(color)) for name, color in colors.items()]
    broken = [("torn", named[0][1][:30]), ("none", None)]
    write_pictures(tmp_path / "p" / "a.parquet", [*named[:4], *broken, *named[4:]])
    settings = EmbedSettings(part_rows=2, batch_size=2)

    def stop(done, total, failures):
        if done >= 5:
            raise KeyboardInterrupt

    for name, ids in {
        "t": ["a.tar/0000.png"],
        "p": ["a.parquet/image/4", "a.parquet/image/5"],
    }.items():
        catalog, stopped, straight = (
            read_collection(tmp_path / name),
            tmp_path / f"{name}-stopped",
            tmp_path / f"{name}-straight",
        )
        with pytest.raises(KeyboardInterrupt):
            embed_collection(catalog, stopped, toy, settings=settings, progress=stop)
        for path in (stopped, straight):
            embed_collection(catalog, path, toy, settings=settings)
        one, other = (Store.open(path) for path in (stopped, straight))
        assert one.manifest.parts == other.manifest.parts
        assert sorted(each["id"] for each in one.failures().to_pylist()) == ids
        assert one.rows == 9 - (name == "t")


# --- Parquet ------------------------------------------------------------------------------


def test_rows_of_parquet_shards_have_their_class_names(tmp_path):
    write_pictures(
        tmp_path / "data/train-0.parquet",
        [("red.png", png(RED)), ("green.png", png(GREEN)), (None, png(BLUE))],
        classes={"style": ["Cubism", "Realism"]},
        style=[1, 0, -1],
        vector=[[0.5]] * 3,
        tags=[["a", "b"], [], ["c"]],
    )
    write_pictures(tmp_path / "data/test-0.parquet", [("x.png", png(RED))], style=[1])
    catalog = read_collection(tmp_path)
    assert rows(catalog)[1:3] == [
        {
            "id": "data/train-0.parquet/image/0",
            "image": "data/train-0.parquet/image/0",
            "split": "train",
            "style": "Realism",
            "image.path": "red.png",
            "tags": ["a", "b"],
        },
        {
            "id": "data/train-0.parquet/image/1",
            "image": "data/train-0.parquet/image/1",
            "split": "train",
            "style": "Cubism",
            "image.path": "green.png",
            "tags": None,
        },
    ]
    assert rows(catalog)[3]["style"] is None
    assert rows(catalog)[0]["split"] == "test"
    assert catalog.notes == ("columns of bytes and vectors are left out: vector",)


def test_a_parquet_that_only_names_its_pictures_reads_them_from_the_folder(tmp_path, paint):
    paint(tmp_path / "a.png", RED)
    table = pa.table(
        {"image": pa.array([{"bytes": None, "path": "a.png"}], pa.struct(
            [("bytes", pa.binary()), ("path", pa.string())]))}
    )  # fmt: skip
    pq.write_table(table, tmp_path / "train.parquet")
    assert [row["image"] for row in rows(read_collection(tmp_path))] == ["a.png"]


def test_a_column_of_plain_bytes_is_one_of_pictures_if_they_are(tmp_path):
    table = pa.table({"jpg": [png(RED)], "thumb": [b"no"], "nr": ["1"]})
    pq.write_table(table, tmp_path / "a.parquet")
    catalog = read_collection(tmp_path / "a.parquet", options=ReaderOptions(id_column="nr"))
    assert rows(catalog) == [{"id": "1", "image": "a.parquet/jpg/0"}]
    assert catalog.notes == ("columns of bytes and vectors are left out: thumb",)
    with pytest.raises(ReaderError, match="no column of pictures named 'thumb'; it has: jpg"):
        read_collection(tmp_path / "a.parquet", options=ReaderOptions(image_column="thumb"))
