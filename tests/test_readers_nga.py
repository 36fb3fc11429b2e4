"""A museum of four works, written with the real headers of both layouts."""

import csv

import pytest

from artsim.errors import ReaderError
from artsim.readers import ReaderOptions, read_collection

OBJECTS_2022 = (
    "objectid,accessioned,accessionnum,locationid,title,displaydate,beginyear,endyear,"
    "visualbrowsertimespan,medium,dimensions,inscription,markings,attributioninverted,attribution,"
    "provenancetext,creditline,classification,subclassification,visualbrowserclassification,"
    "parentid,isvirtual,departmentabbr,portfolio,series,volume,watermarks,"
    "lastdetectedmodification,wikidataid,customprinturl"
)
IMAGES_2022 = (
    "uuid,iiifurl,iiifthumburl,viewtype,sequence,width,height,maxpixels,created,modified,"
    "depictstmsobjectid,assistivetext"
)
OBJECTS_NOW = OBJECTS_2022.replace("objectid,", "objectid,uuid,", 1)
IMAGES_NOW = IMAGES_2022.replace("maxpixels,", "maxpixels,openaccess,")
IIIF = "https://api.nga.gov/iiif"

WORKS = [
    {"objectid": 10, "title": "La Mousmé", "attribution": "Vincent van Gogh", "beginyear": 1888}
    | {"endyear": 1888, "classification": "Painting", "medium": "oil on canvas", "uuid": "o-10"},
    {"objectid": 9, "title": "Two\nlines", "attribution": "Anonymous", "beginyear": -50},
    {"objectid": 11, "title": "Never photographed"},
    {"objectid": 12, "title": "Shown small", "attribution": "Living Artist"},
]
VIEWS = [
    {"uuid": "a", "viewtype": "primary", "sequence": 0, "width": 3000, "height": 4000}
    | {"depictstmsobjectid": 10, "openaccess": 1, "assistivetext": "A girl, seated"},
    {"uuid": "c", "viewtype": "alternate", "sequence": 10, "width": 900, "height": 300}
    | {"depictstmsobjectid": 10, "openaccess": 1},
    {"uuid": "b", "viewtype": "alternate", "sequence": 2, "width": 900, "height": 300}
    | {"depictstmsobjectid": 10, "openaccess": 1},
    {"uuid": "d", "viewtype": "primary", "width": 200, "height": 100}
    | {"depictstmsobjectid": 9, "openaccess": 1},
    {"uuid": "e", "viewtype": "primary", "width": 9000, "height": 8000, "maxpixels": 300}
    | {"depictstmsobjectid": 12, "openaccess": 0},
    {"uuid": "f", "viewtype": "primary", "width": 900, "height": 800, "openaccess": 1},
]


def write(path, header, rows):
    names = header.split(",")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            writer.writerow(row if isinstance(row, dict) else dict(zip(names, row, strict=False)))


@pytest.fixture(params=["2022", "now"])
def museum(request, tmp_path):
    is_new = request.param == "now"
    views = [
        {"iiifurl": f"{IIIF}/{view['uuid']}"}
        | {"iiifthumburl": f"{IIIF}/{view['uuid']}/full/!200,200/0/default.jpg"}
        | view
        for view in VIEWS
    ]
    write(tmp_path / "objects.csv", OBJECTS_NOW if is_new else OBJECTS_2022, WORKS)
    write(tmp_path / "published_images.csv", IMAGES_NOW if is_new else IMAGES_2022, views)
    return tmp_path


def rows(path, **settings):
    catalog = read_collection(path, options=ReaderOptions(settings=settings))
    assert catalog.reader == "nga"
    found = [row for batch in catalog.batches() for row in batch.to_pylist()]
    assert all(list(row) == catalog.schema.names for row in found)
    return found


def test_primary_views_are_joined_with_their_works(museum):
    found = {row["id"]: row for row in rows(museum)}
    assert list(found) == ["9", "10", "12"]
    mousme = found["10"]
    assert mousme["image"] == f"{IIIF}/a/full/!512,512/0/default.jpg"
    assert mousme["title"] == "La Mousmé"
    assert mousme["years"] == {"begin": 1888, "end": 1888}
    assert (mousme["pixel_width"], mousme["pixel_height"]) == (3000, 4000)
    assert mousme["assistivetext"] == "A girl, seated"
    assert found["9"]["title"] == "Two\nlines"
    assert found["9"]["years"] is None  # an end is not known


def test_internal_database_columns_are_left_out(museum):
    names = read_collection(museum).schema.names
    assert not {"locationid", "isvirtual", "customprinturl", "uuid", "beginyear"} & set(names)
    assert {"parentid", "wikidataid", "provenancetext", "departmentabbr"} <= set(names)


def test_all_views_are_rows_of_one_object(museum):
    found = rows(museum, views="all")
    assert [(row["id"], row["object"], row["viewtype"]) for row in found] == [
        ("d", "9", "primary"),
        ("a", "10", "primary"),
        ("b", "10", "alternate"),
        ("c", "10", "alternate"),
        ("e", "12", "primary"),
    ]


@pytest.mark.parametrize(
    ("size", "ends"),
    [
        ("512", ["!200,200/0", "!512,512/0", "!300,300/0"]),  # never more than there is or is shown
        ("224", ["!200,200/0", "!224,224/0", "!224,224/0"]),
        ("max", ["max/0", "max/0", "max/0"]),
    ],
)
def test_images_are_requested_at_the_chosen_size(museum, size, ends):
    found = [row["image"] for row in rows(museum, size=size)]
    assert [image.split("/full/")[1].removesuffix("/default.jpg") for image in found] == ends


def test_open_access_images_can_be_selected_in_the_newer_layout(museum):
    if "openaccess" in (museum / "published_images.csv").read_text():
        assert [row["id"] for row in rows(museum, open_access="only")] == ["9", "10"]
    else:
        with pytest.raises(ReaderError, match=r"published_images\.csv has no column 'openaccess'"):
            rows(museum, open_access="only")


def test_terms_become_lists(museum):
    header = "termid,objectid,termtype,term,visualbrowsertheme,visualbrowserstyle"
    terms = [
        (1, 10, "School", "Dutch"),
        (2, 10, "Theme", "portrait"),
        (3, 10, "Theme", "girl"),
        (4, 10, "Theme", "girl"),
        (5, 10, "Place Executed", "Arles"),
        (6, 10, "Systematic Catalog Volume", "French Paintings"),
        (7, 9, "Style", ""),
        (8, 404, "Style", "Rococo"),
    ]
    write(
        museum / "objects_terms.csv",
        header,
        terms,
    )
    nine, ten, twelve = rows(museum)
    names = ("school", "style", "theme", "technique", "keyword", "place_executed")
    assert [ten[name] for name in names] == [
        ["Dutch"],
        None,
        ["girl", "portrait"],
        None,
        None,
        ["Arles"],
    ]
    assert [nine[name] for name in names] == [twelve[name] for name in names] == [None] * 6


def test_dimensions_are_those_of_the_whole_in_centimeters(museum):
    header = "objectid,element,dimensiontype,dimension,unitname"
    sizes = [
        (10, "framed", "height", "99.0", "centimeters"),
        (10, "overall", "height", "73.3000000000", "centimeters"),
        (10, "left panel", "height", "1.0", "centimeters"),
        (10, "painted surface", "width", "10", "inches"),
        (10, "overall", "weight", "48.08", "pounds"),
        (9, "left panel", "depth", "2", "meters"),
        (9, "left panel", "diameter", "3", "parsecs"),
    ]
    write(
        museum / "objects_dimensions.csv",
        header,
        sizes,
    )
    nine, ten, _ = rows(museum)
    names = ("height_cm", "width_cm", "depth_cm", "diameter_cm", "length_cm")
    assert [ten[name] for name in names] == [73.3, 25.4, None, None, None]
    assert [nine[name] for name in names] == [None, None, 200.0, None, None]


CONSTITUENTS = [
    {"constituentid": 1, "forwarddisplayname": "Vincent van Gogh", "nationality": "Dutch"},
    {"constituentid": 2, "forwarddisplayname": "Anonymous", "nationality": "French"},
    {"constituentid": 3, "forwarddisplayname": "Anonymous", "nationality": "German"},
    {"constituentid": 4, "forwarddisplayname": "Chester Dale"},
]


def test_artists_are_found_by_the_table_of_links(museum):
    write(museum / "constituents.csv", "constituentid,forwarddisplayname,nationality", CONSTITUENTS)
    header = "objectid,constituentid,displayorder,roletype,role"
    links = [(10, 4, 1, "donor"), (9, 3, 2, "artist"), (9, 1, 1, "artist"), (12, 4, 1, "artist")]
    write(
        museum / "objects_constituents.csv",
        header,
        links,
    )
    assert [(row["id"], row["artist"], row["nationality"]) for row in rows(museum)] == [
        ("9", ["Vincent van Gogh", "Anonymous"], ["Dutch", "German"]),
        ("10", None, None),
        ("12", ["Chester Dale"], None),
    ]


def test_without_links_only_an_unambiguous_name_is_an_artist(museum):
    write(museum / "constituents.csv", "constituentid,forwarddisplayname,nationality", CONSTITUENTS)
    assert [(row["id"], row["artist"], row["nationality"]) for row in rows(museum)] == [
        ("9", None, None),  # two artists are called so
        ("10", ["Vincent van Gogh"], ["Dutch"]),
        ("12", None, None),
    ]


@pytest.mark.parametrize("without", [None, "prefix", "role,prefix", "links"])
def test_a_copy_and_a_work_of_the_workshop_have_a_qualifier(without, museum):
    works = [
        {"objectid": 9, "attribution": "Vincent van Gogh"},
        {"objectid": 10, "attribution": "after Vincent van Gogh"},
        {"objectid": 12, "attribution": "Workshop of Vincent van Gogh"},
    ]
    is_new = "uuid" in (museum / "objects.csv").read_text().splitlines()[0]
    write(museum / "objects.csv", OBJECTS_NOW if is_new else OBJECTS_2022, works)
    write(museum / "constituents.csv", "constituentid,forwarddisplayname,nationality", CONSTITUENTS)
    links = [
        {"objectid": 9, "role": "artist", "displayorder": 1},
        {"objectid": 10, "role": "artist after", "prefix": "after", "displayorder": 1},
        {"objectid": 12, "role": "artist", "prefix": "Workshop of", "displayorder": 1},
    ]
    if without != "links":
        header = "objectid,constituentid,displayorder,roletype,role,prefix"
        header = header.removesuffix(f",{without}")
        links = [{"constituentid": 1, "roletype": "artist"} | link for link in links]
        write(museum / "objects_constituents.csv", header, links)
    assert [(row["id"], row["artist"], row["artist_qualifier"]) for row in rows(museum)] == [
        ("9", ["Vincent van Gogh"], None),
        ("10", ["Vincent van Gogh"], ["after"]),
        ("12", ["Vincent van Gogh"], ["workshop of"]),
    ]


def test_a_missing_table_or_column_is_named(museum):
    text = (museum / "objects.csv").read_text().replace("endyear", "lastyear")
    (museum / "objects.csv").write_text(text)
    with pytest.raises(ReaderError, match=r"objects\.csv has no column 'endyear'; its columns are"):
        rows(museum)
    (museum / "published_images.csv").unlink()
    with pytest.raises(ReaderError, match=r"published_images\.csv is missing; put the export"):
        read_collection(f"nga:{museum}")


def test_settings_are_checked(museum):
    for name, value, message in (
        ("views", "front", "no views='front'; choose views from primary, all"),
        ("open_access", "yes", "no open_access='yes'; choose open_access from any, only"),
        ("size", "big", "no size='big'; choose a number of pixels"),
        ("size", "0", "no size='0'"),
    ):
        with pytest.raises(ReaderError, match=message):
            rows(museum, **{name: value})


def test_a_failed_join_is_reported(museum):
    write(museum / "objects.csv", OBJECTS_2022, [{"objectid": 1}])
    with pytest.raises(ReaderError, match=r"no picture in .* is of an object .* views=primary"):
        rows(museum)


def test_options_for_tables_are_refused(museum):
    with pytest.raises(ReaderError, match=r"nga reader .* takes no --image-column"):
        read_collection(museum, options=ReaderOptions(image_column="iiifurl"))


def test_images_whose_object_is_missing_are_counted(tmp_path):
    (tmp_path / "objects.csv").write_text("objectid,beginyear,endyear\n1,1880,1880\n")
    head = "uuid,iiifurl,viewtype,sequence,width,height,depictstmsobjectid\n"
    row = "u{0},https://api.example.org/u{0},primary,0,30,20,{0}\n"
    (tmp_path / "published_images.csv").write_text(head + row.format(1) + row.format(99))
    assert read_collection(tmp_path).notes == (
        "images whose object is not in objects.csv are left out: 1",
    )
