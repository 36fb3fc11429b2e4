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

# What each qualifier is called, and how catalogs write it before a name; OF is any word of _OF.
QUALIFIERS = {
    "attributed to": """
        attributed to | attributed | attr. | attr. to | attrib. to | ascribed to | probably by |
        possibly by | probably | possibly | zugeschrieben | zugeschrieben an | zuschreibung an |
        vermutlich | angeblich | attribué à | attribuée à | attribué | toegeschreven aan |
        toegeschreven | attribuito a | attribuita a | attribuito | mogelijk | wohl
    """,
    "workshop of": """
        workshop OF | workshop | studio OF | studio | atelier OF | atelier | and workshop |
        and studio | assistant OF | werkstatt OF | werkstatt | werkplaats OF | bottega OF | bottega
    """,
    "circle of": """
        circle OF | circle | umkreis OF | umkreis | kreis OF | entourage OF | cercle OF | kring OF |
        omgeving OF | cerchia OF | ambito OF | associate OF
    """,
    "follower of": """
        follower OF | followers OF | follower | pupil OF | pupils OF | student OF | nachfolger OF |
        nachfolger | nachfolge OF | nachfolge | schüler OF | suiveur OF | élève OF | navolger OF |
        volgeling OF | leerling OF | seguace OF | allievo OF | imitator OF | imitators OF |
        nachahmer OF | nachahmer | imitateur OF | imitatore OF
    """,
    "school of": "school OF | schule OF | école OF | scuola OF",
    "manner of": """
        manner OF | in the manner OF | style OF | in the style OF | art OF | in der art OF |
        in der art | stil OF | im stil OF | manier OF | in der manier OF | manière OF |
        à la manière OF | dans la manière OF | dans le goût OF | genre OF |
        dans le genre OF | stijl OF | in de stijl OF |
        in de trant OF | in de manier OF | maniera OF | alla maniera OF
    """,
    "after": """
        after | copy after | copied after | copy OF | copyist OF | prints after | engraved after |
        nach | kopie nach | d'après | copie d'après | copie OF | naar | kopie naar | da | copia da
    """,
    "forgery of": "forgery OF | imitation OF | fälschung nach | vervalsing naar",
    "formerly": """
        formerly attributed to | formerly | previously attributed to | ehemals |
        früher zugeschrieben | anciennement attribué à | voorheen toegeschreven aan |
        vroeger toegeschreven aan | già attribuito a
    """,
}
# By language; no word takes that of another, but none is written with it either.
_OF = words("""
    of | des | der | von der | von | vom | eines | de la | de l' | de | du | d' | van de | van der |
    van | dello | della | dell' | dei | degli | del | di
""")
# Words that a name can begin with: before one they count only with what is after them.
_ALONE = words("da | nach | naar | wohl | studio | atelier | in der art")
_SMALL = "nach|naar|wohl"  # begin a name's qualifier where a name follows: nach Albrecht Dürer
_WORKSHOP = "workshop|studio|werkstatt|atelier|werkplaats|bottega"
_SOURCE = """
    design | drawing | original | print | engraving | etching | painting | photograph | sculpture |
    work | model | composition | entwurf | zeichnung | stich | gemälde | vorlage | dessin |
    gravure | tableau | peinture | modèle | ontwerp | tekening | schilderij | prent | voorbeeld |
    disegno | dipinto | incisione
"""

_CANONICAL = {
    form.replace("' ", "'"): name
    for name, text in QUALIFIERS.items()
    for word in words(text)
    for form in ([word.replace("OF", of) for of in _OF] if word.endswith("OF") else [word])
}
_WORDS = alternatives(word for word in _CANONICAL if word not in _ALONE)
# Patterns that take long to compile are texts: most names need none of them.
_BEFORE = rf"(?is)(?P<word>{_WORDS})(?<=[\w.'à])(?:\s+|(?<='))(?=\S)(?P<name>.+)"
_BEHIND = (
    rf"(?is)(?P<name>.+?)\s*(?:,\s*(?P<word>(?!studio\b)(?:{alternatives(_CANONICAL)}))"
    rf"|[(\[]\s*(?P<inside>{alternatives(_CANONICAL)})\s*[)\]])"
)
_LETTER = re.compile(rf"(?P<word>{_SMALL}|{_SMALL.title()})\s+(?P<name>[A-ZÀ-Þ].+)", re.S)
_DOUBTED = re.compile(r"(?P<name>.*\w\W?)\s*(?:[(\[]\?[)\]]|\s\?)", re.S)  # Rembrandt (?)
_AND_WORKSHOP = re.compile(
    rf"(?P<name>.+?)\s+(?:and|und|et|en|e)\s+(?:(?:his|her|seine|son|zijn)\s+)?(?:{_WORKSHOP})",
    re.I | re.S,
)
_ZUGESCHRIEBEN = re.compile(  # which German puts last: früher Rembrandt zugeschrieben
    r"(?P<formerly>(?:früher|ehemals|vormals)\s+)?(?:dem\s+)?(?P<name>.+?)\s+zugeschrieben",
    re.I | re.S,
)
# One word in German: Cranach-Werkstatt.
_JOINED = re.compile(
    r"(?P<name>\S.*)(?<!kunst)-(?P<word>werkstatt|umkreis|kreis|nachfolger|nachfolge|schule)",
    re.I | re.S,
)
_OF_A_WORK = (  # by the artist, which the work is after: a design by Raphael
    rf"(?is)(?:(?:an?|the|einer|einem|une?|een|un)\s+)?(?:lost\s+)?(?:{alternatives(words(_SOURCE))})"
    rf"s?\s+(?:by|{alternatives(_OF)})(?:\s+|(?<='))(?P<name>.+)"
)
# The School of the Art Institute is one, and no work of the institute's school.
_GROUPS = ("workshop of", "circle of", "school of")
_INSTITUTION = re.compile(
    r"\b(?:institut\w*|academ\w*|universit\w*|college|galler\w*|museum|design|arts?|friends|press)\b",
    re.I,
)
# A name without any of these words, and without a question mark, has no qualifier.
_SIGNS = {
    sign
    for forms in (*QUALIFIERS.values(), _WORKSHOP.replace("|", " "), "zugeschrieben")
    for sign in re.findall(r"\w+", forms.replace("OF", ""))
} - {
    *words(
        "a | aan | alla | an | and | by | d | dans | de | der | im | in | la | le | the | to | à"
    )
}
# Roles of people who made the work.
_MAKERS = (
    *words("""
        artist | artists | painter | maker | creator | author | sculptor | photographer |
        draftsman | draughtsman | printmaker | etcher | engraver | designer | architect | primary |
        illustrator | graphic artist | künstler | künstlerin | maler | malerin | zeichner |
        zeichnerin | stecher | radierer | bildhauer | bildhauerin | fotograf | fotografin |
        entwerfer | architekt | peintre | dessinateur | dessinatrice | graveur | sculpteur |
        photographe | auteur | artiste | schilder | tekenaar | prentmaker | beeldhouwer |
        fotograaf | ontwerper | kunstenaar | vervaardiger | pittore | pittrice | disegnatore |
        incisore | scultore | fotografo | autore | artista
    """),
    "",
)
_AFTER_A_WORK = re.compile(r"(?:after|nach|naar|d'après)\s+(?!eigen\b|own\b).+")  # of another


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
    text = " ".join(text.replace("\u2019", "'").split())
    if "?" not in text and _SIGNS.isdisjoint(re.findall(r"\w+", text.lower())):
        return Attribution(text, None)
    if match := re.fullmatch(_BEHIND, text):
        word = match["word"] or match["inside"]
        return Attribution(match["name"].strip(" ,"), _CANONICAL[word.lower()])
    if match := _ZUGESCHRIEBEN.fullmatch(text):
        return Attribution(match["name"], "formerly" if match["formerly"] else "attributed to")
    if match := _JOINED.fullmatch(text):
        return Attribution(match["name"], _CANONICAL[f"{match['word'].lower()} des"])
    if match := re.fullmatch(_BEFORE, text) or _LETTER.fullmatch(text):
        qualifier, name = _CANONICAL[match["word"].lower()], match["name"].strip(" ,")
        if qualifier in _GROUPS and _INSTITUTION.search(name):
            return Attribution(text, None)
        if qualifier == "after" and (work := re.fullmatch(_OF_A_WORK, name)):
            name = work["name"]
        return Attribution(re.sub("^the ", "", name), qualifier)
    if match := _DOUBTED.fullmatch(text):
        return Attribution(match["name"].strip(), "attributed to")
    if match := _AND_WORKSHOP.fullmatch(text):
        return Attribution(match["name"], "workshop of")
    return Attribution(text, None)


def qualifier_of(role: str | None) -> str | None:
    """Return the qualifier that a role or a prefix means, "" for a maker; None for another role.

    A printer, a publisher or a sitter is not the artist; ``artist after`` is, after whom.
    """
    text = (role or "").lower().replace("\u2019", "'")
    text = " ".join(re.sub(r"[(),:;\[\]]", " ", text).split())
    if text in _MAKERS:
        return ""
    if text in _CANONICAL:
        return _CANONICAL[text]
    if _AFTER_A_WORK.fullmatch(text):
        return "after"
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
    parsed = _without_genitives({text: parse_artist(text) for text in texts if text is not None})
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


def _without_genitives(parsed: dict[str, Attribution]) -> dict[str, Attribution]:
    """Return the qualified names; "Werkstatt Rembrandts" is Rembrandt's if he occurs as well."""
    names = {each.name for each in parsed.values()}
    alone = {each.name for each in parsed.values() if each.qualifier is None}
    found = {}
    for text, each in parsed.items():
        if each.qualifier is None:
            continue
        bare = each.name[:-1] if each.name.endswith(("s", "'")) else each.name
        is_genitive = bare in names and each.name not in alone
        found[text] = each._replace(name=bare) if is_genitive else each
    return found


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
