"""What an index shows as a whole: duplicates, motifs, a map, a report."""

from __future__ import annotations

import os
from pathlib import Path

from artsim.api.evaluations import Labels, several
from artsim.api.index import IndexLike, open_store
from artsim.api.results import Table
from artsim.datatypes import plural, shell_word


def find_duplicates(
    index: IndexLike, *, within: int = 12, transformed: bool = False, tap: str | None = None
) -> Table:
    """Find identical files, copies, and other pictures of the same work: one row per pair.

    Args:
        index: An index, or its folder.
        within: Bits in which the perceptual hashes of copies may differ.
        transformed: Also find mirrored and rotated copies.
        tap: The vectors to compare; the first ones if None.
    """
    from artsim.duplicates import find_groups, gather
    from artsim.splits import picture_looks

    store = open_store(index)
    looks = picture_looks(store, workers=os.cpu_count() or 1)
    evidence, _ = gather([store], [looks], tap)
    groups, _ = find_groups(evidence, within=within, turned=transformed)
    works = sorted({row for group in groups for row in group.works})
    ids = dict(zip(works, store.take(works, ["id"]).column(0).to_pylist(), strict=True))
    rows = tuple(
        {"group": number, "kind": str(pair.kind), "id": ids[pair.first], "other": ids[pair.second]}
        | {"score": pair.score, "transform": pair.transform}
        for number, group in enumerate(groups, 1)
        for pair in group.pairs
    )
    return Table(
        f"Duplicates in {store}: {plural(len(groups), 'group')}", rows, results=tuple(groups)
    )


def find_motifs(index: IndexLike, *, tap: str | None = None, min_score: float = 6.0) -> Table:
    """Find details that several works share: one row per pair, those of most evidence first.

    Args:
        index: An index of a convolutional network, best made with tiles, or its folder.
        tap: The vectors that propose pairs; the first ones if None.
        min_score: The least similarity of the cells that correspond, summed.

    Raises:
        ModelError: If the network has no feature map, or takes pictures of one size only.
    """
    from artsim import motifs
    from artsim.models import BackendName, Compute
    from artsim.search import load_index_extractor

    store = open_store(index)
    compute = Compute(device="auto", backend=BackendName.TORCH)
    finder = motifs.MotifFinder(store, load_index_extractor(store, compute=compute))
    pairs = motifs.candidate_pairs(store, store.tap(tap).name, each=5, device=finder.device)
    found = motifs.find_motifs(finder, pairs, min_score=min_score)
    ids = store.read(["id"]).column("id").to_pylist()
    rows = tuple(
        {"id": ids[each.first], "other": ids[each.second], "score": each.score}
        | {"mirrored": each.verified.mirrored}
        | {"box": str(each.first_box), "other_box": str(each.second_box)}
        for each in found
    )
    return Table(f"Motifs of {store}: {plural(len(found), 'pair')}", rows, results=tuple(found))


def make_map(index: IndexLike, *, tap: str | None = None, seed: int = 0) -> Table:
    """Lay the pictures out on a 2-D map by similarity: id, x and y, one row per picture.

    The map is stored in the index. Needs the extra ``map``.

    Args:
        index: An index, or its folder.
        tap: The vectors to compare; the first ones if None.
        seed: Seed of the layout.

    Raises:
        EvaluationError: If UMAP is not installed, or there are fewer than 3 pictures.
    """
    from artsim.index import LayoutPlan, make_layout

    store = open_store(index)
    points = make_layout(store, store.tap(tap).name, LayoutPlan(seed=seed))  # (N, 2)
    ids = store.read(["id"]).column("id").to_pylist()
    rows = tuple(
        {"id": id_, "x": float(x), "y": float(y)} for id_, (x, y) in zip(ids, points, strict=True)
    )
    return Table(f"Map of {store}", rows)


def make_report(
    index: IndexLike,
    file: str | Path,
    *,
    labels: Labels = (),
    split: str | None = None,
    group: str | None = None,
    seed: int = 0,
) -> Path:
    """Write the HTML report on how well the labels can be predicted. Needs the extra ``report``.

    Args:
        index: An index, or its folder.
        file: The page to write.
        labels: Columns or derived labels; all that can be labels if empty.
        split: A stored split or a split column; 70/10/20 is drawn if None.
        group: A column whose values are never in both training and test set; found if None.
        seed: Seed of the split, the samples and the intervals.

    Raises:
        EvaluationError: If a label cannot be evaluated, or none can.
        StoreError: If the page cannot be written.
    """
    from artsim.report import save_text, study_page
    from artsim.study import StudyPlan, find_group, study

    store = open_store(index)
    plan = StudyPlan(
        tap=store.tap(None).name,
        labels=several(labels),
        split=split,
        group=group or find_group(store),
        seed=seed,
    )
    page, _ = study_page(study(store, plan), f"artsim report --index {shell_word(store)}")
    save_text(page, Path(file))
    return Path(file)
