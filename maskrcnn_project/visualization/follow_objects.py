"""Objects followed from frame to frame of a video, so that each keeps its number, and with it its colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox

# An object is the same one as in the frame before if the two overlap by more than half of their union: no two objects
# that lie apart can both have so much of a third.
MIN_IOU = 0.5
MAX_FRAMES_UNSEEN = 8  # for which an object that is not seen keeps its number: a third of a second of video


@dataclass
class _Track:
    """An object where it was seen last; ``box``: (4,) XYXY."""

    number: int
    category: int
    box: np.ndarray
    mask: MaskInBox | None
    frames_unseen: int = 0


class ObjectFollower:
    """Gives every object of a frame the number that it had in the frames before."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []

    def follow(self, found: Detections) -> list[int]:
        """
        A number from 0 on for each instance of the next frame, different within the frame: that of the object of its
        class that it overlaps most, or else the lowest that is free.
        """
        masks = [None if found.masks is None else found.crop(index) for index in range(len(found))]
        track_of: dict[int, _Track] = {}
        taken: set[int] = set()
        for _, place, index in sorted(self._overlaps(found, masks), reverse=True):
            if index not in track_of and place not in taken:
                track_of[index] = self._tracks[place]
                taken.add(place)
        for place, track in enumerate(self._tracks):
            track.frames_unseen = 0 if place in taken else track.frames_unseen + 1
        self._tracks = [track for track in self._tracks if track.frames_unseen <= MAX_FRAMES_UNSEEN]
        used = {track.number for track in self._tracks}
        numbers = []
        for index, mask in enumerate(masks):
            if index in track_of:
                track = track_of[index]
            else:
                free = next(number for number in range(len(used) + 1) if number not in used)
                track = _Track(free, int(found.classes[index]), found.boxes[index], mask)
                used.add(free)
                self._tracks.append(track)
            track.box, track.mask = found.boxes[index], mask
            numbers.append(track.number)
        return numbers

    def _overlaps(self, found: Detections, masks: list[MaskInBox | None]) -> list[tuple[float, int, int]]:
        """(IoU, track, instance) of those of one class that overlap by more than half."""
        pairs = []
        for place, track in enumerate(self._tracks):
            ious = _box_ious(track.box, found.boxes)
            for index in np.flatnonzero((found.classes == track.category) & (ious > 0)).tolist():
                mask = masks[index]
                iou = float(ious[index]) if track.mask is None or mask is None else track.mask.iou(mask)
                if iou > MIN_IOU:
                    pairs.append((iou, place, index))
        return pairs


def _box_ious(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) intersections over unions of ``box`` (4,) with ``boxes`` (N, 4), XYXY; 0 for boxes without an area."""
    sides = np.clip(np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2]), 0, None)
    both = sides.prod(axis=1, dtype=float)
    either = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1, dtype=float) + float((box[2:] - box[:2]).prod()) - both
    return np.divide(both, either, out=np.zeros(len(boxes)), where=either > 0)
