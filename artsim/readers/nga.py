"""The open data of the National Gallery of Art, Washington: objects joined with their images.

The folder `data` of https://github.com/NationalGalleryOfArt/opendata, in the older layout or the
newer one with `uuid` in objects.csv and `openaccess` in published_images.csv. What the columns
mean is explained in its data dictionary, in the folder `documentation` there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers.attribution import parse_artist, qualifier_of
from artsim.readers.delimited import open_delimited
from artsim.readers.options import ReaderOptions

WHAT = "National Gallery of Art, Washington: the folder data of its open data"
EXAMPLE = "nga:opendata/data"
SETTINGS: tuple[str, ...] = (
    "views",  # primary (one an object) or all
    "size",  # pixels of the longest side of the images' addresses, or max
    "open_access",  # any, or only images that are free to use
    "encoding",
)

# Objects' own columns. Left out, as they describe the database and not the work: locationid,
# attributioninverted, isvirtual, accessioned, lastdetectedmodification, customprinturl.
_OBJECT = (
    *("accessionnum", "title", "displaydate", "visualbrowsertimespan", "medium", "dimensions"),
    *("inscription", "markings", "attribution", "provenancetext", "creditline"),
    *("classification", "subclassification", "visualbrowserclassification", "parentid"),
    *("departmentabbr", "portfolio", "series", "volume", "watermarks", "wikidataid"),
)
_TERMS = ("School", "Style", "Theme", "Technique", "Keyword", "Place Executed")
_DIMENSIONS = ("height", "width", "depth", "diameter", "length")

# The tables, and the columns that each must and may have.
_TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "objects": (("objectid", "beginyear", "endyear"), _OBJECT),
    "published_images": (
        ("uuid", "iiifurl", "viewtype", "sequence", "width", "height", "depictstmsobjectid"),
        ("maxpixels", "openaccess", "assistivetext"),
    ),
    "objects_terms": (("objectid", "termtype", "term"), ()),
    "objects_dimensions": (
        ("objectid", "element", "dimensiontype", "dimension", "unitname"),
        (),
    ),
    "constituents": (("constituentid", "forwarddisplayname", "nationality"), ()),
    "objects_constituents": (
        ("objectid", "constituentid", "displayorder", "roletype"),
        ("role", "prefix"),
    ),
}


def detects(path: Path) -> bool:
    """Return whether the folder holds the two tables that are joined."""
    return (path / "objects.csv").is_file() and (path / "published_images.csv").is_file()


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Join images with their objects, and with terms, dimensions and artists where these are.

    ``views=primary`` gives one row an object, whose id is the objectid; ``views=all`` gives one a
    view, whose id is the image's uuid, with the objectid as ``object``. Images are IIIF addresses
    that request ``size`` pixels, or fewer where the gallery has or shows no more. Dimensions are
    in centimeters, of the whole rather than of a part; ``years`` is the begin and the end year
    where both are known. ``artist_qualifier`` is how sure each ``artist`` is: after, workshop of,
    attributed to. Works without an image and images without a work are left out.
    """
    options.allow("nga")
    folder = path if path.is_dir() else path.parent
    views = options.setting("views", "primary", choices=("primary", "all"))
    open_access = options.setting("open_access", "any", choices=("any", "only"))
    tables, notes = _tables(folder, options, open_access == "only")
    objects = tables["objects"]
    offered = [name for name in _OBJECT if name in objects.column_names]
    joined = _join(tables, _query(tables, views, open_access, options.size()))
    if not joined.num_rows:
        raise ReaderError(
            f"no picture in {folder / 'published_images.csv'} is of an object in objects.csv with "
            f"views={views}, open_access={open_access}"
        )
    if lost := _without_object(tables):
        notes = (*notes, f"images whose object is not in objects.csv are left out: {lost:,}")
    first = [name for name in ("id", "image", "object") if name in joined.column_names]
    rest = [name for name in joined.column_names if name not in (*first, "object_row")]
    works = objects.select(offered).take(joined["object_row"])
    columns = {name: joined[name] for name in first}
    columns |= {name: works[name] for name in offered}
    columns |= {name: _plain(joined[name]) for name in rest}
    return Catalog.of_table(
        pa.table(columns),
        name="nga" if folder.name in ("data", "") else folder.name,
        reader="nga",
        source=path,
        root=folder,
        notes=notes,
    )


def _without_object(tables: dict[str, pa.Table]) -> int:
    objects = tables["published_images"]["depictstmsobjectid"]
    known = pc.is_in(objects, tables["objects"]["objectid"].combine_chunks())
    return len(known) - (pc.sum(known).as_py() or 0)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Name the members of DuckDB's lists as Arrow does."""
    return column.cast(pa.list_(pa.string())) if pa.types.is_list(column.type) else column


def _tables(
    folder: Path, options: ReaderOptions, needs_open_access: bool
) -> tuple[dict[str, pa.Table], tuple[str, ...]]:
    """Read the columns that are joined, as text, of every table that is there; and the notes."""
    for file in (folder / "objects.csv", folder / "published_images.csv"):
        if not file.is_file():
            raise ReaderError(
                f"{file} is missing; put the export's objects.csv and published_images.csv into "
                "one folder"
            )
    tables, notes = {}, list[str]()
    for name, (needed, wanted) in _TABLES.items():
        file = folder / f"{name}.csv"
        if file.is_file():
            encoding = options.settings.get("encoding")
            delimited = open_delimited(file, encoding=encoding, strict=options.strict)
            notes += delimited.notes
            is_open = needs_open_access and name == "published_images"
            delimited.require((*needed, "openaccess") if is_open else needed)
            present = (column for column in wanted if column in delimited.names)
            tables[name] = delimited.table(list(dict.fromkeys((*needed, *present))))
    return tables, tuple(notes)


def _join(tables: dict[str, pa.Table], query: str) -> pa.Table:
    import duckdb  # slow to import, and only this reader needs it

    # the long texts of objects would be most of the join, so they are taken by row afterwards
    keys = [name for name in ("objectid", "attribution") if name in tables["objects"].column_names]
    rows = pa.array(np.arange(tables["objects"].num_rows))
    objects = tables["objects"].select([*keys, "beginyear", "endyear"]).append_column("row", rows)
    # nothing outside the registered tables can be read, whatever the query
    config = {"enable_external_access": "false", "lock_configuration": "true"}
    with duckdb.connect(":memory:", config=config) as connection:
        for name, table in {**tables, "objects": objects, **_attributions(tables)}.items():
            connection.register(name, table)
        joined = connection.sql(query).to_arrow_table()
    name = "artist_qualifier"
    if name in joined.column_names and joined[name].null_count == joined.num_rows:
        joined = joined.drop_columns(name)
    return joined


def _attributions(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Return the meaning of each attribution, role and prefix, as tables for the join."""
    found = {}
    if "attribution" in tables["objects"].column_names:
        texts = tables["objects"]["attribution"].unique().drop_null().to_pylist()
        names = tables["constituents"]["forwarddisplayname"] if "constituents" in tables else ()
        known = set(map(str, names))  # some constituents are themselves called School of ...
        parsed = [(text, None) if text in known else parse_artist(text) for text in texts]
        found["attributions"] = _text_table(
            attribution=texts,
            name=[name for name, _ in parsed],
            qualifier=[qualifier for _, qualifier in parsed],
        )
    links = tables.get("objects_constituents", pa.table({}))
    for column in {"role", "prefix"} & set(links.column_names):
        texts = links[column].unique().drop_null().to_pylist()
        found[f"{column}s"] = _text_table(
            text=texts, meant=[qualifier_of(text) or None for text in texts]
        )
    return found


def _text_table(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _query(tables: dict[str, pa.Table], views: str, open_access: str, size: int | None) -> str:
    """Write the join. Its names come from this module, none from the files."""
    images = tables["published_images"].column_names
    selected = [
        *(["objects.objectid AS object"] if views == "all" else []),
        "objects.row AS object_row",
        _years("objects.beginyear", "objects.endyear"),
        "try_cast(images.width AS BIGINT) AS pixel_width",
        "try_cast(images.height AS BIGINT) AS pixel_height",
        "images.viewtype",
        *(f"images.{name}" for name in ("openaccess", "assistivetext") if name in images),
    ]
    joins = []
    for name, (columns, subquery) in _parts(tables).items():
        selected += [f"{name}.{column}" for column in columns]
        joins.append(f"LEFT JOIN ({subquery}) AS {name} ON {name}.objectid = objects.objectid")
    return f"""
        SELECT {"images.uuid" if views == "all" else "objects.objectid"} AS id,
            {_address(size, "images.maxpixels" if "maxpixels" in images else "NULL")} AS image,
            {", ".join(selected)}
        FROM published_images AS images
        JOIN objects ON objects.objectid = images.depictstmsobjectid
        {" ".join(joins)}
        WHERE {"true" if views == "all" else "images.viewtype = 'primary'"}
            AND {"images.openaccess = '1'" if open_access == "only" else "true"}
        ORDER BY try_cast(objects.objectid AS BIGINT), objects.objectid,
            images.viewtype DESC, try_cast(images.sequence AS DOUBLE), images.uuid
    """


def _address(size: int | None, max_pixels: str) -> str:
    """Request no more pixels than the image has: the gallery would only enlarge it.

    https://iiif.io/api/image/2.1/#size: !w,h fits the image into a box.
    """
    base = "rtrim(coalesce(images.iiifurl, 'https://api.nga.gov/iiif/' || images.uuid), '/')"
    if size is None:
        return f"{base} || '/full/max/0/default.jpg'"
    side = f"""least({size}, try_cast({max_pixels} AS BIGINT),
        greatest(try_cast(images.width AS BIGINT), try_cast(images.height AS BIGINT)))"""
    return f"{base} || format('/full/!{{0}},{{0}}/0/default.jpg', {side})"


def _years(begin: str, end: str) -> str:
    begin, end = (f"try_cast({year} AS INTEGER)" for year in (begin, end))
    return f"""CASE WHEN {begin} IS NOT NULL AND {end} IS NOT NULL
        THEN struct_pack("begin" := {begin}, "end" := {end}) END AS years"""


def _parts(tables: dict[str, pa.Table]) -> dict[str, tuple[list[str], str]]:
    """Return the joins to the objects, columns and query, for the tables that exist."""
    parts = {}
    if "objects_terms" in tables:
        parts["terms"] = _terms()
    if "objects_dimensions" in tables:
        parts["sizes"] = _sizes()
    has_links = "objects_constituents" in tables
    if "constituents" in tables and (has_links or "attribution" in tables["objects"].column_names):
        link_columns = tables["objects_constituents"].column_names if has_links else ()
        parts["artists"] = _artists(tables["objects"].column_names, link_columns)
    return parts


def _terms() -> tuple[list[str], str]:
    columns = {type_: type_.lower().replace(" ", "_") for type_ in _TERMS}
    lists = (
        f"list(DISTINCT term ORDER BY term) FILTER (WHERE termtype = '{type_}') AS {column}"
        for type_, column in columns.items()
    )
    query = f"""SELECT objectid, {", ".join(lists)} FROM objects_terms
        WHERE term IS NOT NULL GROUP BY objectid"""
    return list(columns.values()), query


def _sizes() -> tuple[list[str], str]:
    sizes = (
        f"arg_min(cm, (place, element, cm)) FILTER (WHERE dimensiontype = '{type_}') AS {type_}_cm"
        for type_ in _DIMENSIONS
    )
    return (
        [f"{type_}_cm" for type_ in _DIMENSIONS],
        f"""SELECT objectid, {", ".join(sizes)} FROM (
            SELECT objectid, dimensiontype, element,
                CASE element WHEN 'overall' THEN 0 WHEN 'painted surface' THEN 1
                    WHEN 'sheet' THEN 1 WHEN 'framed' THEN 3 ELSE 2 END AS place,
                try_cast(dimension AS DOUBLE) * CASE unitname WHEN 'centimeters' THEN 1
                    WHEN 'millimeters' THEN 0.1 WHEN 'meters' THEN 100
                    WHEN 'inches' THEN 2.54 WHEN 'feet' THEN 30.48 END AS cm
            FROM objects_dimensions
        ) WHERE cm IS NOT NULL GROUP BY objectid""",
    )


def _artists(objects: Sequence[str], links: Sequence[str]) -> tuple[list[str], str]:
    """Name the artists: by the table of links, or where it is missing by an unmistakable name.

    The qualifier comes from the prefix, or else the role, or else the attribution in words.
    """
    meant, joins = [], []
    for column in ("prefix", "role"):
        if column in links:
            joins.append(f"LEFT JOIN {column}s ON {column}s.text = objects_constituents.{column}")
            meant.append(f"{column}s.meant")
    if links:
        source = f"""SELECT objectid, constituentid, try_cast(displayorder AS INTEGER) AS place,
                coalesce({", ".join((*meant, "NULL::VARCHAR"))}) AS meant
            FROM objects_constituents {" ".join(joins)} WHERE roletype = 'artist'"""
    else:
        source = """SELECT objectid, constituentid, 1 AS place, qualifier AS meant
            FROM objects JOIN attributions USING (attribution) JOIN (
                SELECT forwarddisplayname AS name, min(constituentid) AS constituentid
                FROM constituents GROUP BY name HAVING count(*) = 1
            ) AS names USING (name)"""
    qualifier = "meant"
    texts = ""
    if links and "attribution" in objects:
        qualifier = "coalesce(meant, said.qualifier)"
        texts = """LEFT JOIN (
                SELECT objectid, name, qualifier FROM objects JOIN attributions USING (attribution)
            ) AS said ON said.objectid = links.objectid AND said.name = forwarddisplayname"""
    return (
        ["artist", "artist_qualifier", "nationality"],
        f"""SELECT links.objectid,
            list(forwarddisplayname ORDER BY place, constituentid) AS artist,
            CASE WHEN count({qualifier}) > 0
                THEN list({qualifier} ORDER BY place, constituentid) END AS artist_qualifier,
            list(DISTINCT nationality ORDER BY nationality)
                FILTER (WHERE nationality != 'Unknown') AS nationality
        FROM ({source}) AS links JOIN constituents USING (constituentid) {texts}
        WHERE forwarddisplayname IS NOT NULL GROUP BY links.objectid""",
    )
