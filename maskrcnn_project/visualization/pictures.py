"""Pictures of what was found, of what is annotated and of what the model sees; contact sheets of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detectron2.data.catalog import Metadata
from detectron2.structures import BoxMode, Instances, PolygonMasks

from maskrcnn_project.files import atomic_path
from maskrcnn_project.masks.crop import pixels_of
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.visualization.colours import instance_colours, palette_colours
from maskrcnn_project.visualization.draw_instances import DrawableInstance, draw_instances
from maskrcnn_project.visualization.follow_objects import ObjectFollower
from maskrcnn_project.visualization.labels import label_of


def draw_detections(
    image: np.ndarray,
    found: Detections,
    class_names: Sequence[str],
    by_class: bool | None = None,
    thing_colors: Sequence[Sequence[int]] | None = None,
) -> np.ndarray:
    """
    Args:
        image: (H, W, 3) uint8 BGR.
        class_names: by class number. Where there is one class only, labels tell the score alone.
        by_class, thing_colors: as ``instance_colours`` takes them.

    Returns:
        The picture, (H', W', 3) uint8 BGR; small images are enlarged. The most confident lie on top.
    """
    colours = instance_colours(found.classes, len(class_names), thing_colors, by_class)
    return draw_instances(image, _of_detections(found, class_names, colours))


def draw_predictions(image: np.ndarray, instances: Instances, metadata: Metadata) -> np.ndarray:
    """``draw_detections`` of predictions at the image's size, in the names and colours of ``metadata``."""
    found = Detections.from_instances(instances)
    names = class_names_of(metadata, found.classes)
    return draw_detections(image, found, names, thing_colors=metadata.get("thing_colors", None))


def draw_frame(frame: np.ndarray, found: Detections, metadata: Metadata, follower: ObjectFollower) -> np.ndarray:
    """
    The next frame of a video, (H, W, 3) uint8 BGR, at its own size: an object in one colour as long as ``follower`` can
    follow it, or in that of its class where ``metadata`` says it.
    """
    names, thing_colors = class_names_of(metadata, found.classes), metadata.get("thing_colors", None)
    if thing_colors is None:
        colours = palette_colours(follower.follow(found))
    else:
        colours = instance_colours(found.classes, len(names), thing_colors)
    return draw_instances(frame, _of_detections(found, names, colours), scale=1)


def draw_annotations(image: np.ndarray, record: dict, metadata: Metadata) -> np.ndarray:
    """
    The annotations of a Detectron2 dataset dict on its image (H, W, 3) uint8 BGR, as BGR: the smallest on top, a crowd
    region by its border alone. Polygons, run lengths and boxes are drawn; keypoints are not.
    """
    annotations = record.get("annotations") or []
    boxes = [np.array(BoxMode.convert(each["bbox"], each["bbox_mode"], BoxMode.XYXY_ABS)) for each in annotations]
    masks = [_mask_of(each.get("segmentation"), *image.shape[:2]) for each in annotations]
    crowd = [bool(each.get("iscrowd", 0)) for each in annotations]
    return _draw_truth(image, [each["category_id"] for each in annotations], boxes, masks, metadata, crowd)


def draw_sample(sample: dict, image_format: str, metadata: Metadata) -> np.ndarray:
    """What the model sees: a mapper's output ("image" (C, H, W), "instances" with gt_ fields) as BGR."""
    image = sample["image"].permute(1, 2, 0).numpy()
    bgr = np.ascontiguousarray(image[:, :, ::-1] if image_format == "RGB" else image).astype(np.uint8)
    target = sample["instances"]
    masks: list[MaskInBox | None] = [None] * len(target)
    if target.has("gt_masks"):
        if isinstance(target.gt_masks, PolygonMasks):
            masks = [_mask_of(polygons, *bgr.shape[:2]) for polygons in target.gt_masks.polygons]
        else:
            masks = [MaskInBox.at(0, 0, pixels.numpy().astype(bool)).trim() for pixels in target.gt_masks.tensor]
    return _draw_truth(bgr, target.gt_classes.tolist(), list(target.gt_boxes.tensor.numpy()), masks, metadata)


def _of_detections(
    found: Detections, class_names: Sequence[str], colours: Sequence[tuple[int, int, int]]
) -> list[DrawableInstance]:
    """The most confident first; ``colours`` are in the order of ``found``."""
    return [
        DrawableInstance(
            colours[index],
            None if found.masks is None else found.masks[index],
            found.boxes[index],
            label_of(int(found.classes[index]), class_names, float(found.scores[index])),
        )
        for index in np.argsort(-found.scores, kind="stable").tolist()
    ]


def _draw_truth(
    image: np.ndarray,
    classes: Sequence[int],
    boxes: Sequence[np.ndarray],
    masks: Sequence[MaskInBox | None],
    metadata: Metadata,
    crowd: Sequence[bool] | None = None,
) -> np.ndarray:
    """Objects that are there, by class number, box (4,) XYXY and mask (None: the box alone), the smallest on top."""
    names = class_names_of(metadata, classes)
    colours = instance_colours(classes, len(names), metadata.get("thing_colors", None))
    drawn = []
    for index in sorted(range(len(boxes)), key=lambda index: float((boxes[index][2:] - boxes[index][:2]).prod())):
        is_crowd = crowd is not None and crowd[index]
        label = f"{label_of(classes[index], names)} crowd".lstrip() if is_crowd else label_of(classes[index], names)
        drawn.append(DrawableInstance(colours[index], masks[index], boxes[index], label, is_filled=not is_crowd))
    return draw_instances(image, drawn)


def _mask_of(segmentation: Any, height: int, width: int) -> MaskInBox | None:
    """Of polygons in an image of this size, or of run lengths of any; None where there is only a box."""
    if not segmentation:
        return None
    size = segmentation["size"] if isinstance(segmentation, dict) else (height, width)
    return pixels_of(segmentation, *size)


def class_names_of(metadata: Metadata, classes: Sequence[int] | np.ndarray) -> Sequence[str]:
    """The names that ``metadata`` knows; the numbers of the classes where it knows none."""
    names = metadata.get("thing_classes", None)
    return names or [str(number) for number in range(2 + max(map(int, classes), default=0))]


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
