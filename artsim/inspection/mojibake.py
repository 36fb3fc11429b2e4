"""Values with broken characters: UTF-8 that was read as Windows-1252, and letters that are lost."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from artsim.datatypes import FieldType
from artsim.inspection.findings import Example, FindingKind, Findings
from artsim.inspection.pictures import Rows
from artsim.inspection.stored import StoredTable
from artsim.store import joined_lists

# The bytes that follow the first one of a letter in UTF-8, as Windows-1252 shows them.
_LATER = (
    "\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d"
    "\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)
_BROKEN = (
    f"[\u00c3-\u00c5\u00d0\u00d1][{_LATER}]|\u00e2[{_LATER}][{_LATER}]|\u00c2[\u00a0-\u00bf]|\ufffd"
)
_SHOWN = 50  # letters of a value


def find_mojibake(table: StoredTable, rows: Rows, findings: Findings) -> None:
    """Find values such as ``DÃ¼rer`` in columns of text and of lists of text."""
    for field in table.schema:
        type_ = FieldType.of(field.type)
        if field.name in ("id", "image") or type_ not in (FieldType.TEXT, FieldType.LIST):
            continue
        start = 0
        for part in table.parts(field.name):
            column = joined_lists(part, "|") if type_ is FieldType.LIST else part
            suspects = pc.fill_null(pc.match_substring_regex(column, _BROKEN), False)
            for place in np.flatnonzero(suspects.to_numpy(zero_copy_only=False)).tolist():
                text = column[place].as_py()
                if _is_broken(text):
                    detail = f"{field.name}: {text[:_SHOWN]}"
                    findings.add(FindingKind.MOJIBAKE, Example((rows.name(start + place),), detail))
            start += len(part)


def _is_broken(text: str) -> bool:
    """Return whether letters are lost, or read as Windows-1252 the text is sound UTF-8."""
    if "\ufffd" in text:
        return True
    # What Windows-1252 has no letter for is shown as a control character.
    bytes_ = b"".join(
        each.encode("cp1252", "ignore") or (bytes([ord(each)]) if ord(each) < 256 else b"?")
        for each in text
    )
    try:
        return bytes_.decode("utf-8") != text
    except UnicodeDecodeError:
        return False
