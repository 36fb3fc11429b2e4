"""What museums call the keys of their records, without case, spaces and punctuation."""

from __future__ import annotations

# Of the columns of the vocabulary, in English, German, French, Dutch and Italian.
COLUMNS = {
    "title": "title titles objecttitle worktitle titletext maintitle titel objekttitel werktitel "
    "titre titreoeuvre titolo name objectname bezeichnung label",
    "artist": "artist artists artistname artistdisplayname artisttitle artisttitles allartists "
    "creator creators creatorname maker makers makername painter author attribution contributors "
    "principalmaker principalmakers people constituents künstler kuenstler künstlerin urheber "
    "hersteller artiste artistes auteur auteurs créateur createur kunstenaar kunstenaars "
    "vervaardiger vervaardigers artista artisti autore autori",
    "date_text": "datetext datedisplay displaydate objectdate creationdate date dates datecreated "
    "dated dating presentingdate datierung datum entstehungszeit entstehungsdatum datation "
    "datecreation datering datazione data year jahr année annee jaar anno created",
    "medium": "medium mediums mediumdisplay technique techniques material materials "
    "materialsandtechniques mediumandsupport technik materialtechnik materialundtechnik "
    "matériaux materiaux matériauxtechniques techniek materiaal materiaaltechniek tecnica "
    "materiale materiaetecnica mediatype",
    "classification": "classification classifications classificationtitle objecttype worktype "
    "category categories objektart objekttyp gattung sachgruppe domaine dénomination "
    "denomination objecttrefwoord categoria tipologia type objectname genre",
    "culture": "culture cultures placeoforigin origin nationality country place",
    "department": "department departmenttitle sammlung abteilung département departement afdeling "
    "dipartimento collection",
    "dimensions": "dimensions dimension dimensionsdisplay maße masse abmessungen mesures "
    "afmetingen afmeting dimensioni misure size measurements",
    "credit_line": "creditline credit courtesy creditzeile erwerbung acquisition acquisitionmethod",
    "rights": "rights license licence copyright copyrightnotice rightsandreproduction "
    "sharelicensestatus thumbnailcopyright licensetext rechte lizenz droits licence rechten "
    "diritti licenza",
    "public_domain": "ispublicdomain publicdomain cc0",
    "url": "url objecturl weburl link page permalink homepage",
}
NAMES = "name fullname fc displayname title label value text preferredname"  # of an artist
ROLES = (  # beside an artist's name
    *("role", "qualifier", "prefix", "attribution", "roles"),
    *("rolle", "funktion", "rôle", "rol", "ruolo"),
)
# What is inside a value: titel.de, date.text.
INSIDE = ("text", "value", "display", "label", "en", "de", "fr", "nl", "it")
# Of keys that stand beside each other, those of the first and the last year.
ENDS = (
    *(("startyear", "endyear"), ("yearstart", "yearend"), ("datestart", "dateend")),
    *(("beginyear", "endyear"), ("objectbegindate", "objectenddate"), ("begindate", "enddate")),
    *(("yearearly", "yearlate"), ("earliest", "latest"), ("begin", "end"), ("from", "to")),
    *(("creationdateearliest", "creationdatelatest"), ("dateearliest", "datelatest")),
    *(("dateearly", "datelate"), ("start", "end")),
)
