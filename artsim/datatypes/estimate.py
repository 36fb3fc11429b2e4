"""A score with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

FEW_GROUPS = 20  # fewer groups, resampled, give intervals that are too narrow


@dataclass(frozen=True)
class Estimate:
    """A score with its 95% interval, NaN where none is known: see `artsim.metrics.intervals`."""

    value: float
    low: float
    high: float
    n: int  # rows that were scored
    groups: int | None = None  # groups that were resampled; None: each row is on its own

    @property
    def has_few_groups(self) -> bool:
        """Whether the interval is likely too narrow, so that a reader must be warned."""
        return self.groups is not None and self.groups < FEW_GROUPS

    def to_json(self, name: str) -> dict[str, float | None]:
        """Return the value under a name, and the ends of its interval; None where there is none."""
        values = {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}
        return {key: None if math.isnan(value) else value for key, value in values.items()}

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"
