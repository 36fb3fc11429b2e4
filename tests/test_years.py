import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artsim.readers.years import is_undated, parse_years


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("1900", (1900, 1900)),
        ("1976-77", (1976, 1977)),
        ("1903-05", (1903, 1905)),
        ("1655\u20139", (1655, 1659)),
        ("1934-05", (1934, 1934)),  # a month: 05 is before 34
        ("1999-02", (1999, 2002)),
        ("1880-1890", (1880, 1890)),
        ("1800-1799", (1799, 1800)),
        ("1565/70", (1565, 1570)),
        ("c. 1880", (1875, 1885)),
        ("c.1625\u201330", (1620, 1635)),
        ("1880 (?)", (1880, 1880)),
        ("[1880?]", (1880, 1880)),
        ("1880s", (1880, 1889)),
        ("1880s-1890s", (1880, 1899)),
        ("late 1920s", (1927, 1929)),
        ("19th century", (1801, 1900)),
        ("nineteenth century", (1801, 1900)),
        ("early 16th century", (1501, 1530)),
        ("16th-17th century", (1501, 1700)),
        ("18th or 19th century", (1701, 1900)),
        ("mid- to late-19th century", (1826, 1900)),
        ("late 19th-early 20th century", (1871, 1930)),
        ("third quarter of the 18th century", (1751, 1775)),
        ("turn of the 20th century", (1895, 1905)),
        ("3rd century BCE", (-300, -201)),
        ("1st century B.C.", (-100, -1)),
        ("480-256 BCE", (-480, -256)),
        ("500 BC-AD 200", (-500, 200)),
        ("27 BC - AD 14", (-27, 14)),
        ("A.D. 100\u2013200", (100, 200)),
        ("1931-09-30", (1931, 1931)),
        ("1934-05-12T00:00:00Z", (1934, 1934)),
        ("9/30/1931", (1931, 1931)),
        ("30.9.1931", (1931, 1931)),
        ("September 30, 1931", (1931, 1931)),
        ("June 10-12, 1954", (1954, 1954)),
        ("Spring 1890", (1890, 1890)),
        ("1763, published 1800-07", (1763, 1807)),
        ("1926, printed 1974", (1926, 1926)),
        ("printed 1974", (1974, 1974)),
        ("1795\u2013c. 1805", (1795, 1810)),
        ("before 1645", (1635, 1645)),
        ("after c.1830", (1830, 1840)),
        ("1888 or later", (1888, 1898)),
        ("Edo period (1603-1867), 19th century", (1801, 1867)),
        ("Ming Dynasty, 1368-1644, 16th century", (1501, 1600)),
        ("Qianlong period (1736-1795)", (1736, 1795)),
        ("1960, Design Patent 191,300, 1961", (1960, 1961)),
        # German, French, Dutch, Italian
        ("um 1880", (1875, 1885)),
        ("1. Hälfte 16. Jh.", (1501, 1550)),
        ("16./17. Jahrhundert", (1501, 1700)),
        ("200 v. Chr.", (-200, -200)),
        ("zwischen 1510 und 1520", (1510, 1520)),
        ("15. Juli 1888", (1888, 1888)),
        ("1840er Jahre", (1840, 1849)),
        ("vers 1860", (1855, 1865)),
        ("fin du XVIIIe siècle", (1771, 1800)),
        ("Ier siècle av. J.-C.", (-100, -1)),
        ("19e eeuw", (1801, 1900)),
        ("omstreeks 1650", (1645, 1655)),
        ("begin 17de eeuw", (1601, 1630)),
        ("sec. XIX", (1801, 1900)),
        ("fine del XVI secolo", (1571, 1600)),
        ("tra il 1510 e il 1520", (1510, 1520)),
    ],
)
def test_a_date_text_is_read_as_its_first_and_last_year(text, years):
    assert parse_years(text) == years


@pytest.mark.parametrize(
    "text", ["n.d.", "No date", "date not known", "o.J.", "s.d.", "", "[n.d.]"]
)
def test_a_text_that_means_no_date(text):
    assert is_undated(text)
    assert parse_years(text) is None


@pytest.mark.parametrize("text", ["hello", "l860s", "Meiji period", "60s", "inv. 12", "5 x 7 cm"])
def test_a_text_without_a_year_is_not_read(text):
    assert parse_years(text) is None
    assert not is_undated(text)


@given(st.integers(100, 2100), st.integers(100, 2100))
def test_every_range_of_two_years_reads_back(a, b):
    assert parse_years(f"{a}-{b:04}") == (min(a, b), max(a, b))


@given(st.text(max_size=60))
def test_any_text_is_read_or_ignored(text):
    years = parse_years(text)
    assert years is None or years.begin <= years.end


@pytest.mark.parametrize(
    ("text", "years"),
    [
        # digits that are not known, and signs
        ("185?", (1850, 1859)),
        ("187-?", (1870, 1879)),
        ("198X", (1980, 1989)),
        ("18--", (1800, 1899)),
        ("19??", (1900, 1999)),
        ("1984~", (1979, 1989)),
        ("-0300", (-300, -300)),
        ("-500/-400", (-500, -400)),
        ("19640512", (1964, 1964)),
        ("MDCXLII", (1642, 1642)),
        # words behind, or in other places
        ("1520 ca.", (1515, 1525)),
        ("1610 circa-1620 circa", (1605, 1625)),
        ("AD 70-79", (70, 79)),
        ("1820s-30s", (1820, 1839)),
        ("1960s/70s", (1960, 1979)),
        ("late 1700s", (1770, 1799)),
        ("1800 onwards", (1800, 1810)),
        ("C19th", (1801, 1900)),
        ("dated A.H. 1041/A.D. 1632", (1632, 1632)),
        ("AH 1041", (1631, 1631)),
        ("3rd-2nd millennium BC", (-3000, -1001)),
        ("1917, replica 1964", (1917, 1917)),
        ("1936, print 1950s", (1936, 1936)),
        # German
        ("letztes Viertel 15. Jh.", (1476, 1500)),
        ("1. Drittel 19. Jh.", (1801, 1833)),
        ("A. 19. Jh.", (1801, 1830)),
        ("v. 1600", (1590, 1600)),
        ("nicht nach 1650", (1640, 1650)),
        ("17. Jh. oder später", (1601, 1710)),
        # French
        ("dernier quart du XIXe siècle", (1876, 1900)),
        ("1ère moitié XXe s.", (1901, 1950)),
        ("années 1920", (1920, 1929)),
        # Dutch
        ("laatste kwart 19e eeuw", (1876, 1900)),
        ("laat 17e eeuw", (1671, 1700)),
        ("jaren 1930", (1930, 1939)),
        # Italian
        ("ultimo quarto del XV secolo", (1476, 1500)),
        ("sec. XVI-XVII", (1501, 1700)),
        ("seconda metà XVII secolo", (1651, 1700)),
        ("inizi del XVI secolo", (1501, 1530)),
        ("Cinquecento", (1501, 1600)),
        ("anni 1960", (1960, 1969)),
    ],
)
def test_odd_forms_are_read(text, years):
    assert parse_years(text) == years


@pytest.mark.parametrize(
    ("text", "years"),
    [
        # a century, but ten years beside another decade and behind a circa
        ("1800s", (1800, 1899)),
        ("the 1900s", (1900, 1999)),
        ("early 1900s", (1900, 1929)),
        ("1700s or later", (1700, 1809)),
        ("1890s-1900s", (1890, 1909)),
        ("c. 1700s", (1695, 1714)),
        ("early to mid-1650s", (1650, 1657)),
        ("1650er/60er Jahre", (1650, 1669)),
        ("Mitte der 1650er Jahre", (1652, 1657)),
        ("Ende der 1650er Jahre", (1657, 1659)),
        ("first decade of the 20th century", (1901, 1910)),
        ("early decades of the 20th century", (1901, 1930)),
        ("2e moitié XVIIe siècle", (1651, 1700)),
        ("1e helft 17e eeuw", (1601, 1650)),
        ("zweite Hälfte des 17. Jahrhunderts", (1651, 1700)),
        ("prima metà sec. XVII", (1601, 1650)),
        ("secc. XVI-XVII", (1501, 1700)),
        ("Ier s. ap. J.-C.", (1, 100)),
        ("'400", (1401, 1500)),
        ("primi del '900", (1901, 1930)),
        ("500 v.C.", (-500, -500)),
        ("pre-1914", (1904, 1914)),
        ("post-1950", (1950, 1960)),
        ("dated 1041 AH/1631-2 CE", (1631, 1632)),
        ("1905-1-3", (1905, 1905)),
        ("10,000 BC", (-10000, -10000)),
        ("ca. 12,000-10,000 BCE", (-12005, -9995)),
        ("1750 B.P.", (200, 200)),
        ("12,000 BP", (-10051, -10051)),
        ("17. Jh., 1. Hälfte", (1601, 1650)),
        ("17. Jh. (2. Hälfte)", (1651, 1700)),
        ("3. Jh. v. Chr., 1. Hälfte", (-300, -251)),
        ("XVIIIe siècle, 2e moitié", (1751, 1800)),
        ("sec. XVII (seconda metà)", (1651, 1700)),
        ("sec. XVII fine", (1671, 1700)),
        ("sec. XVI, fine - sec. XVII, inizi", (1571, 1630)),
        ("18th century, late 19th century frame", (1701, 1900)),
        ("16de eeuw, tweede helft", (1551, 1600)),
        ("Anf. 17. Jh.", (1601, 1630)),
        ("tardo XVI secolo", (1571, 1600)),
        ("primo Quattrocento", (1401, 1430)),
        ("ultimo decennio del XVI secolo", (1591, 1600)),
        ("Wende 18./19. Jh.", (1795, 1805)),
        ("tournant des XVIIIe et XIXe siècles", (1795, 1805)),
        ("3de eeuw voor Christus", (-300, -201)),
        ("IIe siècle après Jésus-Christ", (101, 200)),
        ("jaren 80 van de 19e eeuw", (1880, 1889)),
        ("80er Jahre des 19. Jahrhunderts", (1880, 1889)),
        ("anni '20 del XX secolo", (1920, 1929)),
    ],
)
def test_texts_of_five_languages_are_read_as_museums_mean_them(text, years):
    assert parse_years(text) == years


@pytest.mark.parametrize("text", ["(n.d.)", "[n.d.]", "Datum unbekannt", "datum onbekend"])
def test_brackets_and_more_words_for_no_date(text):
    assert is_undated(text)
    assert parse_years(text) is None


def test_dates_of_two_museums_match_the_museums_own_years(museum_data):
    with (museum_data / "dates/dates.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    dated = [row for row in rows if not is_undated(row["text"])]
    total = read = near = far = 0
    for row in dated:
        count = int(row["rows"])
        years = parse_years(row["text"])
        total += count
        if years is None:
            continue
        off = max(abs(years.begin - int(row["begin"])), abs(years.end - int(row["end"])))
        read += count
        near += count * (off <= 10)
        far += count * (off > 60)
    assert total == 57_771  # 790 more say that there is no date
    assert read / total > 0.9999
    assert near / read > 0.988
    assert far / total <= 0.0005
