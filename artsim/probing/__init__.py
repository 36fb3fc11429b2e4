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
from artsim.probing.predict import (
    Prediction,
    Predictor,
    predict_collection,
    predict_ids,
    predict_picture,
)
from artsim.probing.run import LabelProbe, ProbePlan, make_head, means, probe
from artsim.probing.targets import Kind

__all__ = [
    "Head",
    "HeadTask",
    "Kind",
    "LabelProbe",
    "Prediction",
    "Predictor",
    "ProbePlan",
    "check_name",
    "default_name",
    "find_head",
    "head_names",
    "load_head",
    "make_head",
    "means",
    "predict_collection",
    "predict_ids",
    "predict_picture",
    "probe",
    "save_head",
]
