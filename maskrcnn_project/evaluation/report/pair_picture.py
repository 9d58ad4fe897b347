"""An evaluated image as pictures: what is there, and what was found, what went wrong in a colour of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskrcnn_project.datasets.image_file import read_to_look
from maskrcnn_project.datasets.stored_image import UNREADABLE
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair
from maskrcnn_project.evaluation.metrics.outcomes import Outcome
from maskrcnn_project.masks.coding import Rle
from maskrcnn_project.visualization.colours import Colour
from maskrcnn_project.visualization.draw_instances import DrawableInstance, draw_instances, picture_scale
from maskrcnn_project.visualization.labels import label_of

# What became of an object -> red, green, blue. Okabe and Ito's colours, which the colour-blind tell apart.
RIGHT, MISSED, FALSE, MERGED_OR_SPLIT, CROWD = "right", "missed", "false", "fused", "crowd"
INKS = {
    RIGHT: (86, 180, 233),
    MISSED: (213, 94, 0),
    FALSE: (240, 228, 66),
    MERGED_OR_SPLIT: (204, 121, 167),
    CROWD: (150, 150, 150),
}
MEANINGS = {
    RIGHT: "found, and right",
    MISSED: "missed: not found, or not by half",
    FALSE: "false: fits badly, twice, of another class, or nothing there",
    MERGED_OR_SPLIT: "merged (several taken for one) or split (one taken for several)",
    CROWD: "crowd region, not evaluated",
}
MAX_SIDE = 1200  # pixels of a picture: as wide as most windows


@dataclass(frozen=True)
class Mark:
    """One object to draw. ``mask``: run lengths, or None for its box alone; ``label``: "" for none."""

    kind: str
    box: np.ndarray  # (4,) XYXY in pixels of the image
    mask: Rle | None
    label: str = ""

    def plain(self) -> Mark:
        """Of an object that is not evaluated."""
        return self if self.kind == CROWD else Mark(RIGHT, self.box, self.mask)


def read_case_image(image_root: Path, pair: ImagePair, page: int = 0) -> np.ndarray | str:
    """The image (H, W, 3) uint8 RGB of the size that was evaluated; or, in words, why there is none."""
    path = image_root / pair.file_name
    try:
        if not path.is_file():
            return "its image is not there"
        image = read_to_look(path, "RGB", page)
    except UNREADABLE:
        return "its image cannot be read"
    if image.shape[:2] != tuple(pair.found.size):
        height, width = pair.found.size
        return f"its image has {image.shape[0]} x {image.shape[1]} pixels, but was evaluated with {height} x {width}"
    return image


def truth_marks(pair: ImagePair, outcome: Outcome, class_names: Sequence[str]) -> Iterator[Mark]:
    """The objects that are there."""
    truth = pair.truth
    for index in range(len(truth)):
        kind = MISSED
        if truth.crowd[index]:
            kind = CROWD
        elif outcome.truth_in_event[index]:
            kind = MERGED_OR_SPLIT
        elif outcome.truth_found[index]:
            kind = RIGHT
        label = label_of(truth.classes[index], class_names) if kind in (MISSED, MERGED_OR_SPLIT) else ""
        yield Mark(kind, truth.boxes[index], truth.masks[index] if truth.has_mask[index] else None, label)


def found_marks(pair: ImagePair, outcome: Outcome, class_names: Sequence[str]) -> Iterator[Mark]:
    """What was found at the score threshold."""
    found = pair.found
    for index in outcome.shown.tolist():
        kind = FALSE
        if outcome.found_ignored[index]:
            kind = CROWD
        elif outcome.found_in_event[index]:
            kind = MERGED_OR_SPLIT
        elif outcome.found_right[index]:
            kind = RIGHT
        label = ""
        if kind in (FALSE, MERGED_OR_SPLIT):
            label = label_of(found.classes[index], class_names, found.scores[index])
        yield Mark(kind, found.boxes[index], None if found.masks is None else found.masks[index], label)


def draw_marks(image: np.ndarray, marks: Sequence[Mark]) -> np.ndarray:
    """
    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H', W', 3) uint8 RGB, enlarged or shrunk. What went wrong is filled and lies on top.
    """
    scale = picture_scale(image.shape[0], image.shape[1], MAX_SIDE)
    order = sorted(marks, key=lambda mark: mark.kind in (RIGHT, CROWD))
    drawn = [
        DrawableInstance(_bgr(mark.kind), mark.mask, mark.box, mark.label, is_filled=mark.kind not in (RIGHT, CROWD))
        for mark in order
    ]
    return np.ascontiguousarray(draw_instances(image[:, :, ::-1], drawn, scale)[:, :, ::-1])


def _bgr(kind: str) -> Colour:
    red, green, blue = INKS[kind]
    return blue, green, red
