import ast
import errno
import gzip
import json
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artsim.errors import ReaderError
from artsim.fetch.choice import Choice, choose_rows
from artsim.readers import attribution, read_collection
from artsim.readers.attribution import parse_artist, qualifier_of
from artsim.readers.mapped import MappedReader, bundled_maps
from artsim.readers.mapping import load_map
from artsim.readers.nested import flatten, parse_path, values_at
from artsim.readers.options import ReaderOptions
from artsim.readers.record_files import read_records

MAPS = bundled_maps()


def rows(name, path, **settings):
    return rows_of(MAPS[name].read(path, ReaderOptions(settings=settings)))


def rows_of(catalog):
    return [row for batch in catalog.batches() for row in batch.to_pylist()]


def plain_rows(folder):
    for file in sorted(folder.rglob("*.json")):
        yield json.loads(file.read_text(encoding="utf-8"))


def one_line(text):
    return None if text is None else " ".join(text.split()) or None


def as_list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


# --- real museums -------------------------------------------------------------------------


def test_300_records_of_tate_are_read_as_a_plain_script_reads_them(museum_data):
    folder = museum_data / "museums/tate"
    found = {row["id"]: row for row in rows("tate", folder)}
    assert len(found) == 300
    for record in plain_rows(folder):
        row = found[record["acno"]]
        assert row["title"] == one_line(record["title"])
        assert row["date_text"] == one_line(record["dateText"])
        assert row["medium"] == one_line(record.get("medium"))
        assert row["image"] == one_line(record["thumbnailUrl"])
        assert row["credit_line"] == one_line(record["creditLine"])
        makers = [
            one_line(each["fc"])
            for each in record["contributors"]
            if each["role"] == "artist" or "after" in each["role"] or "attrib" in each["role"]
        ]
        assert [name for name in makers if name not in as_list(row["artist"])] == []
        range_ = record.get("dateRange")
        if range_:
            assert row["years"] == {"begin": range_["startYear"], "end": range_["endYear"]}


def test_300_records_of_carnegie_are_read_as_a_plain_script_reads_them(museum_data):
    folder = museum_data / "museums/cmoa"
    found = {row["id"]: row for row in rows("cmoa", folder)}
    assert len(found) == 300
    for record in plain_rows(folder):
        row = found[record["id"]]
        assert row["title"] == one_line(record["title"])
        assert row["date_text"] == one_line(record["creation_date"])
        assert row["medium"] == one_line(record["medium"])
        images = record["images"] or []
        assert row["image"] == (images[0]["image_url"] if images else None)
        makers = [one_line(each["full_name"]) for each in record["creator"] if not each["role"]]
        assert [name for name in makers if name not in as_list(row["artist"])] == []


def test_every_view_of_a_record_is_a_row_that_shares_the_object(museum_data):
    folder = museum_data / "museums/cmoa"
    addresses = [
        {each["image_url"] for each in record["images"] or []} for record in plain_rows(folder)
    ]
    expected = sum(max(len(each), 1) for each in addresses)
    found = rows("cmoa", folder, views="all")
    several = sum(len(each) > 1 for each in addresses)
    assert several > 1
    assert read_collection(f"cmoa:{folder}").notes == (
        f"{several} rows name several pictures: the first is read; --set views=all makes a row of "
        "each picture",
    )
    assert len(found) == expected
    assert len({row["object"] for row in found}) == 300


@pytest.mark.parametrize(
    ("name", "record", "expected"),
    [
        (
            "met",
            {
                "objectID": 1,
                "title": "Head",
                "artistDisplayName": "Rembrandt",
                "artistPrefix": "After",
                "objectDate": "ca. 1650",
                "objectBeginDate": 1645,
                "objectEndDate": 1655,
                "primaryImageSmall": "",
                "primaryImage": "https://img.example/1.jpg",
                "isPublicDomain": True,
            },
            {
                "id": "1",
                "image": "https://img.example/1.jpg",
                "artist": "Rembrandt",
                "artist_qualifier": "after",
                "years": {"begin": 1645, "end": 1655},
                "public_domain": "true",
            },
        ),
        (
            "cleveland",
            {
                "accession_number": "1927.1",
                "share_license_status": "CC0",
                "creation_date": "1600s",
                "technique": "oil",
                "creators": [{"description": "Frans Hals (Dutch)", "qualifier": "workshop of"}],
                "images": {"web": {"url": "https://img.example/w.jpg"}},
            },
            {
                "id": "1927.1",
                "image": "https://img.example/w.jpg",
                "artist": "Frans Hals (Dutch)",
                "artist_qualifier": "workshop of",
                "years": {"begin": 1600, "end": 1699},
            },
        ),
        (
            "linkedart",
            {
                "@context": "https://linked.art/ns/v1/linked-art.json",
                "id": "https://museum.example/object/1",
                "identified_by": [
                    {"type": "Identifier", "content": "1900.1"},
                    {"type": "Name", "content": "Irises"},
                ],
                "produced_by": {
                    "type": "Production",
                    "carried_out_by": [{"_label": "Vincent van Gogh"}],
                    "timespan": {
                        "begin_of_the_begin": "1889-01-01T00:00:00Z",
                        "end_of_the_end": "1889-12-31T00:00:00Z",
                    },
                },
            },
            {
                "id": "https://museum.example/object/1",
                "image": None,
                "title": "Irises",
                "artist": "Vincent van Gogh",
                "years": {"begin": 1889, "end": 1889},
            },
        ),
        (
            "aic",
            {
                "data": {
                    "id": 27992,
                    "title": "A Sunday on La Grande Jatte",
                    "artist_titles": ["Georges Seurat"],
                    "date_start": 1884,
                    "date_end": 1886,
                    "date_display": "1884/86",
                    "medium_display": "Oil on canvas",
                    "image_id": "2d484387",
                    "is_public_domain": True,
                },
                "info": {"license_text": "CC0"},
                "config": {"iiif_url": "https://www.artic.edu/iiif/2"},
            },
            {
                "id": "27992",
                "image": "https://www.artic.edu/iiif/2/2d484387/full/843,/0/default.jpg",
                "artist": "Georges Seurat",
                "medium": "Oil on canvas",
                "years": {"begin": 1884, "end": 1886},
                "public_domain": "true",
            },
        ),
        (
            "europeana",
            {
                "success": True,
                "itemsCount": 1,
                "items": [
                    {
                        "id": "/9/a",
                        "title": ["Irises"],
                        "dcCreator": ["Vincent van Gogh"],
                        "dataProvider": ["Museum"],
                        "edmIsShownBy": ["https://img.example/a.jpg"],
                        "rights": ["http://creativecommons.org/publicdomain/mark/1.0/"],
                        "year": ["1889"],
                    }
                ],
            },
            {
                "id": "/9/a",
                "image": "https://img.example/a.jpg",
                "title": "Irises",
                "artist": "Vincent van Gogh",
                "years": {"begin": 1889, "end": 1889},
                "rights": "http://creativecommons.org/publicdomain/mark/1.0/",
            },
        ),
        (
            "harvard",
            {
                "info": {"totalrecords": 1},
                "records": [
                    {
                        "objectid": 299843,
                        "objectnumber": "1951.65",
                        "title": "Self-Portrait",
                        "dated": "1888",
                        "datebegin": 1888,
                        "dateend": 1888,
                        "people": [
                            {"role": "Artist", "name": "Vincent van Gogh", "prefix": "After"},
                            {"role": "Sitter", "name": "Paul Gauguin", "prefix": None},
                        ],
                        "primaryimageurl": "https://img.example/h",
                        "medium": "Oil on canvas",
                    }
                ],
            },
            {
                "id": "299843",
                "image": "https://img.example/h",
                "artist": "Vincent van Gogh",
                "artist_qualifier": "after",
                "years": {"begin": 1888, "end": 1888},
            },
        ),
        (
            "rijksmuseum",
            {
                "elapsedMilliseconds": 0,
                "artObject": {
                    "objectNumber": "SK-C-5",
                    "title": "De Nachtwacht",
                    "principalMakers": [
                        {"name": "Rembrandt van Rijn", "qualification": "kopie naar"}
                    ],
                    "webImage": {"url": "https://img.example/r=s0"},
                    "physicalMedium": "olieverf op doek",
                    "objectTypes": ["schilderij"],
                    "dating": {"presentingDate": "1642", "yearEarly": 1642, "yearLate": 1642},
                    "dimensions": [
                        {"unit": "cm", "type": "hoogte", "value": "379.5"},
                        {"unit": "cm", "type": "breedte", "value": "453.5"},
                    ],
                },
            },
            {
                "id": "SK-C-5",
                "image": "https://img.example/r=s0",
                "artist": "Rembrandt van Rijn",
                "artist_qualifier": "after",
                "classification": ["schilderij"],
                "years": {"begin": 1642, "end": 1642},
                "height_cm": 379.5,
                "width_cm": 453.5,
            },
        ),
        (
            "smk",
            {
                "found": 1,
                "items": [
                    {
                        "object_number": "KMS1",
                        "titles": [{"title": "Udsigt", "type": "museumstitel"}],
                        "production": [{"creator": "C.W. Eckersberg"}],
                        "techniques": ["Olie på lærred"],
                        "production_date": [
                            {
                                "start": "1826-01-01T00:00:00.000Z",
                                "end": "1827-12-31T00:00:00.000Z",
                                "period": "1826-1827",
                            }
                        ],
                        "image_thumbnail": "https://img.example/k.jpg",
                        "public_domain": True,
                    }
                ],
            },
            {
                "id": "KMS1",
                "image": "https://img.example/k.jpg",
                "title": "Udsigt",
                "artist": "C.W. Eckersberg",
                "medium": ["Olie på lærred"],
                "years": {"begin": 1826, "end": 1827},
                "public_domain": "true",
            },
        ),
        (
            "omeka",
            [
                {
                    "@id": "https://site.example/api/items/5",
                    "o:id": 5,
                    "dcterms:title": [{"type": "literal", "@value": "Vase"}],
                    "dcterms:creator": [{"type": "literal", "@value": "Emile Gallé"}],
                    "dcterms:date": [{"type": "literal", "@value": "1900s"}],
                    "thumbnail_display_urls": {"large": "https://img.example/o.jpg"},
                }
            ],
            {
                "id": "5",
                "image": "https://img.example/o.jpg",
                "title": "Vase",
                "artist": "Emile Gallé",
                "date_text": "1900s",
                "url": "https://site.example/api/items/5",
            },
        ),
        (
            "tate",
            {
                "acno": "A00001",
                "title": "A Figure Bowing",
                "contributors": [{"fc": "Robert Blake", "role": "after"}],
                "dateText": "date not known",
                "dateRange": None,
                "medium": "Ink on paper",
                "thumbnailUrl": "http://img.example/A00001_8.jpg",
                "height": "311",
                "width": "419",
                "units": "mm",
            },
            {
                "id": "A00001",
                "image": "http://img.example/A00001_8.jpg",
                "artist": "Robert Blake",
                "artist_qualifier": "after",
                "date_text": "date not known",
                "years": None,
                "height_cm": 31.1,
                "width_cm": 41.9,
            },
        ),
        (
            "cmoa",
            {
                "id": "cmoa:things/1",
                "title": "Untitled",
                "creator": [{"full_name": "W. Eugene Smith", "role": None}],
                "creation_date": "c. 1955",
                "creation_date_earliest": "1955-01-01",
                "creation_date_latest": "1957-01-01",
                "images": [{"image_url": "http://img.example/1.jpg"}],
                "item_height": 4.25,
                "item_depth": 0.0,
            },
            {
                "id": "cmoa:things/1",
                "image": "http://img.example/1.jpg",
                "artist": "W. Eugene Smith",
                "years": {"begin": 1955, "end": 1957},
                "height_cm": 10.795,
                "depth_cm": None,
            },
        ),
        (
            "imet",
            "id,attribute_ids\n10004830,147 616\n",
            {"id": "10004830", "image": "10004830.png", "attribute_ids": ["147", "616"]},
        ),
        (
            "edm",
            "<OAI-PMH><ListRecords><record><header><identifier>oai:1</identifier></header>"
            "<metadata><rdf:RDF xmlns:rdf='r'><ProvidedCHO about='#1'><title>Irises</title>"
            "<creator>Vincent van Gogh</creator><created>1889</created></ProvidedCHO>"
            "<Aggregation about='#a'><isShownBy rdf:resource='https://img.example/e.jpg'/>"
            "<rights rdf:resource='http://creativecommons.org/publicdomain/mark/1.0/'/>"
            "</Aggregation></rdf:RDF></metadata></record></ListRecords></OAI-PMH>",
            {
                "id": "oai:1",
                "image": "https://img.example/e.jpg",
                "title": "Irises",
                "artist": "Vincent van Gogh",
                "years": {"begin": 1889, "end": 1889},
            },
        ),
        (
            "lido",
            "<lidoWrap><lido><lidoRecID>1</lidoRecID><descriptiveMetadata lang='de'>"
            "<objectIdentificationWrap><titleWrap><titleSet><appellationValue>Stilleben"
            "</appellationValue></titleSet></titleWrap></objectIdentificationWrap>"
            "</descriptiveMetadata><administrativeMetadata><resourceWrap><resourceSet>"
            "<resourceRepresentation type='image_overview'><linkResource>"
            "https://img.example/l.jpg</linkResource></resourceRepresentation></resourceSet>"
            "</resourceWrap></administrativeMetadata></lido></lidoWrap>",
            {"id": "1", "image": "https://img.example/l.jpg", "title": "Stilleben"},
        ),
    ],
)
def test_a_bundled_mapping_reads_its_museum(name, record, expected, tmp_path):
    museum = tmp_path / "museum"
    museum.mkdir()
    file = museum / {"imet": "train.csv", "edm": "a.xml", "lido": "a.xml"}.get(name, "a.json")
    file.write_text(record if isinstance(record, str) else json.dumps(record))
    for source in (f"{name}:{file}", f"{name}:{museum}", str(file), str(museum)):
        catalog = read_collection(source)
        assert catalog.reader == name
        (row,) = (row for batch in catalog.batches() for row in batch.to_pylist())
        assert {key: row.get(key) for key in expected} == expected
    assert [key for key, reader in MAPS.items() if reader.detects(file)] == [name]


def test_every_bundled_mapping_has_a_record_above():
    (mark,) = test_a_bundled_mapping_reads_its_museum.pytestmark
    assert sorted(name for name, *_ in mark.args[1]) == sorted(MAPS.keys() - {"map"})


def test_the_guide_to_contribute_a_museum_works(tmp_path):
    guide = (Path(__file__).parents[1] / "docs/guides/museums.md").read_text(encoding="utf-8")
    section = guide.partition("## Contribute a museum")[2]
    mapping, test = re.findall(r"```(?:toml|python)\n(.*?)```", section, re.DOTALL)
    (tmp_path / "walters.toml").write_text(mapping, encoding="utf-8")
    name, record, expected = ast.literal_eval(test)
    (tmp_path / "objects.json").write_text(json.dumps([record]), encoding="utf-8")
    reader = MappedReader(load_map(tmp_path / "walters.toml"))
    assert (reader.map.name, reader.WHAT) == (name, "The Walters Art Museum, records of its API")
    assert reader.detects(tmp_path)
    assert not any(each.detects(tmp_path) for each in MAPS.values())
    (row,) = rows_of(reader.read(tmp_path, ReaderOptions()))
    assert {key: row.get(key) for key in expected} == expected


def test_lido_takes_the_preferred_name_and_the_master_image(tmp_path):
    actor = (
        "<nameActorSet><appellationValue lido:pref='alternate'>E. Name</appellationValue>"
        "<appellationValue lido:pref='preferred'>Name, Ein</appellationValue></nameActorSet>"
    )
    lido = (
        "<lido:lidoWrap xmlns:lido='http://www.lido-schema.org' xmlns='http://www.lido-schema.org'>"
        + "".join(
            f"<lido><lidoRecID lido:type='local'>X/{n}</lidoRecID>"
            "<descriptiveMetadata xml:lang='de'><eventWrap><eventSet><event><eventActor>"
            f"<actorInRole><actor>{actor}</actor>"
            "<attributionQualifierActor>Werkstatt</attributionQualifierActor></actorInRole>"
            "</eventActor></event></eventSet></eventWrap></descriptiveMetadata>"
            "<administrativeMetadata><resourceWrap><resourceSet>"
            "<resourceRepresentation lido:type='image_thumb'>"
            "<linkResource>https://img.example/t.jpg</linkResource></resourceRepresentation>"
            "<resourceRepresentation lido:type='image_master'>"
            f"<linkResource>https://img.example/{n}.jpg</linkResource></resourceRepresentation>"
            "</resourceSet></resourceWrap></administrativeMetadata></lido>"
            for n in range(3)
        )
        + "</lido:lidoWrap>"
    )
    file = tmp_path / "export.xml.gz"
    file.write_bytes(gzip.compress(lido.encode()))
    found = rows("lido", file)
    assert [row["id"] for row in found] == ["X/0", "X/1", "X/2"]
    assert [row["image"] for row in found] == [f"https://img.example/{n}.jpg" for n in range(3)]
    assert {row["artist"] for row in found} == {"Name, Ein"}
    assert {row["artist_qualifier"] for row in found} == {"workshop of"}


# --- files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '[{"id": 1}, {"id": 2}]'),
        ("a.json", '{"data": [{"id": 1}, {"id": 2}], "pagination": {"total": 2}}'),
        ("a.json", '{"hits": {"total": 2, "items": [{"id": 1}, {"id": 2}], "max": 1}}'),
        ("a.jsonl", '{"id": 1}\n\n{"id": 2}\n'),
        ("a.json", '{"id": 1}\n{"id": 2}\n'),
        ("a.xml", "<all><r><id>1</id></r><r><id>2</id></r></all>"),
        ("a.csv", "id,x\n1,\n2,\n"),
    ],
)
def test_records_are_found_in_any_wrapper(name, text, tmp_path):
    file = tmp_path / name
    file.write_text(text)
    assert [str(record["id"]) for record in read_records(file)] == ["1", "2"]


def test_a_wrapped_object_is_one_record(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"elapsedMilliseconds": 0, "artObject": {"objectNumber": "SK-A-1"}}')
    assert list(read_records(file)) == [{"objectNumber": "SK-A-1"}]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"id": 1', "line 1, column 9: not JSON"),
        ("a.json", '{"id": 1}\n{"id": \n', "line 2"),
        ("a.json", "[1, 2]", "holds int, not records"),
        ("a.xml", "<all><r>", "is not sound XML"),
        ("a.json", b'{"id": "\xff"}', "is not UTF-8"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(name, text, message, tmp_path):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ReaderError, match=message):
        list(read_records(file))


# --- values -------------------------------------------------------------------------------


def test_nested_values_become_columns_and_lists_keep_their_places():
    record = {
        "id": 7,
        "size": {"h": 1.5, "w": None},
        "makers": [{"name": "A", "role": None}, {"name": "B", "role": "printer"}],
        "tags": ["x", "y"],
        "open": True,
    }
    assert flatten(record) == {
        "id": "7",
        "size.h": "1.5",
        "size.w": None,
        "makers.name": ["A", "B"],
        "makers.role": [None, "printer"],
        "tags": ["x", "y"],
        "open": "true",
    }


def test_a_path_keeps_the_members_that_have_a_value():
    record = {"names": [{"kind": "short", "text": "X"}, {"kind": "full", "text": "Xaver"}]}
    assert values_at(record, parse_path("names[kind=full].text")) == ["Xaver"]
    assert values_at(record, parse_path("names.text")) == ["X", "Xaver"]
    assert values_at(record, parse_path("nothing.text")) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(st.sampled_from("abc"), min_size=1, max_size=2), inner, max_size=3
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_can_be_flattened(value):
    flat = flatten({"x": value})
    assert all(each is None or isinstance(each, str | list) for each in flat.values())


def test_every_form_of_a_qualifier_is_noticed_in_a_name():
    forms = {
        form: each
        for form, each in attribution._CANONICAL.items()
        if form not in attribution._ALONE
    }
    for form, qualifier in forms.items():
        space = "" if form.endswith("'") else " "
        assert parse_artist(f"{form}{space}Anna Maler").qualifier == qualifier, form


@pytest.mark.parametrize(
    ("text", "attribution"),
    [
        ("Rembrandt van Rijn", ("Rembrandt van Rijn", None)),
        ("after Rembrandt van Rijn", ("Rembrandt van Rijn", "after")),
        ("Workshop of Artist A", ("Artist A", "workshop of")),
        ("Formerly attributed to Giorgione", ("Giorgione", "formerly")),
        ("Artist A (attributed to)", ("Artist A", "attributed to")),
        ("Rubens, Peter Paul, follower of", ("Rubens, Peter Paul", "follower of")),
        ("nach Albrecht Dürer", ("Albrecht Dürer", "after")),
        ("d'après Raphaël", ("Raphaël", "after")),
        ("atelier van Rubens", ("Rubens", "workshop of")),
        ("cerchia di Verrocchio", ("Verrocchio", "circle of")),
        ("Leonardo da Vinci", ("Leonardo da Vinci", None)),
        ("Studio Ghibli", ("Studio Ghibli", None)),
        ("Afterman, Joe", ("Afterman, Joe", None)),
        ("Nacho Vidal", ("Nacho Vidal", None)),
        ("Rembrandt (zugeschrieben)", ("Rembrandt", "attributed to")),
        ("früher Rembrandt zugeschrieben", ("Rembrandt", "formerly")),
        ("dem Meister von Flémalle zugeschrieben", ("Meister von Flémalle", "attributed to")),
        ("Cranach-Werkstatt", ("Cranach", "workshop of")),
        ("Rubens-Schule", ("Rubens", "school of")),
        ("Prager Kunst-Schule", ("Prager Kunst-Schule", None)),
        ("Boucher (genre de)", ("Boucher", "manner of")),
        ("vermutlich Rembrandt", ("Rembrandt", "attributed to")),
        ("Nachahmer des Rembrandt", ("Rembrandt", "follower of")),
        ("in der Art von Rembrandt", ("Rembrandt", "manner of")),
        ("Peter Paul Rubens (nach)", ("Peter Paul Rubens", "after")),
        ("d\u2019apr\u00e8s un dessin de Poussin", ("Poussin", "after")),
        ("atelier du Maître de Moulins", ("Maître de Moulins", "workshop of")),
        ("dans le goût de Watteau", ("Watteau", "manner of")),
        ("Poussin, attribué à", ("Poussin", "attributed to")),
        ("mogelijk Rembrandt", ("Rembrandt", "attributed to")),
        ("in de trant van Rembrandt", ("Rembrandt", "manner of")),
        ("vroeger toegeschreven aan Rembrandt", ("Rembrandt", "formerly")),
        ("bottega del Ghirlandaio", ("Ghirlandaio", "workshop of")),
        ("Caravaggio (attribuito)", ("Caravaggio", "attributed to")),
        ("ambito di Leonardo", ("Leonardo", "circle of")),
        ("after an engraving by Dürer", ("Dürer", "after")),
        ("Follower of the Master of the Legend", ("Master of the Legend", "follower of")),
        ("Rembrandt and Workshop", ("Rembrandt", "workshop of")),
        ("Rembrandt (?)", ("Rembrandt", "attributed to")),
        ("Agler, D. E., Studio", ("Agler, D. E., Studio", None)),
        ("School of the Art Institute", ("School of the Art Institute", None)),
        ("Atelier Nadar", ("Atelier Nadar", None)),
    ],
)
def test_a_copy_is_not_listed_under_the_masters_name_alone(text, attribution):
    assert parse_artist(text) == attribution


@pytest.mark.parametrize(
    ("role", "qualifier"),
    [
        (None, ""),
        ("artist", ""),
        ("painter", ""),
        ("artist after", "after"),
        ("Workshop of", "workshop of"),
        ("schilder, naar", "after"),
        ("naar ontwerp van", "after"),
        ("naar eigen ontwerp", None),
        ("peintre (d'après)", "after"),
        ("Künstler (zugeschrieben)", "attributed to"),
        ("Zeichnerin", ""),
        ("disegnatore", ""),
        ("printer", None),
        ("publisher", None),
    ],
)
def test_a_role_is_the_artists_a_qualifier_or_another_persons(role, qualifier):
    assert qualifier_of(role) == qualifier


# --- mappings -----------------------------------------------------------------------------

OWN = """
id = "nr"
image = ["photo", "https://img.example/{guid}/full.jpg"]
[columns]
title = "titles.main"
artist = { path = "maker.name", separator = "$" }
years = { text = "dating", type = "years" }
material = { path = "material", separator = "$", type = "list", null = ["unknown"] }
"""


def test_a_new_museum_takes_ten_lines(tmp_path):
    (tmp_path / "museum.toml").write_text(OWN)
    (tmp_path / "works.jsonl").write_text(
        '{"nr": "X-1", "photo": "a.jpg", "titles": {"main": "One"}, "dating": "c. 1880", '
        '"maker": {"name": "Naam, Een$after Naam, Twee"}, "material": "doek$olieverf"}\n'
        '{"nr": "X-2", "guid": "g2", "material": "unknown", "dating": "n.d.", "room": 5}\n'
    )
    one, two = rows("map", tmp_path / "museum.toml")
    assert one["artist"] == ["Naam, Een", "Naam, Twee"]
    assert one["artist_qualifier"] == [None, "after"]
    assert one["material"] == ["doek", "olieverf"]
    assert one["years"] == {"begin": 1875, "end": 1885}
    assert two["image"] == "https://img.example/g2/full.jpg"
    assert two["material"] is two["years"] is two["artist"] is None
    assert two["room"] == 5  # not mapped, and not lost


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id = 'nr'", "does not say where the image is"),
        ("id = 'nr'\nimage = 'a'\nimgae = 'b'", "unknown 'imgae'"),
        ("id = 'nr'\nimage = 'a'\nviews = 'some'", "views is 'some'; write first or all"),
        ("id = 'nr'\nimage = 'a'\n[columns]\nx = {pth = 'y'}", "unknown 'pth'"),
        ("id = 'nr'\nimage = 'a'\n[columns]\nx = 'a..b'", "is not a path"),
        ("id = ", "is not TOML"),
    ],
)
def test_a_mapping_that_cannot_be_read_says_why(text, message, tmp_path):
    file = tmp_path / "m.toml"
    file.write_text(text)
    with pytest.raises(ReaderError, match=message):
        load_map(file)


def test_parquet_records_are_read(tmp_path):
    import pyarrow as pa

    table = pa.table({"nr": ["1"], "photo": ["a.jpg"], "titles": [{"main": "One"}]})
    pq.write_table(table, tmp_path / "works.parquet")
    (tmp_path / "museum.toml").write_text(OWN)
    assert rows("map", tmp_path / "museum.toml")[0]["title"] == "One"


@pytest.mark.parametrize("name", [name for name in MAPS if name != "map"])
def test_every_bundled_mapping_says_what_it_reads_and_under_which_terms(name):
    map_ = MAPS[name].map
    assert map_.what
    assert map_.terms
    assert map_.example.startswith(f"{name}:")
    assert map_.keys


@pytest.mark.parametrize(
    "declared", ['<!ENTITY a "aaaa">', '<!ENTITY a SYSTEM "file:///etc/hostname">']
)
def test_xml_that_declares_entities_is_refused(tmp_path, declared):
    file = tmp_path / "bomb.xml"
    file.write_text(f"<!DOCTYPE list [{declared}]><list><work><x>&a;</x></work></list>")
    with pytest.raises(ReaderError, match="declares the entity 'a', which can name other files"):
        list(read_records(file, "work"))


def test_xml_with_a_dtd_of_its_own_name_is_read_as_a_stream(tmp_path, monkeypatch):
    file = tmp_path / "works.xml"
    works = "".join(f"<other><y>{n}</y></other><work><x>{n}</x></work>" for n in range(3))
    file.write_text(f'<!DOCTYPE list SYSTEM "list.dtd"><list>{works}</list>')
    assert list(read_records(file, "work")) == [{"x": "0"}, {"x": "1"}, {"x": "2"}]


def test_lido_takes_the_preferred_title(tmp_path):
    titles = "".join(
        f'<appellationValue pref="{pref}">{title}</appellationValue>'
        for pref, title in (("alternate", "Night Watch"), ("preferred", "De Nachtwacht"))
    )
    file = tmp_path / "one.xml"
    file.write_text(
        "<lidoWrap><lido><lidoRecID>1</lidoRecID><descriptiveMetadata lang='nl'>"
        f"<objectIdentificationWrap><titleWrap><titleSet>{titles}</titleSet></titleWrap>"
        "</objectIdentificationWrap></descriptiveMetadata></lido></lidoWrap>"
    )
    (batch,) = bundled_maps()["lido"].read(file, ReaderOptions()).batches()
    assert batch["title"].to_pylist() == ["De Nachtwacht"]


def test_pictures_are_split_by_the_mappings_separator_and_templates_are_tried_in_turn(tmp_path):
    (tmp_path / "m.toml").write_text(
        """
        files = ["*.json"]
        id = "nr"
        image = [
            { path = "https://m.example/{folder}/{photos}", separator = "$" },
            "https://m.example/thumbs/{thumb}.jpg",
            { path = "scan", separator = "," },
            "other",
        ]
        """
    )
    records = [
        {"nr": "1", "folder": "x", "photos": "a,1.jpg$b.jpg $", "thumb": "t"},
        {"nr": "2", "folder": "x", "photos": ["c.jpg", "d.jpg"]},
        {"nr": "3", "photos": "a.jpg", "thumb": "3"},
        {"nr": "4", "scan": "1.tif,2"},
        {"nr": "5", "other": "p.jpg|q.jpg"},
        {"nr": "6"},
    ]
    (tmp_path / "a.json").write_text(json.dumps(records))
    found = rows("map", tmp_path / "m.toml", views="all")
    assert [(row["id"], row["image"]) for row in found] == [
        ("1_1", "https://m.example/x/a,1.jpg"),
        ("1_2", "https://m.example/x/b.jpg"),
        ("2_1", "https://m.example/x/c.jpg"),
        ("2_2", "https://m.example/x/d.jpg"),
        ("3", "https://m.example/thumbs/3.jpg"),
        ("4_1", "1.tif"),
        ("4_2", "2"),
        ("5_1", "p.jpg"),
        ("5_2", "q.jpg"),
        ("6", None),
    ]


def test_lengths_of_any_unit_become_numbers_of_cm(tmp_path):
    (tmp_path / "m.toml").write_text(
        """
        files = ["*.json"]
        id = "nr"
        image = "image"
        [columns]
        height_cm = { path = ["size[type=height].value", "size.h"], unit = "mm" }
        width_cm = { path = "w", unit = "in" }
        """
    )
    records = [
        {"nr": "1", "size": [{"type": "width", "value": 9}, {"type": "height", "value": 264}]},
        {"nr": "2", "size": {"h": "1203,5 mm"}, "w": "6.375"},
        {"nr": "3", "w": 0},
        {"nr": "4", "w": "unknown"},
    ]
    (tmp_path / "a.json").write_text(json.dumps(records))
    found = rows("map", tmp_path / "m.toml")
    assert [(row["height_cm"], row["width_cm"]) for row in found] == [
        (26.4, None),
        (120.35, 16.192),
        (None, None),
        (None, None),
    ]
    (tmp_path / "m.toml").write_text("id='a'\nimage='b'\n[columns]\nx={path='c', unit='ell'}")
    with pytest.raises(ReaderError, match="no unit 'ell'; choose from mm, cm, m, in, ft"):
        load_map(tmp_path / "m.toml")


def test_a_mapping_reads_what_records_reads_links_to_folders_too(tmp_path):
    elsewhere = tmp_path / "disk" / "2024"
    elsewhere.mkdir(parents=True)
    (elsewhere / "b.json").write_text('{"nr": "b", "image": "b.jpg"}')
    museum = tmp_path / "museum"
    (museum / "records").mkdir(parents=True)
    (museum / "records" / "a.json").write_text('{"nr": "a", "image": "a.jpg"}')
    (museum / "records" / ".c.json").write_text('{"nr": "c", "image": "c.jpg"}')
    (museum / "records" / "linked").symlink_to(tmp_path / "disk")
    (museum / "records" / "ring").symlink_to(museum)
    for files, expected in (
        ("**/*.json", ["a", "b"]),
        ("records/*.json", ["a"]),
        ("records/*/20[12]?/*.json", ["b"]),
        ("records/a.json", ["a"]),
        ("../disk/**/*.json", ["b"]),
    ):
        (museum / "m.toml").write_text(f'files = ["{files}"]\nid = "nr"\nimage = "image"')
        assert [row["id"] for row in rows("map", museum / "m.toml")] == expected
    found = read_collection(f"records:{museum / 'records'}")
    assert [row["id"] for b in found.batches() for row in b.to_pylist()] == ["a", "b"]


def test_one_condition_means_the_same_for_every_museum(museum_data):
    condition = (
        "years.begin < 1900 and date_text is not null and title is not null "
        "and medium like '%paper%' and artist like '%a%' and artist not like '%z%' "
        "and artist_qualifier is null"
    )
    for source in (
        f"tate:{museum_data / 'museums/tate'}",
        f"cmoa:{museum_data / 'museums/cmoa'}",
        f"moma:{museum_data / 'moma/Artworks_2015_sample.csv'}",
    ):
        catalog = read_collection(source)
        table = pa.Table.from_batches(catalog.batches(), catalog.schema)
        assert all(table[name].null_count < len(table) for name in ("credit_line", "url"))
        expected = [
            row["id"]
            for row in table.to_pylist()
            if row["image"] and row["years"] and row["years"]["begin"] < 1900
            and row["date_text"] and row["title"] and "paper" in (row["medium"] or "")
            and "a" in str(row["artist"] or "") and "z" not in str(row["artist"])
            and row["artist_qualifier"] is None
        ]  # fmt: skip
        chosen = choose_rows(table, Choice(where=condition))
        assert table["id"].take(chosen).to_pylist() == expected
        assert len(expected) > 10


def test_a_museums_table_is_read_as_its_records_are(tmp_path):
    (tmp_path / "cmoa.csv").write_text(
        "id,title,creation_date_earliest,full_name,role,image_url\n"
        "1,One,1870-01-01,Ann|Bob,after|,http://m.example/1.jpg|http://m.example/2.jpg\n"
        "2,Two,1880-01-01,Cy,,http://m.example/3.jpg\n"
    )
    catalog = read_collection(f"cmoa:{tmp_path / 'cmoa.csv'}")
    names = ("image", "artist", "artist_qualifier")
    assert [[row[name] for name in names] for b in catalog.batches() for row in b.to_pylist()] == [
        ["http://m.example/1.jpg", ["Ann", "Bob"], ["after", None]],
        ["http://m.example/3.jpg", ["Cy"], None],
    ]
    (note,) = catalog.notes
    assert note.startswith("1 row names several pictures")


def test_records_of_another_museum_are_counted(tmp_path):
    tate = {"acno": "A1", "contributors": [{"fc": "Ann"}], "dateText": "1880", "thumbnailUrl": "a"}
    (tmp_path / "a.json").write_text(json.dumps(tate))
    (tmp_path / "b.json").write_text(json.dumps([{"objectID": 3, "title": "Two"}, {"acno": "A2"}]))
    (note,) = read_collection(f"tate:{tmp_path}").notes
    assert note.startswith(f"1 record has no key of tate, first in {tmp_path / 'b.json'}; read")


def test_records_that_are_left_out_are_counted(tmp_path):
    (tmp_path / "m.toml").write_text("records = ''\nid = 'nr'\nimage = 'a'\n")
    (tmp_path / "all.json").write_text('[{"nr": 1, "a": "1.jpg"}, {"a": "2.jpg"}, {"nr": ""}]')
    catalog = read_collection(f"map:{tmp_path / 'm.toml'}")
    assert catalog.notes == ("records without an id are left out: 2",)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "1.json").write_text('{"id": 1, "image": "1.jpg"}')
    (tmp_path / "closed").mkdir()
    listing = os.scandir

    def scandir(path):
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ReaderError, match="closed cannot be read: Permission denied"):
        read_collection(f"records:{tmp_path}")
