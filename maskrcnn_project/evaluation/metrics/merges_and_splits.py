"""
Touching objects taken for one, and one object taken for several.

Shape vocabulary: G objects, without crowd regions, and N counted detections of an image.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pycocotools import mask as mask_util

from maskrcnn_project.evaluation.metrics.confusion import Assignments
from maskrcnn_project.evaluation.metrics.matching import Matched
from maskrcnn_project.masks.coding import Rle

# Of an object's pixels, or of a piece's. Masks of one picture hardly overlap: what has more than half of an object's
# pixels has it more than all others together, and a piece with less than half of its own in the object is of another.
MOSTLY = 0.5

Group = tuple[list[int], list[int]]  # indices of objects, and of the detections that merge or split them


@dataclass(frozen=True)
class MergeOrSplit:
    """
    "merged": one found mask covers several objects; "split": several found masks cover one object.

    Attributes:
        truth_ids: annotation ids of the objects.
        found_indices: indices of the detections in ``Case.found``.
    """

    kind: Literal["merged", "split"]
    image_id: int
    truth_ids: tuple[int, ...]
    found_indices: tuple[int, ...]


def find_merges_and_splits(matched: Matched, assignments: Assignments) -> list[MergeOrSplit]:
    """
    The merged and the split objects of an image, whatever their classes; none where there are only boxes.

    Args:
        assignments: of the detections that count with objects, across the classes: what was found with the wrong class
            is neither merged nor split.
    """
    truth, found = matched.pair.truth, matched.pair.found
    wanted = np.flatnonzero(~truth.crowd)
    if found.masks is None or not truth.has_mask.all() or not len(wanted) or not len(assignments.counted):
        return []
    objects = [truth.masks[index] for index in wanted]
    masks = [found.masks[index] for index in assignments.counted]
    paired = assignments.truth_of[assignments.counted][:, None] == wanted[None]  # (N, G)
    kinds: dict[Literal["merged", "split"], Iterator[Group]] = {
        "merged": _find_merges(objects, masks, paired),
        "split": _split(objects, masks, paired),
    }
    return [
        MergeOrSplit(
            kind,
            matched.pair.image_id,
            tuple(truth.ids[wanted[which]].tolist()),
            tuple(assignments.counted[by].tolist()),
        )
        for kind, groups in kinds.items()
        for which, by in groups
    ]


def _find_merges(objects: Sequence[Rle], masks: Sequence[Rle], paired: np.ndarray) -> Iterator[Group]:
    """
    Detections that hold most of two or more objects which no other detection found; one of them they may themselves
    be paired with, where it is much the larger.
    """
    holds = _parts_inside(objects, masks).T >= MOSTLY  # (N, G)
    for index in np.flatnonzero(holds.sum(axis=1) > 1):
        others = np.delete(paired, index, axis=0).any(axis=0)
        which = np.flatnonzero(holds[index] & ~others)
        if len(which) > 1:
            yield which.tolist(), [int(index)]


def _split(objects: Sequence[Rle], masks: Sequence[Rle], paired: np.ndarray) -> Iterator[Group]:
    """
    Objects that nothing was paired with, most of which two or more unpaired detections hold together, each of which
    lies mostly inside the object and mostly outside the more confident pieces.
    """
    free = np.flatnonzero(~paired.any(axis=1)).tolist()
    if len(free) < 2:
        return
    inside = _parts_inside([masks[index] for index in free], objects) >= MOSTLY  # (free, G)
    inside[:, paired.any(axis=0)] = False
    for which in np.flatnonzero(inside.sum(axis=0) > 1).tolist():
        pieces: list[int] = []
        for index in itertools.compress(free, inside[:, which]):
            better = [masks[piece] for piece in pieces]
            if not pieces or _parts_inside([masks[index]], [mask_util.merge(better)])[0, 0] < MOSTLY:
                pieces.append(index)
        together = mask_util.merge([masks[piece] for piece in pieces])
        if len(pieces) > 1 and _parts_inside([objects[which]], [together])[0, 0] >= MOSTLY:
            yield [which], pieces


def _parts_inside(masks: Sequence[Rle], regions: Sequence[Rle]) -> np.ndarray:
    """(M, R): the part of each mask's pixels, 0 to 1, that lies in each region; pycocotools has it for crowds."""
    return np.asarray(mask_util.iou(list(masks), list(regions), [True] * len(regions)))
