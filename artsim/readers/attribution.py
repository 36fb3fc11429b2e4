"""How sure an attribution is: "after", "workshop of", "attributed to", taken from an artist's name.

The qualifier goes to a column of its own, so that a copy does not carry the master's name as if he
had made it. The words are English, German, French, Dutch and Italian.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog
from artsim.readers.years.words import alternatives, words

_COLUMNS = ("artist", "artists", "artist_name", "creator", "maker", "painter")  # in this order

# What each qualifier is called, and how catalogs write it before a name.
QUALIFIERS = {
    "attributed to": """
        attributed to | attributed | attr. | attr. to | attrib. to | ascribed to | probably by |
        possibly by | probably | possibly | zugeschrieben | zuschreibung an | attribué à |
        attribuée à | toegeschreven aan | attribuito a | mogelijk | wohl
    """,
    "workshop of": """
        workshop of | workshop | studio of | studio | atelier of | and workshop | and studio |
        assistant of | werkstatt des | werkstatt der | werkstatt von | werkstatt | atelier de |
        atelier van | atelier d' | werkplaats van | bottega di | bottega
    """,
    "circle of": """
        circle of | circle | umkreis des | umkreis von | umkreis | entourage de | cercle de |
        kring van | omgeving van | cerchia di | associate of
    """,
    "follower of": """
        follower of | follower | pupil of | student of | nachfolger des | nachfolger von |
        nachfolger | schüler des | schüler von | suiveur de | élève de | navolger van |
        leerling van | seguace di | allievo di | imitator of | nachahmer von
    """,
    "school of": "school of | schule des | schule von | école de | school van | scuola di",
    "manner of": """
        manner of | in the manner of | style of | in the style of | art des | stil des |
        manière de | à la manière de | stijl van | in de stijl van | maniera di | alla maniera di
    """,
    "after": """
        after | copy after | copied after | copy of | prints after | engraved after | nach |
        kopie nach | d'après | copie d'après | naar | kopie naar | da | copia da
    """,
    "forgery of": "forgery of | imitation of | fälschung nach | vervalsing naar",
    "formerly": """
        formerly attributed to | formerly | previously attributed to | ehemals |
        früher zugeschrieben | anciennement attribué à | voorheen toegeschreven aan |
        già attribuito a
    """,
}
# Words that a name can begin with: as qualifiers they count only when the whole text is one.
_ALONE = words("da | nach | naar | wohl | studio | probably | possibly | mogelijk")

_CANONICAL = {word: name for name, text in QUALIFIERS.items() for word in words(text)}
_WORDS = alternatives(word for word in _CANONICAL if word not in _ALONE)
_BEFORE = re.compile(
    rf"(?P<word>{_WORDS})(?<=[\w.'à])(?:\s+|(?<='))(?=\S)(?P<name>.+)", re.I | re.S
)
_BEHIND = re.compile(rf"(?P<name>.+?)\s*[,(\[]\s*(?P<word>{_WORDS})\s*[)\]]?", re.I | re.S)
_LETTER = re.compile(r"(?P<word>nach|naar)\s+(?P<name>[A-ZÀ-Þ].+)", re.I | re.S)
# Roles of people who made the work.
_MAKERS = (
    *words("""
        artist | artists | painter | maker | creator | author | sculptor | photographer |
        draftsman | printmaker | etcher | engraver | designer | architect | primary | schilder |
        künstler | maler | peintre | pittore | prentmaker | tekenaar
    """),
    "",
)


class Attribution(NamedTuple):
    """An artist's name, and how sure it is; None where the work is simply theirs."""

    name: str
    qualifier: str | None


def parse_artist(text: str) -> Attribution:
    """Take the qualifier from an artist's name.

    Example:
        >>> parse_artist("Workshop of Rembrandt van Rijn")
        Attribution(name='Rembrandt van Rijn', qualifier='workshop of')
    """
    text = " ".join(text.split())
    match = _BEFORE.fullmatch(text) or _BEHIND.fullmatch(text) or _LETTER.fullmatch(text)
    if match is None:
        return Attribution(text, None)
    return Attribution(match["name"].strip(" ,"), _CANONICAL[match["word"].lower()])


def qualifier_of(role: str | None) -> str | None:
    """Return the qualifier that a role or a prefix means, "" for a maker; None for another role.

    A printer, a publisher or a sitter is not the artist; ``artist after`` is, after whom.
    """
    text = " ".join((role or "").lower().split())
    if text in _MAKERS:
        return ""
    if text in _CANONICAL:
        return _CANONICAL[text]
    maker, _, rest = text.partition(" ")
    return _CANONICAL.get(rest) if maker in _MAKERS else None


def with_qualifiers(catalog: Catalog) -> Catalog:
    """Take the qualifiers out of a catalog's column of artists into one of their own beside it.

    A catalog without such a column, without a qualifier in it, or with a column for them already
    is returned as it is.
    """
    names = {field.name.lower(): field.name for field in reversed(list(catalog.schema))}
    column = next((names[name] for name in _COLUMNS if name in names), None)
    if column is None or f"{column}_qualifier".lower() in names:
        return catalog
    type_ = catalog.schema.field(column).type
    texts: set[str | None] = set()
    if type_ in (pa.string(), pa.list_(pa.string())):
        for batch in catalog.batches():
            texts.update(pc.unique(_texts(batch[column])).to_pylist())
    parsed = {text: parse_artist(text) for text in texts if text is not None}
    parsed = {text: each for text, each in parsed.items() if each.qualifier is not None}
    if not parsed:
        return catalog
    place = catalog.schema.get_field_index(column)
    schema = catalog.schema.insert(place + 1, pa.field(f"{column}_qualifier", type_))

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in catalog.batches():
            artists, qualifiers = _split(batch[column], parsed)
            columns = [*batch.columns[:place], artists, qualifiers, *batch.columns[place + 1 :]]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return replace(catalog, schema=schema, batches=batches)


def _texts(column: pa.Array) -> pa.Array:
    return column.flatten() if pa.types.is_list(column.type) else column


def _split(column: pa.Array, parsed: dict[str, Attribution]) -> tuple[pa.Array, pa.Array]:
    """Return the artists without qualifiers, and the qualifiers in the same places."""
    names: list[Any] = []
    qualifiers: list[Any] = []
    for cell in column.to_pylist():
        texts = cell if isinstance(cell, list) else [cell]
        found = [parsed.get(text, Attribution(text, None)) for text in texts]
        if isinstance(cell, list):
            names.append([each.name for each in found])
            own = [each.qualifier for each in found]
            qualifiers.append(own if any(own) else None)
        else:
            names.append(found[0].name)
            qualifiers.append(found[0].qualifier)
    return pa.array(names, column.type), pa.array(qualifiers, column.type)
