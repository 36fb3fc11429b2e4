"""Pictures are found by paths as other machines and programs write them, in every command."""

import os
from unicodedata import normalize

import pytest
from test_embed import contents, embed

from artsim.inspection import inspect_collection
from artsim.loader import Loaded, load
from artsim.places import picture_file
from artsim.readers import ReaderOptions, read_collection, walking
from artsim.search.works import locate
from artsim.splits.hashes import picture_hashes
from artsim.store import Store

CAFE, LATIN = "Caf\u00e9.png", os.fsdecode(b"Caf\xe9.png")


def table(folder, *images, **options):
    lines = [f'{n},"{image}"' for n, image in enumerate(images)]
    (folder / "objects.csv").write_text("\n".join(("id,image", *lines)), encoding="utf-8")
    return read_collection(folder, options=ReaderOptions(**options))


def images(catalog):
    return [row["image"] for batch in catalog.batches() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [
        ("images/a.png", "images/a.png"),
        (f"images/{normalize('NFC', CAFE)}", f"images/{normalize('NFD', CAFE)}"),
        (f"images/{normalize('NFD', CAFE)}", f"images/{normalize('NFC', CAFE)}"),
        (r"images\sub\win.png", "images/sub/win.png"),
        (r"D:\Museum\images\drive.png", "images/drive.png"),
        ("/Volumes/Museum/images/mac.png", "images/mac.png"),
        ("file:///images/uri%20b.png", "images/uri b.png"),
        ("images/%C3%A9tude.png", "images/\u00e9tude.png"),
        ("images/%E9tude.png", "images/\u00e9tude.png"),
        ("images/50%20off.png", "images/50%20off.png"),  # the letters that the name has
        ("images/UPPER.PNG", "images/upper.png"),
        ("Images/name.png", "images/Name.png"),
        ("images/nbsp.png\u00a0\u200b", "images/nbsp.png"),
        (f"images/{CAFE}", f"images/{LATIN}"),
    ],
)
def test_a_path_means_the_file_that_reads_the_same(written, on_disk, tmp_path, paint):
    paint(tmp_path / on_disk, (1, 2, 3))
    catalog = table(tmp_path, written)
    (image,) = images(catalog)
    assert picture_file(catalog.root, image) == tmp_path / on_disk
    assert len(catalog.notes) == (written != on_disk)


def test_a_note_counts_the_paths_and_shows_the_first(tmp_path, paint):
    paint(tmp_path / "a.png", (1, 2, 3))
    paint(tmp_path / "b.png", (1, 2, 3))
    assert table(tmp_path, "A.png", "b.png", r".\b.png", "c.png").notes == (
        "2 paths are not written as on the disk (case, Unicode form, backslashes, %20, another "
        "machine's folders), first 'A.png' for 'a.png'",
    )


def test_a_path_that_could_mean_two_files_means_none(tmp_path, paint):
    paint(tmp_path / "a.png", (1, 2, 3))
    paint(tmp_path / "A.png", (1, 2, 3))
    paint(tmp_path / "b.PNG", (1, 2, 3))
    assert images(table(tmp_path, "a.PNG", "A.png", "b.png")) == ["a.PNG", "A.png", "b.PNG"]


def test_the_folders_of_another_machine_are_the_same_for_every_row(tmp_path, paint):
    paint(tmp_path / "1890/a.png", (1, 2, 3))
    paint(tmp_path / "b.png", (1, 2, 3))
    rows = (r"D:\scans\1890\a.png", r"D:\scans\1891\b.png")
    assert images(table(tmp_path, *rows)) == ["1890/a.png", rows[1]]


def test_a_folder_of_pictures_is_found_by_paths_that_are_written_differently(tmp_path, paint):
    paint(tmp_path / "images/sub/a.png", (1, 2, 3))
    catalog = table(tmp_path, r"sub\A.png")
    assert (catalog.root, images(catalog)) == (tmp_path / "images", ["sub/a.png"])


@pytest.mark.parametrize("written", [rf"images\{CAFE}", "images/Caf%E9.png", f"IMAGES/{CAFE}"])
def test_every_command_finds_the_same_file(written, tmp_path, paint, toy):
    museum = tmp_path / "museum"
    file = paint(museum / "images" / LATIN, (40, 0, 80))
    catalog = table(museum, written)
    inspection = inspect_collection(catalog)
    assert (inspection.pictures, inspection.listed) == (1, 1)
    assert not [each for each in inspection.findings if "row" in each.kind]
    assert embed(museum, tmp_path / "i", toy).failures == 0
    row = contents(tmp_path / "i")["0"]
    assert (row["image"], row["width"]) == (r"images/Caf\xe9.png", 12)
    store = Store.open(tmp_path / "i")
    assert locate(store, row["image"]) == str(file)
    files = [(0, picture_file(store.manifest.root, row["image"]))]
    (loaded,) = load(files, toy.preprocessing, workers=1)
    assert isinstance(loaded, Loaded)
    assert len(picture_hashes(store)) == 1
    assert embed(museum, tmp_path / "i", toy).embedded == 0


def test_a_name_in_latin_1_is_embedded_from_a_folder(tmp_path, paint, toy):
    paint(tmp_path / "d" / LATIN, (40, 0, 80))
    assert embed(tmp_path / "d", tmp_path / "i", toy).failures == 0
    assert contents(tmp_path / "i")[r"Caf\xe9.png"]["width"] == 12


def test_a_file_with_these_letters_in_its_name_comes_first(tmp_path, paint):
    file = paint(tmp_path / r"Caf\xe9.png", (1, 2, 3))
    paint(tmp_path / LATIN, (1, 2, 3))
    assert picture_file(tmp_path, r"Caf\xe9.png") == file


@pytest.mark.parametrize("name", ["@Recycle", "#recycle", "$RECYCLE.BIN", "@eaDir"])
def test_what_was_thrown_away_is_no_picture_of_the_collection(name, tmp_path, paint):
    paint(tmp_path / "a.png", (1, 2, 3))
    paint(tmp_path / name / "b.png", (1, 2, 3))
    catalog = read_collection(tmp_path)
    assert images(catalog) == ["a.png"]
    assert inspect_collection(catalog).listed == 1


@pytest.mark.parametrize("pattern", ["thumbs", "old/thumbs", "thumb*", "old/thumbs/", "*/b.*"])
@pytest.mark.parametrize("reader", ["folder", "table"])
def test_pictures_are_excluded_by_name_or_path(pattern, reader, tmp_path, paint):
    for name in ("old/a.png", "old/thumbs/b.png", "b.png"):
        paint(tmp_path / name, (1, 2, 3))
    if reader == "table":
        table(tmp_path, "old/a.png", "old/thumbs/b.png", "b.png")
    options = ReaderOptions(exclude=("*.gif", pattern))
    catalog = read_collection(f"{reader}:{tmp_path}", options=options)
    assert sorted(images(catalog)) == ["b.png", "old/a.png"]
    assert inspect_collection(catalog).listed == 2
    assert catalog.notes == (() if reader == "folder" else ("rows left out by --exclude: 1",))


def test_a_folder_of_pictures_is_walked_once_to_see_whose_records_it_has(
    tmp_path, paint, monkeypatch
):
    for name in ("a/1.png", "a/b/2.png", "3.png"):
        paint(tmp_path / "pictures" / name, (0, 0, 0))
    walked = []
    scan = walking.scan
    monkeypatch.setattr(walking, "scan", lambda folder: walked.append(folder) or scan(folder))
    assert read_collection(tmp_path / "pictures").reader == "folder"
    folders = [tmp_path / "pictures" / name for name in ("", "a", "a/b")]
    assert [walked.count(folder) for folder in folders] == [2, 1, 1]  # once without those below


def test_what_was_found_below_a_folder_is_forgotten_at_the_end(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with walking.walking_once():
        first = walking.files_below(tmp_path, "*.json")
        assert [each.name for each in walking.files_below(tmp_path, "*.json")] == ["a.json"]
        (tmp_path / "b.json").write_text("{}")
        assert [each.name for each in first] == ["a.json"]
        assert [each.name for each in walking.files_below(tmp_path, "*.json")] == ["a.json"]
        found = walking.files_below(tmp_path, "*", (".xml",))
        assert list(found) == []
    found = walking.files_below(tmp_path, "*.json")
    assert [each.name for each in found] == ["a.json", "b.json"]
