"""
Which detection found which object: overlaps of an image by run lengths, and COCO's greedy matching.

Shape vocabulary: N detections, the most confident first, and G objects of an image; overlaps are (N, G) float64. The
overlap with a crowd region is the part of the detection that lies in it, as COCO has it; all else is intersection over
union.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as mask_util

from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair, TrueObjects
from maskrcnn_project.masks.detections import Detections

MATCH_IOU = 0.5  # COCO's lowest threshold, at which users say "found"
NEARLY_ONE = 1 - 1e-10  # COCO's: an IoU of 1 that lost its last digits still is one


@dataclass(frozen=True)
class Matched:
    """
    An image whose detections were matched with objects of their own class.

    Attributes:
        pair: the image.
        ious: (N, G) overlaps.
        truth_of: (N,) int64 index of the object that each detection found, -1 for none.
        on_crowd: (N,) bool: found none, but lies on a crowd region of its class: neither right nor wrong.
    """

    pair: ImagePair
    ious: np.ndarray
    truth_of: np.ndarray
    on_crowd: np.ndarray

    def sure(self, score_threshold: float) -> np.ndarray:
        """(N,) bool: the detections that count at a score threshold."""
        return (self.pair.found.scores >= score_threshold) & ~self.on_crowd

    def is_found(self, score_threshold: float = -np.inf) -> np.ndarray:
        """(G,) bool: objects found by a detection with at least this score."""
        sure = self.truth_of[self.sure(score_threshold)]
        found = np.zeros(len(self.pair.truth), dtype=bool)
        found[sure[sure >= 0]] = True
        return found


def mask_overlaps(truth: TrueObjects, found: Detections) -> np.ndarray:
    """(N, G) of masks, all of the image's size; without masks of what was found ``box_overlaps``."""
    if found.masks is None:
        return box_overlaps(truth, found)
    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    return np.asarray(mask_util.iou(found.masks, truth.masks, truth.crowd.tolist()), dtype=np.float64)


def box_overlaps(truth: TrueObjects, found: Detections) -> np.ndarray:
    """(N, G) of boxes."""
    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    xywh = [np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], axis=1) for b in (found.boxes, truth.boxes)]
    return np.asarray(mask_util.iou(*(boxes.astype(np.float64) for boxes in xywh), truth.crowd.tolist()))


def match_objects(pair: ImagePair, ious: np.ndarray, threshold: float = MATCH_IOU) -> Matched:
    """
    COCO's matching within the classes: detections choose in the order of their scores, each the object it overlaps
    most among those still free, from ``threshold`` up; one that finds none may lie on a crowd region.
    """
    truth, found = pair.truth, pair.found
    same = found.classes[:, None] == truth.classes[None]
    enough = same & (ious >= min(threshold, NEARLY_ONE))
    truth_of = greedy(np.where(enough & ~truth.crowd, ious, -1.0))
    on_crowd = (truth_of < 0) & (enough & truth.crowd).any(axis=1)
    return Matched(pair, ious, truth_of, on_crowd)


def greedy(overlaps: np.ndarray) -> np.ndarray:
    """
    (N, G) overlaps, negative where a pair is impossible -> (N,) int64 column that each row takes in turn, -1 for none.
    Of equal overlaps a row takes the last, as COCO does.
    """
    taken = np.full(len(overlaps), -1, dtype=np.int64)
    left = overlaps[:, ::-1].copy()  # argmax gives the first of equals
    for row in np.flatnonzero((left >= 0).any(axis=1)) if left.size else ():
        best = int(left[row].argmax())
        if left[row, best] >= 0:
            taken[row] = left.shape[1] - 1 - best
            left[:, best] = -1
    return taken
