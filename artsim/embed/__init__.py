"""Embed a collection into an index: only what is new or changed, and nothing lost on the way.

First the plan: the catalog is read once to a file, and every row compared with the index. What is
gone is dropped and what metadata changed is rewritten, all at once. Then the rest is embedded in
chunks, each of which becomes one part of the index, so a run that was killed goes on where it was.
"""

from artsim.embed.run import EmbedSummary, Progress, embed_collection
from artsim.embed.settings import EmbedSettings

__all__ = ["EmbedSettings", "EmbedSummary", "Progress", "embed_collection"]
