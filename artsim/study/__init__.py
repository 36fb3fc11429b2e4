"""What an index's vectors know of its labels, where they fail and why, gathered for people."""
