"""What of an index stays valid when its vectors are those of another model, and what does not."""

from __future__ import annotations

from dataclasses import dataclass

from artsim.datatypes import Passport
from artsim.labels import derived_labels
from artsim.prediction import find_head, head_names, load_head
from artsim.search.published import published_addresses
from artsim.splits import stored_splits
from artsim.store import MAPPED, Store


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Names of what is kept with an index."""

    labels: tuple[str, ...]  # derived from the catalog: valid
    columns: tuple[str, ...]  # added: labels, sets, stored predictions; valid, as ids decide
    splits: tuple[str, ...]  # valid, as ids decide
    probes: tuple[str, ...]  # of other vectors: refused until they are trained again
    concepts: tuple[str, ...]  # of other vectors: their marks stay, and are learned again
    maps: tuple[str, ...]  # taps with a map: it stays with the version that is replaced
    addresses: tuple[str, ...]  # of databases, which have the vectors before

    def to_json(self) -> dict[str, object]:
        """Return the names as plain values."""
        return {name: list(getattr(self, name)) for name in self.__annotations__}


def what_is_kept(store: Store, passport: Passport) -> Kept:
    """List what is kept with an index, before its vectors become those of another passport.

    Raises:
        StoreError: If a saved probe or concept is damaged.
    """
    heads = {name: load_head(find_head(store, name)) for name in sorted(head_names(store))}
    others = {n: head for n, head in heads.items() if head.passport.differences(passport)}
    layouts = sorted((store.path / "layouts").glob("[!.]*.parquet"))
    return Kept(
        labels=tuple(derived_labels(store)),
        columns=tuple(name for name in store.added if name != MAPPED),
        splits=tuple(stored_splits(store)),
        probes=tuple(name for name, head in others.items() if head.marks is None),
        concepts=tuple(name for name, head in others.items() if head.marks is not None),
        maps=tuple(file.stem for file in layouts),
        addresses=tuple(published_addresses(store.path)),
    )
