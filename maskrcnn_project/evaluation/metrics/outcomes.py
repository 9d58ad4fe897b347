"""What became of every object and every detection of one image, for drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_project.evaluation.metrics.image_pairs import Case
from maskrcnn_project.evaluation.metrics.matching import box_overlaps, mask_overlaps, matched
from maskrcnn_project.evaluation.metrics.merges_and_splits import Fusion


@dataclass(frozen=True)
class Outcome:
    """
    One image with G objects and N detections at a score threshold and IoU 0.5.

    Attributes:
        shown: (S,) int64 indices of the detections with at least the score threshold.
        found_right, found_ignored, found_fused: (N,) bool: matched with an object of its class; on a crowd region;
            part of a fusion.
        truth_found, truth_fused: (G,) bool: matched; part of a fusion.
    """

    shown: np.ndarray
    found_right: np.ndarray
    found_ignored: np.ndarray
    found_fused: np.ndarray
    truth_found: np.ndarray
    truth_fused: np.ndarray


def outcome_of(case: Case, score_threshold: float, fusions: Sequence[Fusion], *, has_masks: bool = True) -> Outcome:
    """
    Args:
        fusions: those of other images are passed over.
        has_masks: False: boxes are matched in place of masks.
    """
    overlaps = (mask_overlaps if has_masks else box_overlaps)(case.truth, case.found)
    match = matched(case, overlaps)
    own = [fusion for fusion in fusions if fusion.image_id == case.image_id]
    found_fused = np.zeros(len(case.found), dtype=bool)
    found_fused[[index for fusion in own for index in fusion.found_indices]] = True
    truth_ids = np.array([number for fusion in own for number in fusion.truth_ids], dtype=np.int64)
    return Outcome(
        shown=np.flatnonzero(case.found.scores >= score_threshold),
        found_right=match.truth_of >= 0,
        found_ignored=match.on_crowd,
        found_fused=found_fused,
        truth_found=match.is_found(score_threshold),
        truth_fused=np.isin(case.truth.ids, truth_ids),
    )
