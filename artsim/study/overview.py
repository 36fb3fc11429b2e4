"""What an index holds, whatever its labels: columns, failures, hubs, and a map of its vectors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.index import read_layout
from artsim.labels import derived_labels, label_columns, values_of
from artsim.metrics import k_occurrence, k_occurrence_skew
from artsim.store import Store
from artsim.study.data import StudyData
from artsim.study.results import FieldFacts, Hubs, VectorMap

POINTS = 5_000  # on the plane; more are drawn from at random

_HUB_K = 10
_HUBS = 6  # pictures shown
_EXAMPLES = 5  # of failures
_DECIMALS = 4  # of a coordinate


def describe_fields(store: Store) -> list[FieldFacts]:
    """Count what each column holds, derived labels last."""
    reasons = label_columns(store)[1]
    facts = []
    for field in store.fields:
        values = store.read([field.name]).column(field.name).to_pylist()
        known = [value for value in values if value not in (None, [])]
        if field.type == FieldType.LIST:
            distinct = len({each for value in known for each in value})
        elif field.type == FieldType.YEARS:
            distinct = len({(value["begin"], value["end"]) for value in known})
        else:
            distinct = len(set(known))
        missing, reason = len(values) - len(known), reasons.get(field.name)
        facts.append(FieldFacts(field.name, str(field.type), missing, distinct, reason))
    for name in derived_labels(store):
        texts = values_of(store, name)
        facts.append(FieldFacts(name, "derived", texts.count(None), len({*texts} - {None}), None))
    return facts


def describe_failures(store: Store) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    """Count what could not be embedded by stage, and name some of it."""
    failures = store.failures().select(["id", "image", "stage", "reason"]).to_pylist()
    counts = Counter(failure["stage"] for failure in failures)
    some = failures[:_EXAMPLES]
    examples = tuple((each["image"] or each["id"] or "", each["reason"]) for each in some)
    return dict(counts.most_common()), examples


def read_columns(store: Store) -> dict[str, list[str | None]]:
    """Return the columns of text and the derived labels."""
    texts = [field.name for field in store.fields if field.type == FieldType.TEXT]
    return {name: values_of(store, name) for name in (*texts, *derived_labels(store))}


def find_hubs(data: StudyData) -> Hubs:
    """Find the pictures that are a neighbor of far too many others."""
    rows = np.arange(len(data.ids))
    k = min(_HUB_K, len(rows) - 1)
    if k < 1:
        return Hubs(k=0, skew=None, orphans=0, most=())
    occurrence = k_occurrence(data.search(rows, rows, k), len(rows))
    skew = k_occurrence_skew(occurrence)
    most = np.argsort(-occurrence, kind="stable")[:_HUBS]
    return Hubs(
        k=k,
        skew=None if math.isnan(skew) else skew,
        orphans=int((occurrence == 0).sum()),
        most=tuple((data.work(int(row)), int(occurrence[row])) for row in most),
    )


def map_vectors(data: StudyData, labels: Mapping[str, Sequence[str | None]]) -> VectorMap:
    """Put the vectors on the kept map, or on the plane of their two principal components."""
    n = len(data.ids)
    rng = np.random.default_rng(data.seed)
    rows = np.sort(rng.choice(n, POINTS, replace=False)) if n > POINTS else np.arange(n)
    kept = read_layout(data.store, data.tap)
    if kept is not None:
        points, method = kept[rows], "the UMAP layout of 'artsim map'"
    else:
        points, share = data.components[rows, :2], data.shares[:2].sum()
        method = f"the first two principal components, which hold {share:.0%} of the variance"
    return VectorMap(
        method=method,
        rows=tuple(rows.tolist()),
        x=_rounded(points[:, 0]),
        y=_rounded(points[:, -1]),
        classes={name: tuple(values[row] for row in rows) for name, values in labels.items()},
    )


def _rounded(values: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(round(value, _DECIMALS) for value in values.tolist())
