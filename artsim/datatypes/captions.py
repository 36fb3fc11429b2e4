"""Which columns of a catalog hold the title, the artist and the rest of a museum's label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What museums call their columns (NGA, MoMA, The Met, Cleveland, Chicago, the Rijksmuseum, IIIF).
# Lower case, without spaces and underscores; the first one with a value is taken.
_COLUMNS = {
    part: names.split()
    for part, names in {
        "title": "title objecttitle name objectname label",
        "artist": "artist artists artistdisplayname attribution creator maker artistdisplay "
        "creatordescription principalmaker author painter",
        "date": "date displaydate objectdate creationdate datedisplay datecreated datetext year "
        "years made datemade dated dating productiondate",
        "accession": "accessionnumber accessionnum accessionno objectnumber inventorynumber "
        "inventory mainreferencenumber",
        "credit": "creditline credit courtesy requiredstatement",
        "rights": "rights license licence copyright rightsandreproduction sharelicensestatus "
        "copyrightnotice",
        "link": "url objecturl link objectpage linkresource homepage webpage permalink "
        "objectwikidataurl",
        "iiif": "iiifurl iiif iiifimage imageservice iiifservice iiifimageurl",
    }.items()
}

_FEW = 3  # columns that are listed


def caption_columns(columns: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns of each part of a caption, the one to prefer first."""
    by_name = defaultdict(list)
    for column in columns:
        by_name[column.lower().replace("_", "").replace(" ", "")].append(column)
    return {
        part: [column for name in names if name in by_name for column in by_name[name]]
        for part, names in _COLUMNS.items()
    }


def listed_texts(
    ids: Sequence[str], records: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[list[str]]]:
    """Return the columns of a list of works besides the ids, and what each work has in them.

    They are title, artist and date, and others for want of one: of those in which any of the works
    has a value that is not its id. Works of several indexes may have different columns.
    """
    filled = dict.fromkeys(
        name
        for id_, record in zip(ids, records, strict=True)
        for name, value in record.items()
        if as_text(value) not in ("", id_)
    )
    named = caption_columns(filled)
    found = {named[part][0]: named[part] for part in ("title", "artist", "date") if named[part]}
    others = {name: [name] for name in filled if not any(name in each for each in found.values())}
    columns = dict([*found.items(), *others.items()][: max(len(found), _FEW)])
    texts = [
        [first_text(record, filter(record.__contains__, names)) for names in columns.values()]
        for record in records
    ]
    return list(columns), texts


def title_column(columns: Iterable[str]) -> str | None:
    """Return the column of the works' titles: by them a series is known.

    What other columns of a caption's first line hold, such as LABEL, may be a kind of works.
    """
    named = caption_columns(columns)["title"]
    return next((name for name in named if "title" in name.lower()), None)


def as_text(value: object) -> str:
    """Write a value of a record: lists with commas, years as 1880-1885, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(as_text, value))
    if isinstance(value, dict):  # a range of years
        return "-".join(str(end) for end in dict.fromkeys(value.values()) if end is not None)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def first_text(record: Mapping[str, Any], columns: Iterable[str]) -> str:
    """Return the first of some values of a record that has a text, as `as_text` writes it."""
    return next((text for name in columns if (text := as_text(record[name]))), "")
