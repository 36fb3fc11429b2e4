"""Splits of an index: drawn, stored, kept free of copies, and checked for leaks."""

from artsim.splits.audit import LeakReport, audit_catalog, audit_splits
from artsim.splits.choosing import SplitChoice, read_source, split_label
from artsim.splits.copies import DECIDED, join_groups, look_alikes, read_copies
from artsim.splits.drawing import k_fold, sample_per_class, split
from artsim.splits.hashes import (
    Looks,
    hash_file,
    known_hashes,
    picture_hashes,
    picture_looks,
)
from artsim.splits.joint import JointDraw, balanced_split, joint_splits
from artsim.splits.leaks import WITHIN, Evidence, LeakKind, find_leaks
from artsim.splits.parts import TEST, TRAIN, VAL, Among, Split
from artsim.splits.stored import (
    SplitPlan,
    StoredSplit,
    make_split,
    part_of,
    read_stored_split,
    store_split,
    stored_splits,
)

__all__ = [
    "DECIDED",
    "TEST",
    "TRAIN",
    "VAL",
    "WITHIN",
    "Among",
    "Evidence",
    "JointDraw",
    "LeakKind",
    "LeakReport",
    "Looks",
    "Split",
    "SplitChoice",
    "SplitPlan",
    "StoredSplit",
    "audit_catalog",
    "audit_splits",
    "balanced_split",
    "find_leaks",
    "hash_file",
    "join_groups",
    "joint_splits",
    "k_fold",
    "known_hashes",
    "look_alikes",
    "make_split",
    "part_of",
    "picture_hashes",
    "picture_looks",
    "read_copies",
    "read_source",
    "read_stored_split",
    "sample_per_class",
    "split",
    "split_label",
    "store_split",
    "stored_splits",
]
