"""Pictures of instances, on top of Detectron2's Visualizer: drawn predictions, annotations, contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from detectron2.data.catalog import Metadata
from detectron2.structures import Instances
from detectron2.utils.visualizer import ColorMode, Visualizer

from maskrcnn_project.files import atomic_path

# A picture is drawn at least this large (short edge, pixels): labels on a 128-pixel image cannot be read.
MIN_DRAWING = 480
MAX_SCALE = 4


def drawing_scale(height: int, width: int) -> float:
    """How much an image is enlarged for drawing, so that lines and labels stay readable."""
    return float(min(MAX_SCALE, max(1.0, MIN_DRAWING / max(1, min(height, width)))))


def draw_predictions(image: np.ndarray, instances: Instances, metadata: Metadata) -> np.ndarray:
    """
    Args:
        image: (H, W, 3) uint8 BGR.
        instances: predictions at the image's size, on the CPU.

    Returns:
        The picture, (H', W', 3) uint8 BGR; small images are enlarged.
    """
    visualizer = Visualizer(image[:, :, ::-1], metadata, drawing_scale(*image.shape[:2]), ColorMode.IMAGE)
    return visualizer.draw_instance_predictions(instances).get_image()[:, :, ::-1]


def draw_annotations(image: np.ndarray, record: dict, metadata: Metadata) -> np.ndarray:
    """The annotations of a Detectron2 dataset dict on its image (H, W, 3) uint8 BGR, as BGR."""
    visualizer = Visualizer(image[:, :, ::-1], metadata, drawing_scale(*image.shape[:2]), ColorMode.IMAGE)
    return visualizer.draw_dataset_dict(record).get_image()[:, :, ::-1]


def draw_sample(sample: dict, image_format: str, metadata: Metadata) -> np.ndarray:
    """What the model sees: a mapper's output ("image" (C, H, W), "instances" with gt_ fields) as BGR."""
    image = sample["image"].permute(1, 2, 0).numpy()
    rgb = np.ascontiguousarray(image if image_format == "RGB" else image[:, :, ::-1]).astype(np.uint8)
    visualizer = Visualizer(rgb, metadata, drawing_scale(*rgb.shape[:2]), ColorMode.IMAGE)
    target = sample["instances"]
    names = metadata.get("thing_classes", None)
    labels = [names[i] if names else str(i) for i in target.gt_classes.tolist()]
    masks = target.gt_masks if target.has("gt_masks") else None
    return visualizer.overlay_instances(boxes=target.gt_boxes, labels=labels, masks=masks).get_image()[:, :, ::-1]


def side_by_side(left: np.ndarray, right: np.ndarray, titles: tuple[str, str]) -> np.ndarray:
    """Two pictures of one height with a caption each, (H + caption, W, 3) uint8 BGR."""
    gap = np.full((left.shape[0], 8, 3), 255, np.uint8)
    row = np.concatenate([left, gap, right], axis=1)
    caption = np.full((28, row.shape[1], 3), 255, np.uint8)
    for text, x in zip(titles, (6, left.shape[1] + gap.shape[1] + 6), strict=True):
        cv2.putText(caption, text, (x, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([caption, row], axis=0)


def contact_sheet(pictures: Sequence[np.ndarray], columns: int = 4, tile: int = 360) -> np.ndarray:
    """Pictures (H, W, 3) uint8, each fitted into a white tile x tile cell, row by row, as one picture."""
    if not pictures:
        raise ValueError("A contact sheet needs at least one picture, but none came.")
    cells = []
    for picture in pictures:
        factor = tile / max(picture.shape[:2])
        size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
        fitted = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        cell = np.full((tile + 6, tile + 6, 3), 255, np.uint8)
        top, left = (tile - fitted.shape[0]) // 2 + 3, (tile - fitted.shape[1]) // 2 + 3
        cell[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
        cells.append(cell)
    columns = min(columns, len(cells))
    while len(cells) % columns:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.concatenate(cells[i : i + columns], axis=1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows, axis=0)


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Writes a BGR picture beside its place and renames it. Raises OSError where it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as beside:
        if not cv2.imwrite(str(beside), picture):
            raise OSError(
                f"The picture {path} could not be written: is the folder writable, and the suffix an image's?"
            )
