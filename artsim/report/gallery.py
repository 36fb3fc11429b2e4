"""Works beside the pictures they are near to: mistakes, and works that do not fit their label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from artsim.report.bars import percent
from artsim.report.pages import escape, thumbnails
from artsim.study.results import Evidence, Mistake, Outlier, Work

__all__ = ["STYLE", "Pictures", "mistakes", "outliers", "work_tile"]

_LARGE, _SMALL = 184, 104  # pixels of the longer side

STYLE = """
.works { display: grid; gap: .9rem; margin: .9rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 29rem), 1fr)); }
.work { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .8rem; display: grid; grid-template-columns: 9.2rem 1fr; gap: .2rem .9rem;
  align-items: start; }
.work > figure img, .work > figure .gone { width: 100%; height: 9.2rem; object-fit: contain;
  background: var(--track); display: block; }
.work p { margin: 0 0 .35rem; font-size: .93rem; line-height: 1.4; }
.work .near { grid-column: 1 / -1; display: grid; gap: .45rem; margin-top: .5rem;
  grid-template-columns: repeat(6, minmax(0, 1fr)); }
.near img, .near .gone { height: 4.4rem; width: 100%; object-fit: contain;
  background: var(--track); display: block; font-size: .6rem; overflow: hidden; }
.near figcaption { font-size: .7rem; line-height: 1.2; overflow-wrap: anywhere; }
.near .said figcaption { color: var(--lost); } .near .true figcaption { color: var(--note); }
.near .apart { padding-left: .4rem; border-left: 2px solid var(--note); }
.tile-row { display: grid; gap: .8rem; margin: .8rem 0;
  grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); }
.tile-row img, .tile-row .gone { width: 100%; height: 7rem; object-fit: contain;
  background: var(--track); display: block; }
@media (max-width: 36rem) { .work { grid-template-columns: 7rem 1fr; }
  .work > figure img, .work > figure .gone { height: 7rem; }
  .work .near { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
"""


class Pictures:
    """The small copies of all works on a page: large where they are looked at, small beside."""

    def __init__(
        self, found: Sequence[Mistake | Outlier], workers: int, *, alone: Sequence[Work] = ()
    ) -> None:
        """Make them.

        Args:
            found: What is shown beside its neighbors.
            workers: Threads that decode.
            alone: What is shown without.
        """
        large = [*alone, *(each.work for each in found)]
        small = [evidence.work for each in found for evidence in _near(each)]
        self._large = _made(large, workers, _LARGE)
        self._small = _made(small, workers, _SMALL)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._large) + len(self._small)

    def large(self, work: Work) -> str:
        """Return the ``<img>`` of a work that is looked at."""
        return self._large[Path(work.image)](name_of(work))

    def small(self, work: Work) -> str:
        """Return the ``<img>`` of one beside it."""
        return self._small[Path(work.image)](name_of(work))


def name_of(work: Work) -> str:
    """Call a work by its title, or its id."""
    return f"{work.title} ({work.id})" if work.title else work.id


def mistakes(found: Sequence[Mistake], pictures: Pictures) -> Iterator[str]:
    """Show the surest mistakes with what the prediction rests on."""
    yield '<div class="works">'
    for each in found:
        agreeing = sum(near.class_ == each.predicted for near in each.neighbors)
        verb = {0: "none is", 1: "1 is"}.get(agreeing, f"{agreeing} are")
        why = f"Of the {len(each.neighbors)} nearest pictures learned from, {verb} "
        why += escape(each.predicted)
        nearest = each.nearest_of_truth
        if nearest is None:
            why += f"; among the 200 nearest there is no {escape(each.truth)}."
        else:
            why += f"; the nearest {escape(each.truth)} comes {_ordinal(nearest.rank)}."
        yield (
            f'<article class="work"><figure>{pictures.large(each.work)}</figure><div>'
            f"<p>{_named(each.work)}</p><p>Catalogd as <b>{escape(each.truth)}</b> "
            f"<small>({percent(each.truth_probability)})</small>, told as "
            f'<b class="weak">{escape(each.predicted)}</b> '
            f"<small>({percent(each.probability)})</small>.</p><p><small>{why}</small></p></div>"
        )
        yield from _strip(each.neighbors, each.predicted, each.truth, pictures, nearest)
        yield "</article>"
    yield "</div>"


def outliers(found: Sequence[Outlier], pictures: Pictures) -> Iterator[str]:
    """Show the works that fit their label least with their neighbors."""
    yield '<div class="works">'
    for each in found:
        yield (
            f'<article class="work"><figure>{pictures.large(each.work)}</figure><div>'
            f"<p>{_named(each.work)}</p><p>Catalogd as <b>{escape(each.class_)}</b> "
            f"<small>({percent(each.probability)})</small>, looks like "
            f'<b class="weak">{escape(each.predicted)}</b> '
            f"<small>({percent(each.predicted_probability)})</small>.</p>"
            f"<p><small>{each.agreement:.0%} of its nearest others share its label.</small></p>"
            "</div>"
        )
        yield from _strip(each.neighbors, each.predicted, each.class_, pictures, None)
        yield "</article>"
    yield "</div>"


def work_tile(work: Work, caption: str, pictures: Pictures) -> str:
    """Show a work with what is said of it."""
    return f"<figure>{pictures.large(work)}<figcaption>{escape(caption)}</figcaption></figure>"


def _named(work: Work) -> str:
    if not work.title:
        return f"<b>{escape(work.id)}</b>"
    return f"<b>{escape(work.title)}</b> <small>{escape(work.id)}</small>"


def _strip(
    neighbors: Sequence[Evidence],
    said: str,
    truth: str,
    pictures: Pictures,
    nearest: Evidence | None,
) -> Iterator[str]:
    yield '<div class="near">'
    shown = [(each, "") for each in neighbors]
    if nearest is not None and nearest not in neighbors:
        shown.append((nearest, " apart"))
    for each, apart in shown:
        kind = {said: "said", truth: "true"}.get(each.class_, "") + apart
        yield (
            f'<figure class="{kind}">{pictures.small(each.work)}<figcaption>'
            f"{escape(each.class_)}<br>{each.rank}. {each.score:.2f}</figcaption></figure>"
        )
    yield "</div>"


def _near(each: Mistake | Outlier) -> list[Evidence]:
    found = list(each.neighbors)
    if isinstance(each, Mistake) and each.nearest_of_truth is not None:
        found.append(each.nearest_of_truth)
    return found


def _made(works: Sequence[Work], workers: int, side: int) -> Mapping[Path, Callable[[str], str]]:
    return thumbnails((Path(work.image) for work in works), workers=workers, side=side)


def _ordinal(rank: int) -> str:
    if rank % 100 in (11, 12, 13):
        return f"{rank}th"
    return f"{rank}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(rank % 10, 'th') }"
