"""Linear probes on an index's labels."""

from artsim.evaluation.probe.leaderboard import (
    LeaderboardPlan,
    Standing,
    best,
    leaderboard,
    mean_score,
)
from artsim.evaluation.probe.run import (
    LabelProbe,
    ProbePlan,
    means,
    probe,
    probe_on,
    ungrouped,
)
from artsim.labels import LabelKind

__all__ = [
    "LabelKind",
    "LabelProbe",
    "LeaderboardPlan",
    "ProbePlan",
    "Standing",
    "best",
    "leaderboard",
    "mean_score",
    "means",
    "probe",
    "probe_on",
    "ungrouped",
]
