"""Lists of a handful of pictures, in each of the three shapes they are found in."""

import re

import pytest

from artsim.errors import ReaderError
from artsim.readers import ReaderOptions, read_collection

MUCHA = "Art_Nouveau_Modern/alphonse-mucha_job-1896(1).jpg"
MICHONZE = "Naive_Art_Primitivism/grã©goire-michonze_birds.jpg"
REMBRANDT = "Baroque/rembrandt_the-angel-1634.jpg"


def write(folder, **lists):
    for name, text in lists.items():
        (folder / name.replace("__", ".")).write_bytes(text.encode())
    return folder


@pytest.fixture
def lists(tmp_path):
    return write(
        tmp_path,
        style_train__csv=f"{MUCHA},0\r\n{MICHONZE},2\r\n",
        style_val__csv=f"{REMBRANDT},1\r\n",
        style_class__txt="0 Art_Nouveau\n1 Baroque\n2 Naive_Art_Primitivism\n",
        artist_train=f"(Path to image),, (Groundtruth class) \n\n{REMBRANDT},,1\n",
        artist_class="0 Albrecht_Durer\n1 Rembrandt\n",
        genre_val__csv=f"image_path,class_index\n{MUCHA},1\n",
    )


def read(folder, **options):
    catalog = read_collection(folder, options=ReaderOptions(**options))
    assert catalog.reader == "wikiart"
    return catalog


def rows(folder):
    return [row for batch in read(folder).batches() for row in batch.to_pylist()]


def test_the_tasks_are_merged_with_a_split_each(lists):
    nothing = dict.fromkeys(
        ("style", "style_split", "genre", "genre_split", "artist", "artist_split")
    )
    assert rows(lists) == [
        {"id": MUCHA, "image": MUCHA}
        | nothing
        | {"style": "Art_Nouveau", "style_split": "train", "genre": "1", "genre_split": "val"},
        {"id": MICHONZE, "image": MICHONZE}
        | nothing
        | {"style": "Naive_Art_Primitivism", "style_split": "train"},
        {"id": REMBRANDT, "image": REMBRANDT}
        | nothing
        | {"style": "Baroque", "style_split": "val"}
        | {"artist": "Rembrandt", "artist_split": "train"},
    ]


def test_a_task_without_lists_has_no_columns(tmp_path):
    write(tmp_path, style_train__csv=f"{MUCHA},7\n")
    assert rows(tmp_path) == [{"id": MUCHA, "image": MUCHA, "style": "7", "style_split": "train"}]


def test_pictures_are_found_in_any_folder_next_to_the_lists(lists):
    picture = lists / "wikiart" / REMBRANDT
    picture.parent.mkdir(parents=True)
    picture.touch()
    (lists / "another").mkdir()
    assert read(lists).root == lists / "wikiart"
    assert read(lists, images=lists / "another").root == lists / "another"


def test_a_picture_that_a_list_names_twice_keeps_its_first_class(tmp_path):
    write(tmp_path, genre_val__csv=f"{MUCHA},4\n{REMBRANDT},1\n{MUCHA},5\n")
    assert [(row["id"], row["genre"]) for row in rows(tmp_path)] == [(MUCHA, "4"), (REMBRANDT, "1")]


def test_a_picture_in_two_parts_of_a_task_is_refused(tmp_path):
    write(tmp_path, genre_train__csv=f"{MUCHA},4\n", genre_val__csv=f"{MUCHA},4\n")
    with pytest.raises(
        ReaderError, match=r"genre_val\.csv, line 1: .* is in the train list of genre"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Baroque/x.jpg", r"line 2: 'Baroque/x\.jpg' is not of the form 'path,index'"),
        ("Baroque/x.jpg,seven", "line 2: .* is not of the form"),
        ("Baroque/x.jpg,3", "line 2: no class 3 in the class file of style, which goes up to 2"),
    ],
)
def test_a_malformed_line_is_named(lists, line, message):
    write(lists, style_val__csv=f"{REMBRANDT},1\n{line}\n")
    with pytest.raises(ReaderError, match=rf"style_val\.csv, {message}"):
        read_collection(lists, options=ReaderOptions(strict=True))
    (note,) = read(lists).notes
    assert re.search(
        rf"^bad lines of lists are left out: 1, first .*style_val\.csv, {message}", note
    )


def test_a_malformed_class_file_is_named(lists):
    write(lists, artist_class="Rembrandt\n")
    with pytest.raises(ReaderError, match="artist_class, line 1: 'Rembrandt' is not of the form"):
        read(lists)


def test_lists_in_another_encoding_are_refused(lists):
    (lists / "style_val.csv").write_bytes(b"Baroque/d\xfcrer.jpg,1\n")
    with pytest.raises(ReaderError, match=r"style_val\.csv is not UTF-8"):
        read(lists)


def test_a_folder_without_lists_is_named(tmp_path):
    (tmp_path / "other.csv").touch()
    with pytest.raises(ReaderError, match=r"no list such as style_train\.csv in"):
        read_collection(f"wikiart:{tmp_path}")
    write(tmp_path, style_train__csv="\n")
    with pytest.raises(ReaderError, match="name no picture"):
        read(tmp_path)


def test_each_task_can_have_its_own_folder(tmp_path):
    for name in ("Style", "Genre"):
        (tmp_path / name).mkdir()
    write(
        tmp_path / "Style",
        style_train__csv=f"{MUCHA},0\n",
        style_class__txt="0 Art_Nouveau\n",
    )
    write(tmp_path / "Genre", genre_val__csv=f"{MUCHA},0\n", genre_class="0 portrait\n")
    assert rows(tmp_path) == [
        {"id": MUCHA, "image": MUCHA}
        | {"style": "Art_Nouveau", "style_split": "train"}
        | {"genre": "portrait", "genre_split": "val"}
    ]
