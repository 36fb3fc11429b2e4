"""Find works by words: in the title, the artist and every other column of text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import FieldType, caption_columns
from artsim.errors import SearchError
from artsim.labels import connect
from artsim.search.folding import (
    QUOTES,
    Phrase,
    as_typed,
    fold,
    full_pattern,
    number_pattern,
    read_phrases,
    whole_pattern,
)
from artsim.search.metadata import RowStream
from artsim.search.works import Works
from artsim.store import indices

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MOST = 200  # characters of the words; DuckDB compiles no larger patterns
_LETTERS_A_MISTAKE = 3  # of a word, at least, for each letter that may be wrong
# The commonest of the words that are nearest; another number is no other spelling.
_NEAREST = r"""
    SELECT word FROM (
        SELECT unnest(regexp_split_to_array(strip_accents(lower(text)), '[^\p{L}\p{N}]+')) AS word
        FROM works
    )
    WHERE damerau_levenshtein(word, $1) <= $2 AND length(word) > 2
        AND NOT regexp_matches($1, '\d')
    GROUP BY word ORDER BY damerau_levenshtein(word, $1), count(*) DESC, word LIMIT 1
"""
_NO_LETTER = r"[^\p{L}\p{N}\p{M}]"
_EXPLAINED = 10_000  # works whose words are listed: half a second
_GAP = "' \x1f '"  # SQL: between values, so that no phrase crosses them


@dataclass(frozen=True)
class Found:
    """The works that have all words."""

    rows: NDArray[np.int64]  # best first
    count: int  # of all that were found
    unknown: tuple[str, ...] = ()  # words that no work has, where nothing was found
    meant: Mapping[str, str] = field(default_factory=dict)  # words spelled like these
    ids: tuple[str, ...] = ()  # spelled like the text, where that has digits
    forms: Mapping[str, int] = field(default_factory=dict)  # works by the word they were found by
    failed: str = ""  # the id of a work that is meant, whose picture could not be embedded

    def why_nothing(self, *, conditions: bool, listing: str = "") -> str:
        """Say why nothing was found, and what to try.

        Args:
            conditions: Whether there were others.
            listing: The command that lists failures, for who can run it.
        """
        if self.failed:
            seen = f"could not be embedded (see {listing})" if listing else "is missing or damaged"
            return f"{self.failed} is in the collection, but its picture {seen}"
        which = " that meets the condition" if conditions else ""
        unknown = " or ".join(map(repr, self.unknown))
        meant = " and ".join(map(repr, self.meant.values()))
        if self.ids:
            meant = " or ".join(map(repr, self.ids))
        if meant:
            return f"No work{which} has {unknown}; did you mean {meant}?"
        if unknown:
            return f"No work{which} has {unknown}; try another spelling, or fewer words"
        what = "meets all of this" if conditions else "has all of these words"
        return f"No work {what}; try fewer"

    def instead_of(self, text: str) -> str:
        """Return the nearest id, or the text with its unknown words as works spell them.

        It is without those that no work spells much like that, and empty if so of all.
        """
        if self.ids or self.failed or not self.meant:
            return self.ids[0] if self.ids and not self.failed else ""
        corrected = text
        for word in self.unknown:
            pattern = r"\W+".join(map(re.escape, word.split()))
            near = self.meant.get(word, "")
            corrected = re.sub(rf"\b{pattern}\b", near, corrected, flags=re.IGNORECASE)
        corrected = " ".join(corrected.replace('""', "").split())
        return corrected if corrected != text else ""


def find_works(
    works: Works,
    text: str,
    *,
    k: int,
    where: str | None = None,
    sort: str | None = None,
    explained: bool = False,
) -> Found:
    """Find the works that have all words of a text, in any column or as a part of a longer word.

    Words in quotes must be there as they are, and follow each other; a work that has a word with a
    minus is left out. Case and accents are ignored. The parts of a number, such as 'P.1900.2',
    follow each other. The work with these words as its ID comes first, then those with them as
    their title, then those with the phrase in the title, then those with more of the words in the
    title, in the artist and elsewhere: words as they are, then in singular or plural, then as parts
    of longer ones; then short titles.

    Args:
        works: The works of an index.
        text: Words; without any, every work is found, in the order of the index.
        k: How many at most.
        where: An SQL condition that they must meet.
        sort: The column whose values order them instead, from high to low with a - before it.
        explained: Whether to say by which words they were found, if not by these.

    Raises:
        SearchError: If the condition cannot be read, the text is too long, or the column is unknown
            or has lists.
    """
    if sort is not None:
        found = find_works(works, text, k=works.store.rows, where=where, explained=explained)
        return replace(found, rows=_sorted(works, found.rows, sort)[:k])
    phrases = read_phrases(text)
    letters = sum(len(word) for phrase in phrases for word in phrase.words)
    if letters > _MOST:
        raise SearchError(f"the words to find have {letters:,} letters; give {_MOST} or fewer")
    rows = works.filter.rows(where, ())
    if not phrases:
        rows = np.arange(works.store.rows) if rows is None else rows
        return Found(rows[:k], len(rows))
    names = _text_columns(works)

    def texts() -> Iterator[pa.Table]:
        start = 0
        for table in works.blocks(list(names.values()), rows):
            numbers = np.arange(start, start + table.num_rows) if rows is None else rows[start:]
            start += table.num_rows
            row = indices(numbers[: table.num_rows])
            yield table.rename_columns(list(names)).append_column("row", row)

    with connect() as connection:
        source = next(texts()) if works.metadata.is_in_memory else RowStream(texts)
        connection.register("catalog", source)
        connection.execute(f"CREATE TEMP VIEW works AS {_joined(works, names)}")
        found = connection.execute(_search(phrases, k)).fetchnumpy()
        if len(found["row"]):
            count, forms = int(found["total"][0]), dict[str, int]()
            if explained and count <= _EXPLAINED:
                forms = _forms(connection, phrases)
            return Found(found["row"].astype(np.int64), count, forms=forms)
        unknown, meant = _misspelled(connection, phrases, text)
        has_digits = unknown and any(map(str.isdigit, text))
        ids = works.similar_ids(text.strip(QUOTES)) if has_digits else ()
        failed = _failed(works, [word for each in phrases if each.wanted for word in each.words])
        return Found(np.empty(0, np.int64), 0, unknown, meant, tuple(ids), failed=failed)


def _forms(connection: DuckDBPyConnection, phrases: Sequence[Phrase]) -> dict[str, int]:
    """Count the works by the words they were found by, if these are not all those of the text."""
    wanted = [phrase for phrase in phrases if phrase.wanted and len(phrase.words) == 1]
    if not wanted:
        return {}
    either = " OR ".join(_has("word", phrase.pattern) for phrase in wanted)
    counts = connection.execute(
        f"SELECT word, sum(n) FROM (SELECT word, count(*) AS n FROM (SELECT unnest(list_distinct("
        f"regexp_split_to_array(lower(text), '{_NO_LETTER}+'))) AS word FROM works "
        f"WHERE {_tests(phrases)}) GROUP BY word) WHERE {either} GROUP BY word"
    ).fetchall()
    same = {word for phrase in wanted for word in phrase.words}
    forms: dict[str, int] = defaultdict(int)
    for word, count in counts:
        forms[fold(word) if fold(word) in same else word] += int(count)
    ordered = sorted(forms, key=lambda word: (word not in same, -forms[word], word))
    return {} if forms.keys() <= same else {word: forms[word] for word in ordered}


def _misspelled(
    connection: DuckDBPyConnection, phrases: Sequence[Phrase], text: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the wanted words that no work has, and for some a word of similar spelling.

    They are written as in the text.
    """
    wanted = [phrase for phrase in phrases if phrase.wanted]
    if not wanted:
        return (), {}
    tests = ", ".join(f"bool_or({_has('text', phrase.pattern)})" for phrase in wanted)
    known = connection.execute(f"SELECT {tests} FROM works").fetchone() or ()
    meant, unknown = {}, []
    for phrase, is_known in zip(wanted, known, strict=True):
        if is_known:
            continue
        unknown.append(as_typed(phrase.words, text))
        if len(phrase.words) == 1:
            (word,) = phrase.words
            near = connection.execute(_NEAREST, [word, len(word) // _LETTERS_A_MISTAKE]).fetchone()
            if near:
                meant[unknown[-1]] = near[0]
    return tuple(unknown), meant


def _failed(works: Works, words: Sequence[str]) -> str:
    """Return the first id with these words, or only these, whose picture could not be embedded."""
    if not words:
        return ""
    ids = works.store.failures().column("id").drop_null()
    patterns = [full_pattern(words)]
    if any(map(str.isdigit, "".join(words))):  # else they may be a part of any file name
        patterns.append(whole_pattern(words))
    for pattern in patterns:
        found = ids.filter(pc.match_substring_regex(ids, pattern))
        if len(found):
            return str(found[0].as_py())
    return ""


def _sorted(works: Works, rows: NDArray[np.int64], sort: str) -> NDArray[np.int64]:
    name = works.named(sort.removeprefix("-"))
    if works.type_of(name) == FieldType.LIST:
        raise SearchError(f"works cannot be sorted by {name!r}, which has lists of values")
    values = works.column(name).take(indices(rows))
    if works.types[name] == FieldType.YEARS:
        values = pc.struct_field(values, "begin")
    order = "descending" if sort.startswith("-") else "ascending"
    places = pc.array_sort_indices(values, order=order, null_placement="at_end")
    found: NDArray[np.int64] = rows[np.asarray(places, dtype=np.int64)]
    return found


def _text_columns(works: Works) -> dict[str, str]:
    """Return the columns to search in, by names that need no quotes: those of the records."""
    dates = caption_columns(works.fields)["date"]
    columns = {"id": "id"}
    for place, name in enumerate(works.fields):
        if name in works.store.added:  # predictions and decisions, which may be ids
            continue
        is_text = works.types[name] in (FieldType.TEXT, FieldType.LIST)
        if name in dates or (is_text and not works.is_address(name)):
            columns[f"c{place}"] = name
    return columns


def _joined(works: Works, columns: Mapping[str, str]) -> str:
    """Return SQL that joins the columns of `_text_columns`, as title, artist and text."""
    named = caption_columns(works.fields)
    written = {key: _as_text(key, works.types[name]) for key, name in columns.items()}

    def joined(names: Sequence[str]) -> str:
        return f"concat_ws({_GAP}, {', '.join(written[name] for name in names)})" if names else "''"

    def of(part: str) -> list[str]:
        names = [f"c{works.fields.index(name)}" for name in named[part]]
        return [name for name in names if name in written]

    return (
        f"SELECT row, id, {joined(of('title')[:1])} AS title, "
        f"{joined(of('artist')[:1])} AS artist, {joined(list(written))} AS text FROM catalog"
    )


def _as_text(name: str, kind: FieldType) -> str:
    if kind == FieldType.LIST:
        return f"array_to_string({name}, {_GAP})"
    if kind == FieldType.YEARS:
        return f"concat_ws('-', {name}.begin, {name}.end)"
    return f"CAST({name} AS VARCHAR)"


def _search(phrases: Sequence[Phrase], k: int) -> str:
    wanted = [phrase.words for phrase in phrases if phrase.wanted]
    words = [word for phrase in wanted for word in phrase]
    wholes = [whole_pattern([word]) for word in words]
    numbers, parts = map(number_pattern, words), [Phrase((word,)).pattern for word in words]
    order = [
        f"NOT {_has('id', full_pattern(words))}",
        f"NOT {_has('title', full_pattern(words))}",
        f"NOT {_has('title', whole_pattern(words))}",
        f"-({_count('title', wholes)})",
        f"-({_count('title', list(numbers))})",
        f"-({_count('title', parts)})",
        f"-({_count('artist', wholes)})",
        f"-({_count('text', wholes)})",
        "length(title)",
    ]
    order = [*(order if words else []), "row"]
    keys = {f"key{place}": each for place, each in enumerate(order)}
    # Only the keys of what is found are kept while it is counted and sorted, not its text.
    return (
        f"SELECT row, count(*) OVER () AS total FROM "
        f"(SELECT row, {', '.join(f'{each} AS {key}' for key, each in keys.items())} "
        f"FROM works WHERE {_tests(phrases)}) ORDER BY {', '.join(keys)} LIMIT {k}"
    )


def _tests(phrases: Sequence[Phrase]) -> str:
    return " AND ".join(
        f"{'' if phrase.wanted else 'NOT '}{_has('text', phrase.pattern)}" for phrase in phrases
    )


def _has(column: str, pattern: str) -> str:
    # A constant, which DuckDB compiles once; a parameter would be compiled for each row.
    return f"regexp_matches({column}, '{pattern.replace(chr(39), chr(39) * 2)}')"


def _count(column: str, patterns: Sequence[str]) -> str:
    return " + ".join(f"CAST({_has(column, pattern)} AS INT)" for pattern in patterns)
