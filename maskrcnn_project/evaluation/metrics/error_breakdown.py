"""
Why what is wrong is wrong, and what fixing each kind of error would bring (after TIDE, Bolya et al. 2020,
arXiv:2008.08115).

Shape vocabulary: N detections and G objects of an image, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_project.evaluation.metrics.average_precision import average_precision
from maskrcnn_project.evaluation.metrics.matching import MATCH_IOU, Matched

FAINT_IOU = 0.1  # the paper's: what overlaps less is no attempt at the object
KINDS = ("class", "localisation", "both", "duplicate", "background", "missed")
CORRECT = "correct"
FOUND_KINDS = (*KINDS[:-1], CORRECT)  # what a detection can be; "missed" is of objects


@dataclass(frozen=True)
class ImageErrors:
    """
    The detections that count of an image, and its objects.

    Attributes:
        scores: (n,) float64.
        classes: (n,) int64, as found.
        kinds: (n,) int64 into FOUND_KINDS.
        targets: (n,) int64: the object that each found ("correct") or, of a wrong class or place, would have found;
            -1 for the rest.
        truth_classes: (G,) int64.
        wanted: (G,) bool: no crowd region.
    """

    scores: np.ndarray
    classes: np.ndarray
    kinds: np.ndarray
    targets: np.ndarray
    truth_classes: np.ndarray
    wanted: np.ndarray

    @property
    def missed(self) -> np.ndarray:
        """(G,) bool: objects that were neither found nor found with the wrong class or in the wrong place."""
        missed = self.wanted.copy()
        missed[self.targets[self.targets >= 0]] = False
        return missed


def errors_of(matched: Matched, score_threshold: float = -np.inf) -> ImageErrors:
    """
    Tells the kind of every detection with at least this score that lies on no crowd region. The first that fits:

    - correct: the mask IoU with the object that it was matched with, of its own class, is at least 0.5.
    - duplicate: so it is with an object of its own class, but a more confident one took that.
    - class: so it is with an object of another class.
    - localisation: the IoU with an object of its own class is at least 0.1.
    - both: so it is with an object of another class.
    - background: the rest.
    """
    pair, sure = matched.pair, matched.sure(score_threshold)
    classes, truth_of = pair.found.classes[sure], matched.truth_of[sure]
    ious = np.where(pair.truth.crowd, 0.0, matched.ious[sure])
    ious = np.concatenate([ious, np.zeros((len(ious), 1))], axis=1)  # a column that overlaps nothing: no empty maxima
    same = classes[:, None] == np.append(pair.truth.classes, -1)
    own, other = np.where(same, ious, 0.0), np.where(same, 0.0, ious)
    best_own, best_other = own.max(axis=1), other.max(axis=1)
    rules = {
        CORRECT: truth_of >= 0,
        "duplicate": best_own >= MATCH_IOU,
        "class": best_other >= MATCH_IOU,
        "localisation": best_own >= FAINT_IOU,
        "both": best_other >= FAINT_IOU,
    }
    numbers = [FOUND_KINDS.index(kind) for kind in rules]
    kinds = np.select(list(rules.values()), numbers, default=FOUND_KINDS.index("background"))
    targets = np.select(
        [kinds == FOUND_KINDS.index(kind) for kind in (CORRECT, "class", "localisation")],
        [truth_of, other.argmax(axis=1), own.argmax(axis=1)],
        default=-1,
    )
    return ImageErrors(pair.found.scores[sure], classes, kinds, targets, pair.truth.classes, ~pair.truth.crowd)


def count_errors(images: Sequence[ImageErrors]) -> dict[str, int]:
    """How many of each kind, and "correct"; all but "missed" sum to the detections that count."""
    kinds = np.concatenate([np.zeros(0, np.int64), *(image.kinds for image in images)])
    counts = {kind: int((kinds == number).sum()) for number, kind in enumerate(FOUND_KINDS)}
    counts["missed"] = sum(int(image.missed.sum()) for image in images)
    return {kind: counts[kind] for kind in (*KINDS, CORRECT)}


def error_costs(images: Sequence[ImageErrors], num_classes: int) -> dict[str, float]:
    """
    Points (0 to 100) of AP50 that fixing one kind alone would give; NaN without objects.

    Fixed, a wrong class or place finds its object unless that is found already, and goes otherwise; what is of a
    wrong class and place, a duplicate or on the background goes; what is missed is no longer wanted. As fixing takes
    no account of the other kinds, the costs do not sum to what is missing from 100.
    """
    base = _mean_ap50(images, num_classes)
    return {kind: 100.0 * (_mean_ap50(images, num_classes, fixed=kind) - base) for kind in KINDS}


def _mean_ap50(images: Sequence[ImageErrors], num_classes: int, fixed: str | None = None) -> float:
    if not images:
        return float("nan")
    columns = zip(*(_correct(image, fixed) for image in images), strict=True)
    scores, classes, right = (np.concatenate(column) for column in columns)
    objects = np.zeros(num_classes, dtype=np.int64)
    for image in images:
        wanted = image.wanted & ~image.missed if fixed == "missed" else image.wanted
        objects += np.bincount(image.truth_classes[wanted], minlength=num_classes)
    values = [
        average_precision(scores[classes == number], right[classes == number], int(objects[number]))
        for number in np.flatnonzero(objects)
    ]
    return float(np.mean(values)) if values else float("nan")


def _correct(image: ImageErrors, kind: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(scores, classes, right), each (n,), of the detections that are left when a kind is fixed."""
    is_kind = image.kinds == (FOUND_KINDS.index(kind) if kind in FOUND_KINDS else -1)
    right = image.kinds == FOUND_KINDS.index(CORRECT)
    classes, left = image.classes.copy(), ~is_kind
    taken = set(image.targets[right].tolist())
    for index in np.flatnonzero(is_kind & (image.targets >= 0)):  # the most confident first
        target = int(image.targets[index])
        if target not in taken:
            taken.add(target)
            left[index] = right[index] = True
            classes[index] = image.truth_classes[target]
    return image.scores[left], classes[left], right[left]
