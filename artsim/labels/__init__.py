"""Labels of an index: columns, derived labels, numbers, and metadata as features."""

from artsim.labels.expressions import is_derivation, short_name
from artsim.labels.features import SHAPE, Columns, Metadata, read_metadata, refuse_label
from artsim.labels.fitness import why_not_label
from artsim.labels.label import Label, LabelKind, encode, multiclass, multilabel, number
from artsim.labels.reading import (
    add_label,
    codes_of,
    derivation_of,
    derived_labels,
    label_columns,
    label_values,
    read_label,
    read_multiclass,
    remove_label,
    values_of,
)
from artsim.labels.sql import (
    catalog_table,
    columns_meant,
    connect,
    distinct_names,
    filtered,
    parse_sql,
    quoted,
    reason,
    shown,
    time_limit,
)

__all__ = [
    "SHAPE",
    "Columns",
    "Label",
    "LabelKind",
    "Metadata",
    "add_label",
    "catalog_table",
    "codes_of",
    "columns_meant",
    "connect",
    "derivation_of",
    "derived_labels",
    "distinct_names",
    "encode",
    "filtered",
    "is_derivation",
    "label_columns",
    "label_values",
    "multiclass",
    "multilabel",
    "number",
    "parse_sql",
    "quoted",
    "read_label",
    "read_metadata",
    "read_multiclass",
    "reason",
    "refuse_label",
    "remove_label",
    "short_name",
    "shown",
    "time_limit",
    "values_of",
    "why_not_label",
]
