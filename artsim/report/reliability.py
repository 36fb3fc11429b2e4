"""The reliability diagram of predictions: accuracy against confidence."""

from __future__ import annotations

from artsim.report.figures import Drawing, reliability
from artsim.study import PredictionStudy


def draw_reliability(found: PredictionStudy) -> Drawing:
    """Draw the accuracy of the predictions of about the same confidence."""
    bins = found.calibration
    n = sum(each.count for each in bins)
    worst = max(bins, key=lambda each: each.count * abs(each.accuracy.value - each.confidence))
    return reliability(
        [each.confidence for each in bins],
        [each.accuracy for each in bins],
        title="Reliability diagram",
        description=f"Accuracy of {n:,} predictions by their confidence, in steps of 10%; vertical "
        "lines are 95% intervals. On the dashed line confidence is right. The error is largest for "
        f"{worst.count:,} predictions with {worst.confidence:.1%} on average, of which "
        f"{worst.accuracy.value:.1%} are right.",
    )
