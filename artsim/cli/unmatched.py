"""What a command says of sets, marks and decisions whose works are gone, or have other ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from artsim.cli.output import print_notes

if TYPE_CHECKING:
    from artsim.study import Unmatched


def note_unmatched(found: Sequence[Unmatched]) -> None:
    """Note what people made by ids that no work has any more; nothing of it is deleted."""
    if found:
        print_notes(
            f"no work has the ids of {', '.join(map(str, found))}; they are kept: to have them "
            "back, embed again with the ids of before (--id-column)"
        )
