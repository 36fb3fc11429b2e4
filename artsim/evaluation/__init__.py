"""kNN, probes and retrieval scores: pure functions on arrays."""
