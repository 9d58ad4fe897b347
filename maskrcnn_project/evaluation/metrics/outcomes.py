"""What became of every object and every detection of one image, for drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair
from maskrcnn_project.evaluation.metrics.matching import box_overlaps, mask_overlaps, match_objects
from maskrcnn_project.evaluation.metrics.merges_and_splits import MergeOrSplit


@dataclass(frozen=True)
class Outcome:
    """
    One image with G objects and N detections at a score threshold and IoU 0.5.

    Attributes:
        shown: (S,) int64 indices of the detections with at least the score threshold.
        found_right, found_ignored, found_in_event: (N,) bool: matched with an object of its class; on a crowd region;
            part of a merge or split.
        truth_found, truth_in_event: (G,) bool: matched; part of a merge or split.
    """

    shown: np.ndarray
    found_right: np.ndarray
    found_ignored: np.ndarray
    found_in_event: np.ndarray
    truth_found: np.ndarray
    truth_in_event: np.ndarray


def outcome_of(
    pair: ImagePair, score_threshold: float, merges_and_splits: Sequence[MergeOrSplit], *, has_masks: bool = True
) -> Outcome:
    """
    Args:
        merges_and_splits: those of other images are passed over.
        has_masks: False: boxes are matched in place of masks.
    """
    overlaps = (mask_overlaps if has_masks else box_overlaps)(pair.truth, pair.found)
    match = match_objects(pair, overlaps)
    own = [event for event in merges_and_splits if event.image_id == pair.image_id]
    found_in_event = np.zeros(len(pair.found), dtype=bool)
    found_in_event[[index for event in own for index in event.found_indices]] = True
    truth_ids = np.array([number for event in own for number in event.truth_ids], dtype=np.int64)
    return Outcome(
        shown=np.flatnonzero(pair.found.scores >= score_threshold),
        found_right=match.truth_of >= 0,
        found_ignored=match.on_crowd,
        found_in_event=found_in_event,
        truth_found=match.is_found(score_threshold),
        truth_in_event=np.isin(pair.truth.ids, truth_ids),
    )
