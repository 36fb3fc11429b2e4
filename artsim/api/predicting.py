"""Labels predicted by a saved probe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from artsim.api.index import IndexLike, open_store
from artsim.api.results import Table
from artsim.errors import SearchError


def predict(
    index: IndexLike, pictures: str | Path | Sequence[str | Path], *, head: str | None = None
) -> Table:
    """Predict labels with a saved probe: one row per picture and label.

    Args:
        index: The index that the probe is saved in, or its folder.
        pictures: Files, or ids of works of the index.
        head: The name under which the probe was saved; the newest if None.

    Raises:
        EvaluationError: If there is no such probe.
        SearchError: If a picture is neither a file nor an id.
        ImageError: If a file is not a picture.

    Example:
        >>> artsim.probe(index, label="style", save="by-style")
        >>> artsim.predict(index, "query.jpg", head="by-style").to_pandas()
    """
    from artsim.prediction import (
        HeadPredictor,
        find_head,
        load_head,
        predict_ids,
        predict_picture,
    )
    from artsim.search import Works

    store = open_store(index)
    predictor = HeadPredictor(store, load_head(find_head(store, head)))
    works, rows = Works(store), []
    for each in [pictures] if isinstance(pictures, str | Path) else pictures:
        if Path(each).is_file():
            found = predict_picture(predictor, Path(each))
        elif works.has(str(each)):
            found = list(predict_ids(predictor, [str(each)]))
        else:
            raise SearchError(f"no file and no id {str(each)!r}; give a path or the id of a work")
        rows += [one.to_row() for one in found]
    return Table(f"Predictions by {predictor.name}", tuple(rows))
