"""Linear probes on an index's labels: fitted, compared, kept as heads, and asked."""

from artsim.probing.heads import (
    Head,
    HeadTask,
    check_name,
    default_name,
    find_head,
    head_names,
    load_head,
    save_head,
)
from artsim.probing.leaderboard import LeaderboardPlan, Standing, best, leaderboard, mean_score
from artsim.probing.predict import (
    Prediction,
    Predictor,
    predict_collection,
    predict_ids,
    predict_picture,
)
from artsim.probing.run import LabelProbe, ProbePlan, make_head, means, probe, probe_on, ungrouped
from artsim.targets import Kind

__all__ = [
    "Head",
    "HeadTask",
    "Kind",
    "LabelProbe",
    "LeaderboardPlan",
    "Prediction",
    "Predictor",
    "ProbePlan",
    "Standing",
    "best",
    "check_name",
    "default_name",
    "find_head",
    "head_names",
    "leaderboard",
    "load_head",
    "make_head",
    "mean_score",
    "means",
    "predict_collection",
    "predict_ids",
    "predict_picture",
    "probe",
    "probe_on",
    "save_head",
    "ungrouped",
]
