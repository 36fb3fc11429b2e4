"""Why pictures match: which of their regions made the score."""

from artsim.explain.contributions import Explainer, Explanation, seen_box
from artsim.explain.regions import Regions, explain_answer

__all__ = ["Explainer", "Explanation", "Regions", "explain_answer", "seen_box"]
