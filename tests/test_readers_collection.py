"""A collection is found by its name, by READER:PATH or by what lies in the folder."""

import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from click.testing import CliRunner

from artsim.cli import cli
from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers import READERS, ReaderOptions, read_collection


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def rows(catalog):
    return [row for batch in catalog.batches() for row in batch.to_pylist()]


@pytest.fixture
def both(tmp_path):
    """A folder that can be read as a table and as a tree of pictures."""
    write(tmp_path / "museum" / "objects.csv", "id,image,artist\n1,a.jpg,Goya\n")
    write(tmp_path / "museum" / "a.jpg")
    return tmp_path / "museum"


def test_a_table_is_preferred_to_the_bare_pictures(both):
    catalog = read_collection(both)
    assert (catalog.reader, catalog.name, catalog.root) == ("table", "museum", both)
    assert rows(catalog) == [{"id": "1", "image": "a.jpg", "artist": "Goya"}]


def test_a_reader_is_chosen_by_name(both):
    catalog = read_collection(f"folder:{both}")
    assert (catalog.reader, catalog.source) == ("folder", both)
    assert rows(catalog) == [{"id": "a.jpg", "image": "a.jpg"}]
    assert read_collection(f"table:{both / 'objects.csv'}").reader == "table"


def test_a_collection_can_be_read_repeatedly(both):
    catalog = read_collection(both)
    assert rows(catalog) == rows(catalog)


def test_a_reader_is_added_by_one_line_of_the_registry(tmp_path, monkeypatch):
    def read(path, options):
        names = path.read_text().split()
        size = options.setting("size", "small")
        table = pa.table({"id": names, "image": [f"{name}.jpg" for name in names]})
        table = table.append_column("size", [[size] * len(names)])
        return Catalog(
            name=path.stem,
            reader="lines",
            source=path,
            root=path.parent,
            schema=table.schema,
            batches=lambda: iter(table.to_batches()),
        )

    lines = SimpleNamespace(
        WHAT="A list of names",
        EXAMPLE="lines:prints.lines",
        SETTINGS=("size",),
        detects=lambda path: path.suffix == ".lines",
        read=read,
    )
    monkeypatch.setitem(READERS, "lines", lines)
    file = write(tmp_path / "prints.lines", "monk\nmill\n")
    expected = [
        {"id": "monk", "image": "monk.jpg", "size": "large"},
        {"id": "mill", "image": "mill.jpg", "size": "large"},
    ]
    options = ReaderOptions(settings={"size": "large"})
    for source in (file, f"lines:{file}"):
        catalog = read_collection(source, options=options)
        assert (catalog.reader, catalog.name, rows(catalog)) == ("lines", "prints", expected)
    with pytest.raises(ReaderError, match=r"no setting 'color'; it has: size"):
        read_collection(file, options=ReaderOptions(settings={"color": "red"}))
    with pytest.raises(ReaderError, match=r"choose from .*folder, lines"):
        read_collection(f"line:{file}")


def test_an_unknown_reader_lists_the_known_ones(both):
    with pytest.raises(ReaderError, match=rf"'tabel'.*{'.*'.join(READERS)}"):
        read_collection(f"tabel:{both}")


def test_an_existing_path_with_a_colon_is_a_path(tmp_path):
    write(tmp_path / "met:prints" / "a.jpg")
    assert read_collection(f"{tmp_path}/met:prints").name == "met:prints"


def test_a_single_letter_before_the_colon_is_a_drive():
    with pytest.raises(ReaderError, match=r"C:\\pictures does not exist"):
        read_collection(r"C:\pictures")


def test_an_address_must_be_fetched_first():
    with pytest.raises(ReaderError, match="on the web; fetch it first"):
        read_collection("https://example.org/objects.csv")


@pytest.mark.parametrize("name", ["", "table:", "folder:"])
def test_a_missing_path_is_named(tmp_path, name):
    with pytest.raises(ReaderError, match="nowhere does not exist"):
        read_collection(f"{name}{tmp_path / 'nowhere'}")


def test_an_empty_folder_is_distinguished_from_one_without_pictures(tmp_path):
    with pytest.raises(ReaderError, match="is empty"):
        read_collection(tmp_path)
    write(tmp_path / "readme.txt")
    with pytest.raises(ReaderError, match="no picture found in"):
        read_collection(tmp_path)


def test_a_picture_is_not_a_collection(tmp_path):
    with pytest.raises(ReaderError, match="is one picture; name the folder"):
        read_collection(write(tmp_path / "a.JPG"))


def test_a_file_that_no_reader_knows_lists_the_readers(tmp_path):
    with pytest.raises(ReaderError, match=r"no reader knows .*notes\.docx; name one: .*table:PATH"):
        read_collection(write(tmp_path / "notes.docx"))


def test_a_setting_that_a_reader_does_not_have_is_refused(both):
    options = ReaderOptions(settings={"size": "9"})
    with pytest.raises(ReaderError, match="table reader has no setting 'size'; it has: encoding"):
        read_collection(both, options=options)


def test_a_folder_without_permission_gives_a_one_line_error(both, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(ReaderError, match=r"museum cannot be read: Permission denied; check"):
        read_collection(both)


def test_every_reader_is_listed_with_an_example_of_its_own_name():
    output = CliRunner().invoke(cli, ["readers", "--json"]).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    assert [each["reader"] for each in lines] == list(READERS)
    for each in lines:
        assert each["reads"]
        assert each["example"].startswith(f"{each['reader']}:")
