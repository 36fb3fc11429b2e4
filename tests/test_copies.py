"""Copies of test pictures: left out of training, counted, and kept on request."""

from dataclasses import replace

import numpy as np
import pytest

from artsim.errors import EvaluationError
from artsim.splits import Split, look_alikes
from artsim.splits.copies import Copies, leave_out_copies

NONE = 0
# Rows 0 and 3 have the same bytes; 1 and 4 look the same, two bits apart; 2 and 5 are alone.
COPIES = Copies(
    np.array([7, 1, 2, 7, 4, 5]),
    np.array([NONE, 0b0011, 0xFFFF, NONE, 0b1111, 0xFFFF0000], dtype=np.uint64),
    np.array([False, True, True, False, True, True]),
)


def split_of(train, validation, test):
    parts = (np.array(rows, dtype=np.int64) for rows in (train, validation, test))
    return Split(**dict(zip(("train", "validation", "test"), parts, strict=True)), description="s")


def test_copies_by_bytes_and_by_looks_are_left_out_of_training_and_validation():
    found = leave_out_copies(split_of([0, 2], [1, 5], [3, 4]), COPIES)
    assert (found.train.tolist(), found.validation.tolist()) == ([2], [5])
    assert found.copies_left_out == 2
    how = "found by file and by look, up to 4 bits apart; crops are not found"
    assert found.notes == (f"2 copies of test pictures ({how}) left out of training",)


def test_what_is_not_known_of_copies_is_said():
    nothing = Copies(np.arange(6), np.zeros(6, np.uint64), np.zeros(6, dtype=bool))
    note = (
        "no copies by file; copies that only look the same are not known before 'artsim dupes' "
        "has run"
    )
    for split in (split_of([0, 2], [1, 5], [3, 4]), split_of(range(6), [], range(6))):
        assert leave_out_copies(split, nothing).notes == (note,)
        assert leave_out_copies(split_of([0, 2], [], [1, 5]), COPIES).notes == ()


def test_the_column_of_what_was_decided_is_named():
    found = leave_out_copies(split_of([0, 2], [1, 5], [3, 4]), replace(COPIES, decided=True))
    how = (
        "found by file and by look, up to 4 bits apart; --group same_work adds those you decided on"
    )
    assert found.notes == (f"2 copies of test pictures ({how}) left out of training",)


def test_copies_that_are_kept_are_noted():
    found = leave_out_copies(split_of([0, 2], [1, 5], [3, 4]), COPIES, keep=True)
    assert (found.train.tolist(), found.validation.tolist()) == ([0, 2], [1, 5])
    assert found.copies_left_out == 0
    assert "the scores are too high" in found.notes[0]


def test_in_leave_one_out_a_copy_is_no_neighbor():
    found = leave_out_copies(split_of(range(6), [], range(6)), COPIES)
    (groups,) = found.groups.T
    assert groups[0] == groups[3] >= 0
    assert groups[1] == groups[4] >= 0
    assert groups[0] != groups[1]
    assert groups[[2, 5]].tolist() == [-1, -1]
    assert found.copies_left_out == 4


def test_a_split_of_copies_only_is_refused():
    with pytest.raises(EvaluationError, match="every training picture is a copy of a test"):
        leave_out_copies(split_of([0], [], [3]), COPIES)


def test_look_alikes_are_joined_in_chains():
    groups = look_alikes([0b0, 0b11111, 0b111, None, 0xFF00])
    assert groups[0] == groups[1] == groups[2] >= 0
    assert groups[[3, 4]].tolist() == [-1, -1]
