"""Concepts taught with a few marked works."""

from __future__ import annotations

from collections.abc import Sequence

from artsim.api.index import IndexLike, open_store
from artsim.api.results import Table


def teach(
    index: IndexLike,
    name: str,
    positive: Sequence[str] = (),
    negative: Sequence[str] = (),
    *,
    k: int = 10,
    ask: int = 0,
    where: str | None = None,
) -> Table:
    """Teach a concept with marked works, and save it: one row per work, the likeliest first.

    The concept is a column NAME of yes and no, and a column NAME_score. Marks of earlier calls are
    kept, and a work that is marked again is marked as the new call says. Works that are not marked
    count a little as negative.

    Args:
        index: An index, or its folder.
        name: Of the concept.
        positive: Ids of works that show it.
        negative: Ids of works that do not.
        k: Works to return.
        ask: Works to return besides, whose marks would help most; ``use`` is ``ask`` in their rows.
        where: An SQL condition on the works to return.

    Raises:
        EvaluationError: If no work is marked as positive, or the name belongs to something else.
        SearchError: If there is no such work, or the condition cannot be read.

    Example:
        >>> artsim.teach(index, "boats", positive=["2c2a82d5f7", "a58a533b52"], ask=5)
        >>> index.find(where="boats_score > 0.7")
    """
    from artsim.prediction import Teacher, load_concept, save_concept
    from artsim.search import Works

    store = open_store(index)
    works, before = Works(store), load_concept(store, name)
    teacher = Teacher.of(works, before)
    marks = teacher.marks_of(before).updated(teacher.mark(positive, negative))
    concept = teacher.learn(marks)
    saved = save_concept(name, teacher, concept, teacher.evaluate(marks))
    rows, shown = works.filter.rows(where, ()), []
    chosen = {"likely": concept.ranked(k, rows), "ask": teacher.ask(concept, ask, rows)}
    for use, some in chosen.items():
        known = works.known(some.tolist())
        for score, (id_, image, metadata) in zip(concept.scores[some], known, strict=True):
            shown.append({"use": use, "score": float(score), "id": id_, "image": image} | metadata)
    title = f"{name}: {saved.yes:,} of {saved.rows:,} pictures in {store} are yes"
    return Table(title, tuple(shown), results=(concept,))
