"""The note of a published index, kept in the database: whose vectors these are, and if all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from artsim.search.published.databases import Database
from artsim.store import Store, sealed, unsealed

FORMAT = 1  # of the tables; another one is published again


@dataclass(frozen=True, kw_only=True)
class PublishedNote:
    """What a database says of the index that is published in it."""

    name: str  # of the index
    path: str  # of its folder, where it was published, or its address in an object store
    settings: str  # of the network, the taps and the tiles; others are published again
    tables: Sequence[str]  # names
    numbers: Mapping[str, int] = field(default_factory=dict)  # of parts by sha256; see `places`
    next_number: int = 0
    fingerprint: str = ""  # of the index; empty while it is being published
    recall: Mapping[str, float] = field(default_factory=dict)  # @10 by tap, if approximate
    format: int = FORMAT

    @property
    def whole(self) -> bool:
        """Whether publishing was completed."""
        return bool(self.fingerprint)

    def write(self, database: Database) -> None:
        """Write it to a database."""
        database.write_note(sealed(asdict(self)).decode())

    @classmethod
    def read(cls, database: Database) -> Self | None:
        """Read it; None if there is none, or it was torn while it was written."""
        text = database.read_note()
        try:
            return None if text is None else cls(**unsealed(text))
        except (ValueError, TypeError):
            return None


def settings_of(store: Store) -> str:
    """Return what must be the same for vectors to be in one table."""
    passport = store.manifest.passport
    taps = [f"{tap.name}:{tap.dim}" for tap in passport.taps]
    return " ".join([str(FORMAT), passport.weights_sha256, str(store.manifest.tiles), *taps])
