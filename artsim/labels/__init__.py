"""Labels of an index: columns, derived labels, numbers, and metadata as features."""

from artsim.labels.columns import (
    add_label,
    codes_of,
    derivation_of,
    derived_labels,
    remove_label,
    values_of,
)
from artsim.labels.expressions import is_derivation
from artsim.labels.features import SHAPE, Columns, Metadata, read_metadata, refuse_label
from artsim.labels.fitness import is_id_name, why_id, why_not_label
from artsim.labels.label import Label, LabelKind, encode, multiclass, multilabel, number
from artsim.labels.reading import (
    label_columns,
    label_values,
    read_label,
    read_multiclass,
    short_name,
)

__all__ = [
    "SHAPE",
    "Columns",
    "Label",
    "LabelKind",
    "Metadata",
    "add_label",
    "codes_of",
    "derivation_of",
    "derived_labels",
    "encode",
    "is_derivation",
    "is_id_name",
    "label_columns",
    "label_values",
    "multiclass",
    "multilabel",
    "number",
    "read_label",
    "read_metadata",
    "read_multiclass",
    "refuse_label",
    "remove_label",
    "short_name",
    "values_of",
    "why_id",
    "why_not_label",
]
