"""Words in date texts of museums: English, German, French, Dutch and Italian, in lower case."""

from __future__ import annotations

import re
from collections.abc import Iterable


def words(text: str) -> tuple[str, ...]:
    """Split words and phrases written with bars between them."""
    return tuple(word.strip() for word in text.split("|"))


def alternatives(words: Iterable[str]) -> str:
    """Return a pattern that matches any of some words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


# The text says that no date is known.
NO_DATE = words("""
    n.d. | n. d. | nd | no date | not dated | undated | date not known | unknown | date unknown |
    unknown date | not known | no dates | dates unknown | various dates | o. j. | o.j. | ohne jahr |
    undatiert | unbekannt | ohne datum | nicht datiert | s.d. | s. d. | sans date | non daté |
    date inconnue | inconnu | inconnue | z.j. | z. j. | zonder jaar | ongedateerd | onbekend |
    zonder datum | datum unbekannt | datum onbekend | s.a. | senza data | non datato |
    data sconosciuta | sconosciuto | various | n/a | tbd | none | null | nan | - | ?
""")

CIRCA = words("""
    circa | approximately | approx. | approx | about | around | probably | possibly | perhaps |
    presumably | likely | ca. | ca | cca. | c. | c | c, | roughly | near | um | etwa | gegen |
    wohl | vermutlich | wahrscheinlich | ungefähr | zirka | vers | environ | env. | env |
    autour de | peut-être | probablement | omstreeks | ongeveer | rond | waarschijnlijk | mogelijk |
    verso il | verso | intorno al | forse | probabilmente | hacia | omkring
""")
BEFORE = words("""
    before | by | no later than | not later than | not after | until | up to | pre- | to | vor |
    spätestens | nicht nach | bis | vóór | niet na | avant | avant le | jusqu'en | voor | tot |
    uiterlijk | prima del | ante | entro il
""")
AFTER = words("""
    after | no earlier than | not earlier than | not before | since | from | post | nach | ab |
    seit | frühestens | nicht vor | niet voor | après | après le | depuis | na | vanaf |
    sinds | dopo il | dal | post-
""")
BCE = words("""
    b.c.e. | bce | b.c. | bc | b. c. | before christ | v. chr. | v.chr. | v. u. z. | av. j.-c. |
    av. j.c. | av. jc | avant j.-c. | a.c. | a. c. | v.o.t. | v.c. | v. c. | vor christus |
    voor christus | vóór christus | avant jésus-christ | avanti cristo | prima di cristo
""")
CE = words("""
    c.e. | ce | a.d. | ad | a. d. | anno domini | n. chr. | n.chr. | n. u. z. | apr. j.-c. |
    ap. j.-c. | après j.-c. | d.c. | d. c. | n.o.t. | n.c. | n. c. | nach christus |
    na christus | après jésus-christ | dopo cristo
""")
CENTURY = words("""
    century | centuries | cent. | cent | jahrhundert | jahrhunderts | jahrhunderte | jh. | jhs. |
    jhd. | jhdt. | jh | siècle | siècles | siecle | eeuw | eeuwen | secolo | secoli | sec. |
    secc. | siglo
""")

# First and last year of a part, of a hundred (a century) from 1 to 100.
_PARTS = {
    (1, 30): """
        early | beginning of the | beginning of | start of the | anfang | anfang des | frühes |
        fruehes | beginn des | début du | debut du | début | begin | begin van de | vroege | vroeg |
        inizio del | inizio | inizi del | inizi | primi del | anfang der | anf. |
        early decades of the | primo
    """,
    (26, 75): """
        mid- | mid | middle of the | middle of | middle | mitte | mitte des | mittleres |
        milieu du | milieu | midden | metà del | metà | mid to | mitte der
    """,
    (71, 100): """
        late | end of the | end of | spätes | ende | ende des | fin du | fin | eind | einde | laat |
        fine del | fine | ende der | tardo
    """,
    (1, 10): """
        first decade of the | first decade | 1st decade of the | 1st decade | erstes jahrzehnt des |
        erstes jahrzehnt | première décennie du | eerste decennium van de | primo decennio del
    """,
    (91, 100): """
        last decade of the | last decade | letztes jahrzehnt des | letztes jahrzehnt |
        dernière décennie du | laatste decennium van de | ultimo decennio del
    """,
    (1, 50): "1. h.",
    (51, 100): "2. h.",
    (-5, 5): "turn of the",
}
_PLACES = (
    "first | 1st | 1. | erstes | erste | premier | première | 1er | 1ère | 1re | 1e | eerste |"
    "primo | prima",
    "second | 2nd | 2. | zweites | zweite | deuxième | seconde | 2e | 2ème | 2de | tweede |"
    "secondo | seconda",
    "third | 3rd | 3. | drittes | troisième | 3e | 3ème | 3de | derde | terzo",
    "fourth | 4th | 4. | viertes | quatrième | 4e | 4ème | 4de | vierde | quarto",
)
_LAST = "last | letztes | dernier | laatste | ultimo"
_HALVES = ((1, 50), (51, 100))
_QUARTERS = ((1, 25), (26, 50), (51, 75), (76, 100))
_THIRDS = ((1, 33), (34, 67), (68, 100))


def _fractions(
    nouns: tuple[str, ...], fractions: tuple[tuple[int, int], ...]
) -> dict[str, tuple[int, int]]:
    """Name halves, quarters or thirds in words: "second quarter of the", "letztes Drittel"."""
    places = [*zip(_PLACES, fractions, strict=False), (_LAST, fractions[-1])]
    return {
        f"{name} {noun}{of}": years
        for names, years in places
        for name in words(names)
        for noun in nouns
        for of in (" of the", " of", " des", " du", " van de", " del", "")
    }


PARTS = {
    **{name: years for years, names in _PARTS.items() for name in words(names)},
    **_fractions(("half", "hälfte", "moitié", "helft", "metà"), _HALVES),
    **_fractions(("quarter", "viertel", "quart", "kwart", "quarto"), _QUARTERS),
    **_fractions(("third", "drittel", "tiers", "derde", "terzo"), _THIRDS),
}

MONTHS = words("""
    january | february | march | april | may | june | july | august | september | october |
    november | december | jan | feb | mar | apr | jun | jul | aug | sep | sept | oct | nov | dec |
    spring | summer | autumn | fall | winter | januar | februar | märz | mai | juni | juli |
    oktober | dezember | frühling | frühjahr | sommer | herbst | janvier | février | mars | avril |
    juin | juillet | août | septembre | octobre | novembre | décembre | printemps | été | automne |
    hiver | januari | februari | maart | mei | augustus | lente | zomer | herfst | gennaio |
    febbraio | marzo | aprile | maggio | giugno | luglio | agosto | settembre | ottobre | dicembre |
    primavera | estate | autunno | inverno
""")
# What was made of a work after it was made: not when it was made.
LATER_STATES = words("""
    printed | reprinted | cast | recast | reissued | re-printed | restored | reworked |
    later printing | later impression | reassembled | gedruckt | gegossen | guss | nachguss |
    abzug | print | reprint | replica | later print | imprimé |
    tirage | fonte | gedrukt | gegoten | stampato | fuso | fabricated
""")

_ORDINALS = words("""
    first | second | third | fourth | fifth | sixth | seventh | eighth | ninth | tenth | eleventh |
    twelfth | thirteenth | fourteenth | fifteenth | sixteenth | seventeenth | eighteenth |
    nineteenth | twentieth | twenty-first
""")
ORDINALS = {name: number for number, name in enumerate(_ORDINALS, 1)}
