"""What ``artsim migrate`` prints of a comparison, and the files it writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artsim.cli.output import (
    echo,
    fixed,
    print_json_lines,
    print_notes,
    print_table,
    print_written,
    write_rows,
)
from artsim.cli.unmatched import note_unmatched
from artsim.datatypes import plural, shell_word, shown_path
from artsim.errors import ModelError

if TYPE_CHECKING:
    from artsim.datatypes import ExtractorSpec, Passport
    from artsim.embedding import EmbedSummary
    from artsim.migration import Kept, LabelComparison, MapReport, NeighborComparison, VersionPair
    from artsim.report import ChangedWork
    from artsim.store import Store

_COLUMNS = {"id": "string", "kept": "int32", "of": "int32", "rank": "int32"}
_COLUMNS |= dict.fromkeys(("old_neighbor", "new_neighbor"), "string")
_DRAWN = 20  # works on a page
_ON_SHEET = 8
_NEIGHBORS = 6  # of each


def print_cost(store: Store, spec: ExtractorSpec, passport: Passport, *, cores: int | None) -> None:
    """Say before it begins how many pictures are embedded again, and about how long that takes.

    Of none it says nothing. Without ``cores``, on GPUs and clusters, the time is left out.
    """
    import pyarrow.compute as pc

    from artsim.embedding import sizing
    from artsim.migration import count_unread

    pictures = count_unread(store, passport)
    if not pictures:
        return
    longer = ""
    if cores:
        sides = store.read(["width", "height"])
        side = pc.approximate_median(pc.max_element_wise(sides["width"], sides["height"])).as_py()
        with suppress(ModelError):  # a network whose operations are not counted, of a pack
            work = sizing.workload_of(
                spec, pictures=pictures, side=int(side), cores=cores, gpus=0, gpu="h100"
            )
            work = replace(work, flops=work.flops * (1 + store.manifest.tiles**2))
            minutes = math.ceil(60 * sizing.estimate(work).hours)
            time = f"{minutes / 60:,.1f} hours" if minutes >= 100 else plural(minutes, "minute")
            longer = f", in about {time} on {plural(cores, 'core')}"
    echo(
        f"{store.path.name}: {plural(pictures, 'picture')} will be embedded again by "
        f"{spec.network}{longer}; if you interrupt it, the next run continues",
        err=True,
    )


class Results:
    """Shows the steps of a comparison as they come, as text or JSON lines."""

    def __init__(self, pair: VersionPair, summary: EmbedSummary, *, as_json: bool) -> None:
        self._pair, self._json = pair, as_json
        self._models = tuple(store.manifest.passport.spec for store in (pair.store, pair.version))
        echo(
            f"{shown_path(summary.path)}: {plural(summary.rows, 'picture')} by {self._models[1]}, "
            f"{summary.embedded:,} of them embedded now",
            err=as_json,
        )

    def show_neighbors(
        self,
        found: NeighborComparison,
        *,
        csv: Path | None,
        sheet: Path | None,
        html: Path | None,
    ) -> None:
        """Show how many neighbors stay, and write the files."""
        shares = [sum(found.histogram[: n + 1]) / len(found.rows) for n in range(found.k + 1)]
        at = [next(n for n, share in enumerate(shares) if share >= q) for q in (0.1, 0.5, 0.9)]
        facts = [
            f"Of its {found.k} nearest works by the old model, a work keeps "
            f"{found.overlap * found.k:.1f} on average ({found.overlap:.0%}; "
            f"{len(found.rows):,} of {plural(found.works, 'work')} with both vectors compared)",
            f"A tenth of the works keep at most {at[0]}, half at most {at[1]}, nine tenths at most "
            f"{at[2]}",
        ]
        if csv is not None:
            write_rows(csv, _rows(self._pair, found), _COLUMNS)
        if sheet is not None or html is not None:
            self._draw(found, sheet, html, facts)
        if self._json:
            row = {"neighbors": found.k, "works": len(found.rows), "overlap": found.overlap}
            print_json_lines([{**row, "histogram": found.histogram}], index=self._pair.store)
            return
        for fact in facts:
            echo(f"  {fact}")
        print_written(csv, sheet, html)

    def _draw(
        self,
        found: NeighborComparison,
        sheet: Path | None,
        html: Path | None,
        facts: Sequence[str],
    ) -> None:
        from artsim.report import changes_page, changes_sheet, save_sheet, save_text

        changed = _changed(self._pair, found)
        if sheet is not None:
            save_sheet(changes_sheet(changed[:_ON_SHEET]), sheet)
        if html is not None:
            name, (old, new) = self._pair.store.path.name, self._models
            save_text(changes_page(changed, index=name, models=(old, new), facts=facts), html)

    def show_labels(self, found: Sequence[LabelComparison], skipped: dict[str, str]) -> None:
        """Show how well neighbors predict each label."""
        if self._json:
            print_json_lines((each.to_json() for each in found), index=self._pair.store)
        elif found:
            echo("\nLabels predicted by nearest neighbors, on the same test pictures")
            columns = ["baseline", "old", "new", "difference", "test"]
            print_table(
                ["label", "metric", *columns],
                map(_label_row, found),
                right=columns,
                whole=["label"],
            )
        for name, why in skipped.items():
            print_notes(f"{name} is not compared: {why}")
        if not found:
            print_notes("no column can be a label to compare by")

    def show_map(self, done: MapReport) -> None:
        """Show how good the linear map is, and what it was used for."""
        if self._json:
            print_json_lines([{"map": done.to_json()}], index=self._pair.store)
            return
        echo(
            f"\nLinear map, old to new: recall@10 {done.recall:.3f} on {done.test:,} works that "
            f"have both vectors and that it was not fitted on (fitted on {done.train:,}, lambda "
            f"{done.strength:g} chosen on {done.validation:,}). The old model's own neighbors: "
            f"{done.unmapped:.3f}"
        )
        echo(
            f"  {plural(done.rows, 'work')} without a picture got a mapped vector, marked yes in "
            "the column mapped_vector"
            if done.rows
            else "  No work lacks a vector, so nothing was mapped"
        )

    def show_missing(self, version: Store) -> None:
        """Note how many works of the index the version lacks."""
        mine, theirs = (
            set(s.read(["id"]).column("id").to_pylist()) for s in (self._pair.store, version)
        )
        if gone := sorted(mine - theirs):
            print_notes(
                f"{plural(len(gone), 'work')} of the index, such as {gone[0]!r}, could not be "
                f"embedded (see 'artsim info {shell_word(version)} --failures'): --map computes "
                "their vectors from the old ones, and --switch stops without --allow-loss"
            )


def print_kept(path: Path, kept: Kept) -> None:
    """Say what that is kept with the index is still valid, and what is not."""
    from artsim.store import Store
    from artsim.study import find_unmatched

    valid = {
        "derived labels": kept.labels,
        "columns that were added": kept.columns,
        "splits": kept.splits,
    }
    named = [f"{what} ({', '.join(names)})" for what, names in valid.items() if names]
    if named:
        echo(f"  Valid as before: {', '.join(named)}")
    for name in kept.concepts:
        echo(
            f"  Concept {name} was taught by the old vectors, and its columns are as they were: "
            f"'artsim teach {shell_word(name)}' learns it again from its marks"
        )
    for name in kept.probes:
        echo(
            f"  Probe {name} was trained on the old vectors and is refused: train it again with "
            f"'artsim probe --head {shell_word(name)}'"
        )
    if kept.maps:
        echo(f"  The map of {', '.join(kept.maps)} stays with the old version: 'artsim map'")
    note_unmatched(find_unmatched(Store.open(path)))
    for address in kept.addresses:
        command = f"'artsim publish {shell_word(shown_path(path))} {shell_word(address)}'"
        echo(f"  {address} has the old vectors: {command}")


def _label_row(each: LabelComparison) -> list[object]:
    low, high = each.difference.estimate.low, each.difference.estimate.high
    value = each.difference.estimate.value
    return [
        each.label.name,
        each.label.kind.metric,
        fixed(each.baseline.value),
        fixed(each.old.value),
        fixed(each.new.value),
        f"{value:+.3f} ({low:+.3f} to {high:+.3f})",
        f"{len(each.split.test):,}",
    ]


def _rows(pair: VersionPair, found: NeighborComparison) -> Iterator[dict[str, Any]]:
    """Yield a row for each neighbor of each work, the most changed works first."""
    ids = pair.store.read(["id"]).column("id").to_pylist()
    for place in found.most_changed.tolist():
        known = {"id": ids[found.rows[place]], "kept": int(found.shared[place]), "of": found.k}
        pairs = zip(found.old[place].tolist(), found.new[place].tolist(), strict=True)
        for rank, (old, new) in enumerate(pairs, 1):
            yield {**known, "rank": rank, "old_neighbor": ids[old], "new_neighbor": ids[new]}


def _changed(pair: VersionPair, found: NeighborComparison) -> list[ChangedWork]:
    from artsim.report import Caption, ChangedWork, ShownWork
    from artsim.search import Works

    works = Works(pair.store)

    def shown(rows: Sequence[int], stays: Sequence[int] = ()) -> list[ShownWork]:
        return [
            ShownWork(id_, image, Caption.of(record), stays=row in stays)
            for row, (id_, image, record) in zip(rows, works.known(rows), strict=True)
        ]

    changed = []
    for place in found.most_changed[:_DRAWN].tolist():
        old, new = found.old[place].tolist(), found.new[place].tolist()
        (work,) = shown([int(found.rows[place])])
        changed.append(
            ChangedWork(
                work=work,
                shared=int(found.shared[place]),
                k=found.k,
                old=shown(old[:_NEIGHBORS], new),
                new=shown(new[:_NEIGHBORS], old),
            )
        )
    return changed
