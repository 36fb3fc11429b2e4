"""Options that several commands take: each is written once, and means the same everywhere."""
