"""MoMA's three layouts, a few rows each."""

import pytest

from artsim.errors import ReaderError
from artsim.readers import ReaderOptions, read_collection

ADDRESS = "http://www.moma.org/media/x.jpg?sha=1"
NOW = (
    "Title,Artist,ConstituentID,ArtistBio,Nationality,BeginDate,EndDate,Gender,Date,Medium,"
    "Dimensions,CreditLine,AccessionNumber,Classification,Department,DateAcquired,Cataloged,"
    "ObjectID,URL,ImageURL,OnView,Circumference (cm),Depth (cm),Diameter (cm),Height (cm),"
    "Length (cm),Weight (kg),Width (cm),Seat Height (cm),Duration (sec.)"
)
EARLIER = NOW.replace("ImageURL,OnView", "ThumbnailURL")
IN_2015 = (
    "Title,Artist,ArtistBio,Date,Medium,Dimensions,CreditLine,MoMANumber,Classification,"
    "Department,DateAcquired,CuratorApproved,ObjectID,URL,ImageURL"
)


def write(folder, header, *rows, encoding="utf-8", name="Artworks.csv"):
    lines = [",".join(row.get(column, "") for column in header.split(",")) for row in rows]
    (folder / name).write_text("\n".join([header, *lines, ""]), encoding=encoding)
    return folder


def rows(path):
    catalog = read_collection(path)
    assert catalog.reader == "moma"
    return [row for batch in catalog.batches() for row in batch.to_pylist()]


def column(folder, name, *values, field=None):
    """Read one column, written with the given values."""
    write(folder, NOW, *({"ObjectID": str(n), name: value} for n, value in enumerate(values)))
    return [row[field] for row in rows(folder)]


def test_todays_thirty_columns_with_a_byte_order_mark(tmp_path):
    row = {
        "Title": "Villa",
        "Artist": '"Emil Hoppe, Otto Wagner"',
        "ConstituentID": '"7605, 6210"',
        "Nationality": "(Austrian) (Austrian)",
        "BeginDate": "(1876) (1841)",
        "EndDate": "(1957) (1918)",
        "Gender": "(male) (male)",
        "Date": "1903",
        "Medium": "Lithograph",
        "AccessionNumber": "1.1997",
        "ObjectID": "4",
        "ImageURL": ADDRESS,
        "OnView": '"MoMA, Floor 5, 501"',
        "Height (cm)": "34.3",
        "Duration (sec.)": "60.0",
    }
    (found,) = rows(write(tmp_path, NOW, row, encoding="utf-8-sig"))
    assert {name: value for name, value in found.items() if value is not None} == {
        "id": "4",
        "image": ADDRESS,
        "title": "Villa",
        "artist": "Emil Hoppe, Otto Wagner",
        "constituent_id": ["7605", "6210"],
        "nationality": ["Austrian", "Austrian"],
        "artist_born": 1876,
        "artist_died": 1957,
        "gender": ["male", "male"],
        "date": "1903",
        "medium": "Lithograph",
        "accession_number": "1.1997",
        "on_view": "MoMA, Floor 5, 501",
        "height_cm": 34.3,
        "duration_s": 60.0,
        "years": {"begin": 1903, "end": 1903},
        "date_text": "1903",
    }
    assert len(found) == 32  # the thirty, the years and the date in words


def test_the_layout_with_thumbnails(tmp_path):
    (found,) = rows(write(tmp_path, EARLIER, {"ObjectID": "2", "ThumbnailURL": ADDRESS}))
    assert (found["id"], found["image"], len(found)) == ("2", ADDRESS, 31)


def test_the_layout_of_2015(tmp_path):
    row = {"ObjectID": "18", "MoMANumber": "3.1995.19", "ImageURL": ADDRESS, "CuratorApproved": "Y"}
    (found,) = rows(write(tmp_path, IN_2015, row))
    assert (found["id"], found["image"]) == ("18", ADDRESS)
    assert (found["accession_number"], found["curator_approved"]) == ("3.1995.19", "Y")


def test_works_without_a_picture_are_rows(tmp_path):
    assert [row["image"] for row in rows(write(tmp_path, NOW, {"ObjectID": "1"}))] == [None]


def test_parentheses_contain_one_value_or_several_or_none(tmp_path):
    values = ["(Dutch)", "(Dutch) () (French)", "()", "", "() ()", "(Nationality unknown) (Swiss)"]
    assert column(tmp_path, "Nationality", *values, field="nationality") == [
        ["Dutch"],
        ["Dutch", "French"],
        None,
        None,
        None,
        ["Swiss"],
    ]


def test_zero_is_unknown_or_living(tmp_path):
    values = ["(1841)", "(0)", "(0) (1841)", "(1841) (0)", "", "()"]
    assert column(tmp_path, "BeginDate", *values, field="artist_born") == [
        1841,
        None,
        None,
        1841,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("date", "years"),
    [
        ("1896", (1896, 1896)),
        ("c. 1896", (1891, 1901)),
        ("c.1896", (1891, 1901)),
        ("1976-77", (1976, 1977)),
        ("1976\u20131977", (1976, 1977)),
        ("(1976-77)", (1976, 1977)),
        ("(c. 1960)", (1955, 1965)),
        ("1999-02", (1999, 2002)),
        ("1950.", (1950, 1950)),
        ("1964/1968", (1964, 1968)),
        ("1977-1976", (1976, 1977)),
        ("Before 1950", (1940, 1950)),
        ('"1959, published 1976"', (1959, 1976)),
        ("1950s", (1950, 1959)),
        ("n.d.", None),
        ("", None),
    ],
)
def test_dates_that_are_years_are_read_as_years(tmp_path, date, years):
    (found,) = column(tmp_path, "Date", date, field="years")
    assert found == (years and {"begin": years[0], "end": years[1]})


def test_measures_that_are_not_numbers_are_missing(tmp_path):
    values = ["48.6", "0", "045.70", "0.5", ".5", "about 5", "-3", ""]
    read = [48.6, 0.0, 45.7, 0.5, 0.5, None, None, None]
    assert column(tmp_path, "Height (cm)", *values, field="height_cm") == read


def test_a_truncated_download_keeps_its_incomplete_last_row(tmp_path):
    write(tmp_path, EARLIER, {"ObjectID": "1", "ThumbnailURL": ADDRESS})
    file = tmp_path / "Artworks.csv"
    whole = file.read_text()
    torn = ",".join(["Table", *[""] * 16, "2302", "http://www.moma.org/2302", "ht"])
    file.write_text(whole + torn)
    assert [(row["id"], row["title"], row["image"]) for row in rows(tmp_path)] == [
        ("1", None, ADDRESS),
        ("2302", "Table", None),
    ]
    file.write_text(whole + torn + "\n")
    assert [row["id"] for row in rows(tmp_path)] == ["1"]
    message = r"row 2 \(line 3\), column 'Circumference \(cm\)': the row"
    with pytest.raises(ReaderError, match=message):
        read_collection(tmp_path, options=ReaderOptions(strict=True))


def test_several_tables_require_a_choice(tmp_path):
    for name in ("Artworks_a.csv", "Artworks_b.csv"):
        write(tmp_path, NOW, {"ObjectID": "1"}, name=name)
    with pytest.raises(ReaderError, match=r"several tables \(Artworks_a\.csv, Artworks_b\.csv\)"):
        read_collection(tmp_path)
    assert read_collection(tmp_path / "Artworks_b.csv").name == "Artworks_b"
    write(tmp_path, NOW, {"ObjectID": "1"})
    assert read_collection(tmp_path).name == "moma"


def test_an_unknown_layout_is_reported(tmp_path):
    (tmp_path / "Artworks.csv").write_text("Title,Artist\nx,y\n")
    with pytest.raises(
        ReaderError, match=r"no column 'Date'; its columns are Title, Artist; .*table:"
    ):
        read_collection(f"moma:{tmp_path}")
    with pytest.raises(ReaderError, match=r"no Artworks\.csv in"):
        read_collection(f"moma:{tmp_path.parent}")
