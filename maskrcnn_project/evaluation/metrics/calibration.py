"""Whether a score of 0.8 means right in 8 of 10 cases: reliability by bins (Guo et al. 2017, arXiv:1706.04599)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10  # of equal width, as the figures of the paper have them


@dataclass(frozen=True)
class Calibration:
    """
    Scores against how often they were right.

    Attributes:
        edges: (B+1,) float64 from 0 to 1.
        mean_score: (B,) float64, mean score of the detections in the bin; NaN in an empty one.
        precision: (B,) float64, part of them that is right, 0 to 1; NaN in an empty one.
        count: (B,) int64.
        ece: expected calibration error, 0 to 1: mean of |precision - mean score| over the detections; NaN without any.
    """

    edges: np.ndarray
    mean_score: np.ndarray
    precision: np.ndarray
    count: np.ndarray
    ece: float


def calibrate(scores: np.ndarray, right: np.ndarray, bins: int = BINS) -> Calibration:
    """
    Args:
        scores: (N,) float, 0 to 1.
        right: (N,) bool.
    """
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, bins - 1)  # 1.0 joins the last bin
    count = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_score = np.bincount(places, weights=scores, minlength=bins) / count
        precision = np.bincount(places, weights=right, minlength=bins) / count
    gaps = np.abs(precision - mean_score)[count > 0]
    ece = float(np.average(gaps, weights=count[count > 0])) if len(scores) else float("nan")
    return Calibration(edges, mean_score, precision, count, ece)
