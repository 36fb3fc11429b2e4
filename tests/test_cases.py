"""Small files of real structure, one folder for each fault that a museum's data had."""

import pytest

from artsim.inspection import inspect_collection
from artsim.readers import ReaderOptions, read_collection


@pytest.fixture
def case(museum_data):
    """Read a case: its rows, or some of their columns."""
    folder = museum_data.parent / "cases/readers"
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}; they belong next to the data")

    def read(name, *columns, **options):
        catalog = read_collection(folder / name, options=ReaderOptions(**options))
        found = [row for batch in catalog.batches() for row in batch.to_pylist()]
        return [tuple(row.get(name) for name in columns) for row in found] if columns else found

    return read


def test_a_copy_has_a_qualifier_and_no_masters_name_alone(case):
    found = case("nga_qualifier", "artist", "artist_qualifier")
    assert found == [
        (["Artist A"], None),
        (["Artist A"], ["after"]),
        (["Artist A"], ["workshop of"]),
    ]


def test_years_are_ranges_that_do_not_turn_inside_out(case):
    ranges = [tuple(years.values()) for (years,) in case("years", "date", types={"date": "years"})]
    assert ranges == [(1976, 1977), (1903, 1905), (1880, 1890), (1880, 1880)]


def test_the_separator_of_lists_and_words_for_no_value_are_given(case):
    settings = {"separator": "$", "null": "anoniem"}
    assert case("list_separator", "vervaardiger", "materiaal", settings=settings) == [
        (["Naam, Een", "Naam, Twee"], ["doek", "olieverf"]),
        (None, ["papier"]),
        (None, ["papier", "inkt"]),
        (["Naam, Een"], ["doek", "olieverf"]),
    ]


def test_addresses_in_one_cell_are_views_and_roles_keep_their_places(case):
    name = "image_list/objects.csv"
    assert case(name, "image", "full_name", "role")[1:3] == [
        ("https://img.example/2a.jpg", ["Artist B", "Printer C"], ["after", None]),
        ("https://img.example/3.jpg", ["Artist A", "Printer C"], [None, "publisher"]),
    ]
    assert case(name, "id", "image", "object", "view", settings={"views": "all"})[1:3] == [
        ("2_1", "https://img.example/2a.jpg", "2", 1),
        ("2_2", "https://img.example/2b.jpg", "2", 2),
    ]
    assert [image for (image,) in case("image_list/local_server.csv", "image")] == [
        "http://127.0.0.1:8931/a.jpg",
        "http://127.0.0.1:8931/a.jpg",
        "http://127.0.0.1:8931/a.jpg?irn=1&size=Medium",
        None,
    ]


def test_one_word_in_a_column_of_years_is_missing(case):
    years = [(1819,), (None,), (1830,), (1833,)]
    assert case("year_word", "year") == case("year_word", "year", types={"year": "number"}) == years


def test_hugging_faces_files_have_their_metadata(case):
    folder = case("hf_imagefolder", "id", "split", "artist", "style")
    assert folder[0] == ("train/a.jpg", "train", "A", "Baroque")
    assert len(folder) == 4
    parquet = case("hf_parquet", "image", "split", "artist", "style")
    assert parquet[0] == ("train-00000-of-00001.parquet/image/0", "train", 0, 3)
    assert len(parquet) == 4


def test_pictures_inside_hugging_faces_parquet_are_opened(museum_data, case):
    catalog = read_collection(museum_data.parent / "cases/readers/hf_parquet")
    assert inspect_collection(catalog).formats == {"JPEG": 4}


def test_iiif_regions_unknown_sizes_and_missing_members(case):
    page = "https://img.museum.example/iiif/page2"
    assert case("iiif_region", "image") == [(f"{page}/1768,2423,1768,2080/,512/0/default.jpg",)]
    assert case("iiif_zero", "image") == [(f"{page}/full/!512,512/0/default.jpg",)]
    assert case("iiif_partial", "image") == [(f"{page}/full/,512/0/default.jpg",)]


def test_nested_and_wrapped_rijksmuseum_records_keep_their_values(case):
    (nested,) = case("rijks_nested/records.json")
    assert case("rijks_nested/artObject_wrapped.json") == [nested]
    assert (nested["id"], nested["image"]) == ("nl-SK-A-1328", "https://example.org/a.jpg")
    assert (nested["dating.yearEarly"], nested["dating.yearLate"]) == (1885, 1886)
    assert nested["principalMakers.name"] == ["George Hendrik Breitner"]
    assert nested["dimensions.type"] == ["hoogte", "breedte"]
    assert nested["dimensions.value"] == ["115", "77,5"]
    assert nested["links.search"] == "http://www.rijksmuseum.nl/api/nl/collection"


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "tate_object.json",
            ("A00001", "A Figure", ["Artist A", "Artist B"], [None, "after"], 1880, 1885,
             "http://img.example/A00001_8.jpg"),
        ),
        (
            "aic_object.json",
            ("11", "Self-Portrait", "Artist A", None, 1878, 1878,
             "https://www.artic.edu/iiif/2/7b7a6f39-1cd8-ea2f-9811-18b0e23edac0/full/843,/0/"
             "default.jpg"),
        ),
        (
            "cmoa_object.json",
            ("cmoa:things/1", "Print", ["Artist A", "Printer C"], ["after", None], 1855, 1865,
             "http://img.example/1?size=Medium"),
        ),
        (
            "europeana_search.json",
            ("/90402/X", "Print", None, None, 1806, 1806, "https://img.example/x.jpg"),
        ),
    ],
)  # fmt: skip
def test_a_museums_json_is_recognized_and_read(name, row, case):
    columns = ("id", "title", "artist", "artist_qualifier", "years", "image")
    ((*start, years, image),) = case(f"json_museums/{name}", *columns)
    assert (*start, years["begin"], years["end"], image) == row


def test_xml_of_lido_and_edm_is_read(case):
    columns = ("id", "image", "title", "artist", "artist_qualifier")
    assert case("lido", *columns) == [
        ("X/obj/1", "https://img.example/m.jpg", "Titel", "Name, Ein", "workshop of")
    ]
    assert case("edm", *columns) == [
        ("https://id.example/1", "https://img.example/1.jpg", "Test", None, None)
    ]


def test_artgans_own_folders_are_one_collection(case):
    found = case("wikiart_repo", "id", "style", "style_split", "genre")
    assert len(found) == 13
    assert found[0] == ("Impressionism/edgar-degas_landscape-on-the-orne.jpg", "Impressionism",
                        "train", None)  # fmt: skip
    assert found[8][0].startswith("Northern_Renaissance/hieronymus-bosch_st-jacques")
    assert found[8][1:] == (None, None, "religious_painting")


def test_imets_files_are_named_by_their_ids(case):
    found = case("imet", "id", "image")
    names = ["1000483014d91860", "1000fe2e667721fe", "1001614cb89646ee", "10041eb49b297c08"]
    assert found == [(name, f"{name}.png") for name in names]
