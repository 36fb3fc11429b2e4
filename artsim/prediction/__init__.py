"""What a saved head or a trained run predicts for pictures."""

from artsim.prediction.by_head import (
    Prediction,
    Predictor,
    predict_collection,
    predict_ids,
    predict_picture,
)
from artsim.prediction.heads import (
    Head,
    HeadTask,
    check_name,
    default_name,
    find_head,
    head_names,
    load_head,
    make_head,
    save_head,
)

__all__ = [
    "Head",
    "HeadTask",
    "Prediction",
    "Predictor",
    "check_name",
    "default_name",
    "find_head",
    "head_names",
    "load_head",
    "make_head",
    "predict_collection",
    "predict_ids",
    "predict_picture",
    "save_head",
]
