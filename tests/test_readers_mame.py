"""MAMe in three rows: stripped media, whole numbers, and no instance ids."""

import pytest

from artsim.errors import ReaderError
from artsim.readers import ReaderOptions, read_collection

TABLE = """\
Image file,Medium,Museum,Museum-based instance ID,Subset,Width,Height,Product size,Aspect ratio
436018.jpg,Oil on canvas,Metropolitan Museum of Art,29.100.60,train,3144.0,3840.0,12072960.0,0.8187
1938.42.jpeg,Woven fabric ,The Cleveland Museum of Art,"1938.42, .43",val,200.0,100.0,20000.0,2.0
9.jpg,Ivory,Los Angeles County Museum of Art,M.9,test,10.0,20.0,200.0,0.5
"""


@pytest.fixture
def mame(tmp_path):
    (tmp_path / "MAMe_dataset.csv").write_text(TABLE)
    (tmp_path / "MAMe_labels.csv").write_text("0,Ivory\n1,Oil on canvas\n2,Woven fabric\n")
    return tmp_path


def edit(folder, old, new):
    (folder / "MAMe_dataset.csv").write_text(TABLE.replace(old, new))


def test_rows_are_read_with_their_split_and_sizes(mame):
    catalog = read_collection(mame)
    assert (catalog.reader, catalog.name) == ("mame", "mame")
    assert [row for batch in catalog.batches() for row in batch.to_pylist()][1] == {
        "id": "1938.42.jpeg",
        "image": "1938.42.jpeg",
        "medium": "Woven fabric",
        "museum": "The Cleveland Museum of Art",
        "split": "val",
        "pixel_width": 200,
        "pixel_height": 100,
        "pixel_count": 20000,
        "aspect_ratio": 2.0,
    }


def test_instance_ids_are_not_offered(mame):
    assert [field.name for field in read_collection(mame).fields] == [
        *("medium", "museum", "split"),
        *("pixel_width", "pixel_height", "pixel_count", "aspect_ratio"),
    ]


def test_the_table_can_be_named_and_needs_no_labels(mame):
    (mame / "MAMe_labels.csv").unlink()
    edit(mame, "Ivory", "Ivroy")
    catalog = read_collection(mame / "MAMe_dataset.csv")
    assert catalog.reader == "mame"
    assert sum(batch.num_rows for batch in catalog.batches()) == 3


def test_pictures_are_found_in_a_folder_next_to_the_table(mame):
    for folder in ("data", "data_256"):
        (mame / folder).mkdir()
    (mame / "data_256" / "9.jpg").touch()
    assert read_collection(mame).root == mame / "data_256"
    options = ReaderOptions(images=mame / "data")
    assert read_collection(mame, options=options).root == mame / "data"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Ivory", "Ivroy", "row 3, column 'Medium': 'Ivroy' is not listed in MAMe_labels.csv"),
        ("200.0,100.0", "200.0,wide", "row 2, column 'Height': 'wide' is not a number"),
        (",Subset,", ",Part,", "no column 'Subset'; its columns are Image file, Medium"),
    ],
)
def test_a_wrong_value_or_column_is_named(mame, old, new, message):
    edit(mame, old, new)
    with pytest.raises(ReaderError, match=message):
        read_collection(f"mame:{mame}", options=ReaderOptions(strict=True))


def test_a_wrong_value_is_missing_and_the_rest_is_read(mame):
    edit(mame, "200.0,100.0", "200.0,wide")
    catalog = read_collection(f"mame:{mame}")
    (batch,) = catalog.batches()
    assert batch.num_rows == 3
    assert batch["pixel_height"].null_count == 1
    assert catalog.notes[0].endswith("'wide' is not a number; such values are missing: 1")


def test_a_missing_table_is_named(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ReaderError, match=r"no MAMe_dataset\.csv in"):
        read_collection(f"mame:{tmp_path}")
