"""Splits of an index: drawn, stored, checked for leaks."""
