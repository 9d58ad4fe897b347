"""Each class by itself: average precision, and the score threshold that balances precision and recall best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

MAX_ROWS = 200  # of a curve: more than a chart shows, and a page of many classes stays small


@dataclass(frozen=True)
class ClassScores:
    """
    One class. AP, AR, precision, recall and F1 are percentages 0 to 100, NaN where nothing can be measured.

    Attributes:
        objects: ground truth without crowd regions.
        found: detections with at least ``threshold``, without those on crowd regions.
        ap, ap50, ap75, ar: of masks.
        threshold: the score, 0 to 1, at which F1 is best at mask IoU 0.5; NaN without objects or detections.
        precision, recall, f1: there.
        curve: (R, 4) float64, columns score, precision, recall, f1, all 0 to 1, by falling score, at most 200 rows.
    """

    name: str
    objects: int
    found: int
    ap: float
    ap50: float
    ap75: float
    ar: float
    box_ap: float
    box_ap50: float
    boundary_ap: float
    threshold: float
    precision: float
    recall: float
    f1: float
    curve: np.ndarray


def curve_of(scores: np.ndarray, right: np.ndarray, objects: int) -> np.ndarray:
    """
    What holds at every score taken as the threshold.

    Args:
        scores: (N,) in any order.
        right: (N,) bool.
        objects: how many there are to find.

    Returns:
        (R, 4) float64, columns score, precision, recall, f1, one row for each different score, falling; none without
        objects.
    """
    if not objects:
        return np.zeros((0, 4))
    order = np.argsort(-scores, kind="stable")
    scores, correct = scores[order], np.cumsum(right[order])
    last = np.flatnonzero(
        np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    )  # equal scores stand or fall at once
    found = last + 1
    precision, recall = correct[last] / found, correct[last] / objects
    return np.stack([scores[last], precision, recall, 2 * correct[last] / (found + objects)], axis=1)


def thin_curve(curve: np.ndarray, most: int = MAX_ROWS) -> np.ndarray:
    """At most ``most`` rows, evenly taken, with the first, the last and the one of the best F1 among them."""
    if len(curve) <= most:
        return curve
    rows = np.round(np.linspace(0, len(curve) - 1, most - 1)).astype(np.int64)
    return curve[np.unique(np.append(rows, curve[:, 3].argmax()))]


def score_class(
    name: str, scores: np.ndarray, right: np.ndarray, objects: int, averages: Mapping[str, Mapping[str, float]]
) -> ClassScores:
    """
    Args:
        scores: (N,) of all detections of the class that count, in any order.
        right: (N,) bool, at mask IoU 0.5.
        objects: how many there are to find.
        averages: "mask", "box" and "boundary" -> AP, AP50, AP75, AR of the class in percent.
    """
    curve = curve_of(scores, right, objects)
    threshold, precision, recall, f1 = _best(curve, objects)
    return ClassScores(
        name,
        objects,
        int((scores >= threshold).sum()),  # none are at least NaN
        averages["mask"]["AP"],
        averages["mask"]["AP50"],
        averages["mask"]["AP75"],
        averages["mask"]["AR"],
        averages["box"]["AP"],
        averages["box"]["AP50"],
        averages["boundary"]["AP"],
        threshold,
        precision,
        recall,
        f1,
        thin_curve(curve),
    )


def _best(curve: np.ndarray, objects: int) -> tuple[float, float, float, float]:
    """Score threshold, and there precision, recall and F1 in percent; the highest score of equally good ones."""
    nan = float("nan")
    if not objects:
        return nan, nan, nan, nan
    if not len(curve) or not curve[:, 3].max():  # nothing right at any score: none can be suggested
        return nan, 0.0 if len(curve) else nan, 0.0, 0.0
    score, *parts = curve[curve[:, 3].argmax()].tolist()
    precision, recall, f1 = (100.0 * part for part in parts)
    return score, precision, recall, f1
