from .findings import (
    CalibrationBin,
    ClassScore,
    ColumnSlices,
    Confusion,
    Neighbor,
    Outlier,
    Outliers,
    PredictionError,
    PredictionStudy,
    Slice,
    Work,
)
from .of_index import StudyPlan, find_group, study
from .of_run import study_run
from .predictions import ModelPredictions
from .results import (
    Curve,
    LabelStudy,
    MethodScore,
    RunStudy,
    SplitFacts,
    Study,
    TaskStudy,
    VectorMap,
)

__all__ = [
    "CalibrationBin",
    "ClassScore",
    "ColumnSlices",
    "Confusion",
    "Curve",
    "LabelStudy",
    "MethodScore",
    "ModelPredictions",
    "Neighbor",
    "Outlier",
    "Outliers",
    "PredictionError",
    "PredictionStudy",
    "RunStudy",
    "Slice",
    "SplitFacts",
    "Study",
    "StudyPlan",
    "TaskStudy",
    "VectorMap",
    "Work",
    "find_group",
    "study",
    "study_run",
]
