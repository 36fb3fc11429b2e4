"""Linear probes on an index's labels."""

from artsim.evaluation.probe.leaderboard import (
    Best,
    LeaderboardPlan,
    Method,
    Standing,
    against,
    best,
    leaderboard,
    mean_score,
)
from artsim.evaluation.probe.plan import LabelPlan, label_names, split_labels
from artsim.evaluation.probe.repeated import RepeatedProbe, probe_splits
from artsim.evaluation.probe.run import (
    LabelProbe,
    ProbePlan,
    means,
    probe,
    probe_on,
    ungrouped,
)

__all__ = [
    "Best",
    "LabelPlan",
    "LabelProbe",
    "LeaderboardPlan",
    "Method",
    "ProbePlan",
    "RepeatedProbe",
    "Standing",
    "against",
    "best",
    "label_names",
    "leaderboard",
    "mean_score",
    "means",
    "probe",
    "probe_on",
    "probe_splits",
    "split_labels",
    "ungrouped",
]
