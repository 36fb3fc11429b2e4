"""Labels of an index: columns, derived labels, numbers."""
