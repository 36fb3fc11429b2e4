"""What the functions of the front door return: small, frozen, and easy to turn into tables."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from artsim.explain import Regions
    from artsim.search import SearchAnswer

_SHOWN = 20  # rows of a repr
_SHEET = 15  # matches of a contact sheet in a notebook


@dataclass(frozen=True)
class Table:
    """Rows of an evaluation or a list, one mapping per row.

    ``to_pandas()`` has every column; the repr shows those of ``columns``. ``results`` holds the
    objects that the rows were made from, with everything that does not fit into a table.
    """

    title: str
    rows: tuple[Mapping[str, Any], ...]
    columns: tuple[str, ...] = ()  # shown first; all if empty
    results: tuple[Any, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()  # what to know when reading it

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def to_pandas(self) -> pd.DataFrame:
        """Return every row and column."""
        import pandas as pd

        return pd.DataFrame(list(self.rows))

    def __repr__(self) -> str:
        """Show the title, the main columns of the first rows, and the notes."""
        table = self._shown()
        more = f"... {len(self) - _SHOWN:,} more rows" if len(self) > _SHOWN else ""
        lines = (self.title, table.to_string(index=False) if len(table) else "no rows", more)
        return "\n".join(filter(None, (*lines, *self.notes)))

    def _repr_html_(self) -> str:
        """Show it as a table in a notebook."""
        from html import escape

        notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in self.notes)
        table = self._shown().to_html(index=False, border=0)
        return f"<p><b>{escape(self.title)}</b></p>{table}{notes}"

    def _shown(self) -> pd.DataFrame:
        table = self.to_pandas().head(_SHOWN)
        known = [name for name in self.columns if name in table]
        return (table[known] if known else table).round(3)


@dataclass(frozen=True)
class SearchResult:
    """The works most similar to a query, best first.

    A notebook shows it as a contact sheet.
    """

    index: str  # the path of the index
    answer: SearchAnswer  # the matches, the queries and how they were compared

    def __len__(self) -> int:
        """Count the matches."""
        return len(self.answer.matches)

    @property
    def ids(self) -> list[str]:
        """The ids of the matches, best first."""
        return [match.id for match in self.answer.matches]

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per match: rank, id, score, percentile, image and the metadata."""
        import pandas as pd

        names = ("rank", "id", "score", "percentile", "image")
        rows = [
            {name: getattr(match, name) for name in names} | match.metadata | match.shares
            for match in self.answer.matches
        ]
        return pd.DataFrame(rows, columns=None if rows else names)

    def __repr__(self) -> str:
        """Show the query and the matches in lines."""
        answer = self.answer
        title = f"{len(self)} works similar to {answer.name} in {self.index}"
        lines = [
            f"{match.rank:3}  {match.score:.3f}  {match.id}  {_caption(match.metadata)}".rstrip()
            for match in answer.matches
        ]
        return "\n".join([title, *lines, *filter(None, [answer.nothing])])

    def _repr_html_(self) -> str:
        """Show a contact sheet in a notebook; text where no picture can be opened."""
        from html import escape

        from artsim.places import is_file
        from artsim.report import file_of

        text = f"<pre>{escape(repr(self))}</pre>"
        files = [file_of(match.image) for match in self.answer.matches]
        if not any(file is not None and is_file(file) for file in files):
            return text
        stream = io.BytesIO()
        answer_sheet(self.answer, most=_SHEET).save(stream, "JPEG", quality=85)
        data = f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
        return f'<img alt="{escape(self.answer.name)}" src="{data}">{text}'


def answer_sheet(
    answer: SearchAnswer,
    regions: Sequence[tuple[Regions, ...]] = (),
    *,
    legend: tuple[str, ...] = (),
    most: int | None = None,
) -> Image:
    """Draw a contact sheet of an answer: the queries, then the matches.

    Args:
        answer: The answer.
        regions: What made each match, drawn below it; none if empty.
        legend: Lines that explain the regions.
        most: Matches to draw; None: all.
    """
    from artsim.report import Caption, Tile, contact_sheet, detail_of, file_of, match_figures

    matches = [
        Tile(
            file_of(match.image),
            (
                f"{match.rank} · {match_figures(match)}",
                *(Caption.of(match.metadata).lines or (match.id,)),
            ),
            own,
            match.box,
        )
        for match, own in zip(answer.matches[:most], regions or itertools.repeat(()), strict=False)
    ]
    queries = [
        Tile(
            file_of(query.image),
            (query.name, *Caption.of(query.metadata).lines, *legend),
            box=detail_of(query),
        )
        for query in answer.queries
    ]
    return contact_sheet(queries, matches)


def _caption(metadata: Mapping[str, Any]) -> str:
    """Return title and artist, as far as they are known."""
    return ", ".join(str(metadata[key]) for key in ("title", "artist") if metadata.get(key))
