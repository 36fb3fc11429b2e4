"""Linear probes on an index's labels."""

from artsim.evaluation.probe.leaderboard import (
    LeaderboardPlan,
    Standing,
    best,
    leaderboard,
    mean_score,
)
from artsim.evaluation.probe.plan import LabelPlan, label_names, split_labels
from artsim.evaluation.probe.run import (
    LabelProbe,
    ProbePlan,
    means,
    probe,
    probe_on,
    ungrouped,
)

__all__ = [
    "LabelPlan",
    "LabelProbe",
    "LeaderboardPlan",
    "ProbePlan",
    "Standing",
    "best",
    "label_names",
    "leaderboard",
    "mean_score",
    "means",
    "probe",
    "probe_on",
    "split_labels",
    "ungrouped",
]
