"""Trees of empty files named as pictures: the reader goes by names and never opens one."""

import os
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from artsim.datatypes import FORMATS
from artsim.errors import ReaderError
from artsim.readers import ReaderOptions, folder, read_collection


def plant(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def rows(root: Path) -> list[dict[str, str | None]]:
    catalog = read_collection(f"folder:{root}")
    return [row for batch in catalog.batches() for row in batch.to_pylist()]


def ids(root: Path) -> list[str | None]:
    return [row["id"] for row in rows(root)]


def test_a_flat_folder_has_ids_and_no_metadata(tmp_path):
    plant(tmp_path, "b.jpg", "a.png", "notes.txt")
    assert rows(tmp_path) == [{"id": "a.png", "image": "a.png"}, {"id": "b.jpg", "image": "b.jpg"}]


def test_subfolders_are_classes(tmp_path):
    plant(tmp_path, "coin/1.jpg", "fresco/1.jpg", "loose.jpg")
    assert rows(tmp_path) == [
        {"id": "coin/1.jpg", "image": "coin/1.jpg", "class": "coin"},
        {"id": "fresco/1.jpg", "image": "fresco/1.jpg", "class": "fresco"},
        {"id": "loose.jpg", "image": "loose.jpg", "class": None},
    ]


def test_top_folders_named_as_splits_are_the_split(tmp_path):
    plant(tmp_path, "train/coin/1.jpg", "Validation/coin/2.jpg", "test/icon/3.jpg")
    assert [(row["split"], row["class"], row["id"]) for row in rows(tmp_path)] == [
        ("Validation", "coin", "Validation/coin/2.jpg"),
        ("test", "icon", "test/icon/3.jpg"),
        ("train", "coin", "train/coin/1.jpg"),
    ]


def test_a_split_without_classes_has_the_split_alone(tmp_path):
    plant(tmp_path, "train/1.jpg", "val/2.jpg")
    assert [sorted(row) for row in rows(tmp_path)] == [["id", "image", "split"]] * 2


def test_a_class_may_be_called_test(tmp_path):
    plant(tmp_path, "test/1.jpg", "plate/2.jpg")
    assert [row["class"] for row in rows(tmp_path)] == ["plate", "test"]


def test_deeper_trees_keep_the_whole_folder(tmp_path):
    plant(tmp_path, "coin/gold/1.jpg", "coin/2.jpg", "3.jpg")
    assert [(row["class"], row["folder"]) for row in rows(tmp_path)] == [
        (None, None),
        ("coin", "coin"),
        ("coin", "coin/gold"),
    ]


def test_deeper_trees_below_a_split(tmp_path):
    plant(tmp_path, "train/coin/gold/1.jpg", "val/icon/2.jpg")
    assert [(row["split"], row["class"], row["folder"]) for row in rows(tmp_path)] == [
        ("train", "coin", "train/coin/gold"),
        ("val", "icon", "val/icon"),
    ]


def test_system_files_are_skipped(tmp_path):
    plant(tmp_path, "a.jpg", "._a.jpg", ".b.jpg", "Thumbs.db", ".cache/c.jpg", "__MACOSX/d.jpg")
    assert ids(tmp_path) == ["a.jpg"]


def test_file_names_are_kept_unchanged(tmp_path):
    names = ["A B/Dürer_ Hase (1).JPG", "A B/c;d,e|f.TIFF", "Z/北斎.Webp", "dots.in.name.jpeg"]
    plant(tmp_path, *names)
    assert ids(tmp_path) == names


def test_equal_names_in_several_folders_are_several_pictures(tmp_path):
    plant(tmp_path, "a/front.jpg", "b/front.jpg", "front.jpg", "front.jpeg")
    assert ids(tmp_path) == ["a/front.jpg", "b/front.jpg", "front.jpeg", "front.jpg"]


def test_circular_links_are_followed_once(tmp_path):
    plant(tmp_path / "root", "a/1.jpg")
    plant(tmp_path / "outside", "2.jpg")
    (tmp_path / "root/a/up").symlink_to(tmp_path / "root")
    (tmp_path / "root/a/higher").symlink_to(tmp_path)
    (tmp_path / "root/a/self").symlink_to(tmp_path / "root/a")
    (tmp_path / "root/out").symlink_to(tmp_path / "outside")
    (tmp_path / "root/out again").symlink_to(tmp_path / "outside")
    (tmp_path / "outside/back").symlink_to(tmp_path / "root")
    (tmp_path / "root/b").symlink_to(tmp_path / "root/b")
    assert ids(tmp_path / "root") == ["a/1.jpg", "out/2.jpg"]


def test_a_link_into_a_hidden_store_is_followed(tmp_path):
    plant(tmp_path, ".store/1.jpg")
    (tmp_path / "prints").symlink_to(tmp_path / ".store")
    assert ids(tmp_path) == ["prints/1.jpg"]


def test_a_link_to_a_missing_picture_is_a_row_and_a_pipe_is_not(tmp_path):
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert ids(tmp_path) == ["gone.jpg"]


def test_names_that_are_not_utf8_are_escaped(tmp_path):
    (tmp_path / os.fsdecode(b"D\xfcrer")).mkdir()
    (tmp_path / os.fsdecode(b"D\xfcrer") / os.fsdecode(b"hase\xe9.jpg")).touch()
    assert rows(tmp_path) == [
        {"id": r"D\xfcrer/hase\xe9.jpg", "image": r"D\xfcrer/hase\xe9.jpg", "class": r"D\xfcrer"}
    ]


def test_many_pictures_come_in_several_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "_BATCH", 2)
    plant(tmp_path, *(f"{number}.jpg" for number in range(5)))
    batches = list(read_collection(tmp_path).batches())
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    assert [id_ for batch in batches for id_ in batch["id"].to_pylist()] == ids(tmp_path)


def test_column_options_are_refused(tmp_path):
    plant(tmp_path, "a.jpg")
    with pytest.raises(ReaderError, match=r"folder reader .* takes no --id-column; .* table:FILE"):
        read_collection(tmp_path, options=ReaderOptions(id_column="id"))


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    plant(tmp_path, "a.jpg", "shut/b.jpg")
    listing = folder._listing

    def refuse(path):
        if path.name == "shut":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(folder, "_listing", refuse)
    with pytest.raises(
        ReaderError, match=r"cannot list the folder .*shut: Permission denied; make"
    ):
        read_collection(tmp_path)


_NAME = st.text("ab", min_size=1, max_size=2)


@given(st.sets(st.lists(_NAME, min_size=1, max_size=4).map("/".join), max_size=12))
def test_every_picture_of_any_tree_is_listed_once(tmp_path_factory, names):
    root = plant(tmp_path_factory.mktemp("tree"), "a.jpg", *(f"{name}.jpg" for name in names))
    found = [str(path.relative_to(root).as_posix()) for path in root.rglob("*.jpg")]
    assert sorted(ids(root)) == sorted(found)


def test_metadata_of_an_image_folder_is_read_from_each_split(tmp_path):
    for split, name in (("train", "a.jpg"), ("test", "b.jpg")):
        (tmp_path / split).mkdir()
        (tmp_path / split / "metadata.jsonl").write_text(f'{{"file_name": "{name}", "year": 7}}')
    catalog = read_collection(tmp_path)
    (batch,) = catalog.batches()
    assert catalog.reader == "imagefolder"
    assert batch.to_pylist() == [
        {"id": "train/a.jpg", "image": "train/a.jpg", "split": "train", "year": 7},
        {"id": "test/b.jpg", "image": "test/b.jpg", "split": "test", "year": 7},
    ]


def test_every_format_that_is_decoded_is_listed(tmp_path):
    names = sorted(f"{each.name}.{suffix.upper()}" for each in FORMATS for suffix in each.suffixes)
    plant(tmp_path, *names, "notes.txt")
    assert sorted(ids(tmp_path)) == names
    assert read_collection(tmp_path).notes == ()


def test_other_files_are_counted_by_their_suffix(tmp_path):
    plant(tmp_path, "a.jpg", "b.svg", "c/d.PDF", "c/e.pdf", "noext", "list.csv", ".hidden.pdf")
    assert read_collection(f"folder:{tmp_path}").notes == (
        f"files in {tmp_path} that are not named as pictures are left out: 2 .pdf, 1 .svg, 1 "
        "without a suffix; give pictures among them the suffix of their format, or convert them",
    )


def test_a_folder_of_other_files_alone_names_them(tmp_path):
    plant(tmp_path, *(f"{number}.{kind}" for number, kind in enumerate("abcdefg")))
    with pytest.raises(
        ReaderError, match=r"below, but 1 \.a, 1 \.b, .*, 2 of other kinds; expected"
    ):
        read_collection(f"folder:{tmp_path}")
