"""
Drawing annotations and predictions on a picture: masks, boxes, labels.

Pictures are RGB uint8 (H, W, 3) on the way in and out. Coordinates are pixels of the input picture.
This file stands above its folder: it imports ``data`` and ``structures``, and no lower file imports it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, unique
from typing import Any

import numpy as np
import torch
from detectron2.data import MetadataCatalog
from detectron2.structures import BitMasks, BoxMode, PolygonMasks
from detectron2.utils.file_io import PathManager
from PIL import Image

from . import _colors
from ._canvas import VisImage, draw_text_plate
from ._colors import RGB
from ._instance_parts import as_array, common_length, extents_of, union_of
from ._instance_parts import create_text_labels as _create_text_labels
from ._mask_drawing import GenericMask
from ._primitives import Primitives
from ._text_drawing import LabelLayout
from .colormap import random_color  # noqa: F401 (projects import it from here)

__all__ = ["ColorMode", "VisImage", "Visualizer", "GenericMask"]

# Keypoints of a lower score are guesses and not drawn.
KEYPOINT_THRESHOLD = 0.05
OFF_WHITE = (1.0, 1.0, 240.0 / 255)
BOX_ALPHA = 0.6


@unique
class ColorMode(Enum):
    """How instances are coloured."""

    IMAGE = 0
    """Each instance its own colour."""
    SEGMENTATION = 1
    """By class, out of the metadata's ``thing_colors``, somewhat varied between instances."""
    IMAGE_BW = 2
    """As IMAGE, all that no instance covers turned grey."""


class Visualizer(Primitives):
    """Draws instances and single things on a picture; ends with ``get_output().get_image()`` or ``.save(path)``."""

    def __init__(
        self,
        img_rgb: np.ndarray,
        metadata: Any = None,
        scale: float = 1.0,
        instance_mode: ColorMode = ColorMode.IMAGE,
        font_size_scale: float = 1.0,
    ) -> None:
        """
        Args:
            img_rgb: RGB (H, W, 3), 0..255.
            metadata: of the dataset: ``thing_classes`` name the labels, ``thing_colors`` colour the classes.
            scale: the output is larger by this factor; lines and text stay as thin and small as they can be.
            instance_mode: see ``ColorMode``.
            font_size_scale: text larger or smaller than its size by default.
        """
        super().__init__(img_rgb, scale, font_size_scale)
        self.metadata = MetadataCatalog.get("__nonexist__") if metadata is None else metadata
        self.cpu_device = torch.device("cpu")
        self.keypoint_threshold = KEYPOINT_THRESHOLD
        self._instance_mode = instance_mode
        # Of its own: drawing must not change the random numbers of a training that goes on beside it.
        self._rng = np.random.default_rng(0)

    def draw_instance_predictions(self, predictions: Any, jittering: bool = True) -> VisImage:
        """
        Args:
            predictions: Instances of this picture's size with any of ``pred_boxes``, ``scores``,
                ``pred_classes``, ``pred_masks`` ((N, H, W) or a mask structure), ``pred_keypoints``.
            jittering: in ColorMode.SEGMENTATION, vary the class's colour between instances.
        """
        boxes = predictions.pred_boxes if predictions.has("pred_boxes") else None
        scores = predictions.scores if predictions.has("scores") else None
        classes = predictions.pred_classes.tolist() if predictions.has("pred_classes") else None
        labels = _create_text_labels(classes, scores, self.metadata.get("thing_classes", None))
        keypoints = predictions.pred_keypoints if predictions.has("pred_keypoints") else None
        masks = self._convert_masks(predictions.pred_masks) if predictions.has("pred_masks") else None

        colors, alpha = None, 0.4
        if self._colors_by_class() and classes is not None:
            colors, alpha = self._class_colors(classes, jittering), 0.6
        if self._instance_mode == ColorMode.IMAGE_BW:
            self.output.reset_image(self._create_grayscale_image(union_of(masks) if masks else None))
            alpha = 0.3
        return self.overlay_instances(
            boxes=boxes, labels=labels, masks=masks, keypoints=keypoints, assigned_colors=colors, alpha=alpha
        )

    def draw_dataset_dict(self, dic: dict[str, Any]) -> VisImage:
        """
        Ground truth in Detectron2's dataset format: ``annotations`` with "bbox", "bbox_mode", "category_id",
        "segmentation", "iscrowd", "keypoints"; also ``sem_seg_file_name``.
        """
        annotations = dic.get("annotations") or []
        if annotations:
            with_mask = any(a.get("segmentation") for a in annotations)
            with_keypoints = all("keypoints" in a for a in annotations)
            classes = [a["category_id"] for a in annotations]
            names = self.metadata.get("thing_classes", None)
            crowds = [a.get("iscrowd", 0) for a in annotations]
            self.overlay_instances(
                boxes=[_xyxy(a) for a in annotations],
                labels=_create_text_labels(classes, None, names, crowds),
                masks=[a.get("segmentation") or [] for a in annotations] if with_mask else None,
                keypoints=np.array([a["keypoints"] for a in annotations], float).reshape(len(classes), -1, 3)
                if with_keypoints
                else None,
                assigned_colors=self._class_colors(classes) if self._colors_by_class() else None,
                alpha=0.4,
            )
        if dic.get("sem_seg") is not None:
            self.draw_sem_seg(dic["sem_seg"], alpha=0.5)
        elif "sem_seg_file_name" in dic:
            self.draw_sem_seg(_read_labels(dic["sem_seg_file_name"]), alpha=0.5)
        return self.output

    def overlay_instances(
        self,
        *,
        boxes: Any = None,
        labels: Sequence[str] | None = None,
        masks: Any = None,
        keypoints: Any = None,
        assigned_colors: Sequence[Any] | None = None,
        alpha: float = 0.5,
    ) -> VisImage:
        """
        Draw N instances: the largest first, so that the small ones lie on top, and the labels over all.

        Args:
            boxes: Boxes, or (N, 4) XYXY; (N, 5) are rotated boxes.
            labels: N texts. One that finds no place is left out, in a crowd also one larger than its object.
            masks: BitMasks, PolygonMasks, (N, H, W), or a list of what ``GenericMask`` takes.
            keypoints: (N, K, 3): x, y, score.
            assigned_colors: N colours; None: each instance its own.
            alpha: opacity of the masks' fill.
        """
        box_array = None if boxes is None else self._convert_boxes(boxes)
        if box_array is not None and len(box_array) and box_array.shape[1] == 5:
            return self.overlay_rotated_instances(box_array, labels, assigned_colors)
        mask_list = None if masks is None else self._convert_masks(masks)
        points = None if keypoints is None else as_array(keypoints)
        given = {"boxes": box_array, "labels": labels, "masks": mask_list, "keypoints": points}
        given["assigned_colors"] = assigned_colors
        if common_length(given) == 0 or (box_array is None and mask_list is None and points is None):
            return self.output

        extents = extents_of(box_array, mask_list, points)
        colors = list(assigned_colors) if assigned_colors is not None else self._distinct(extents)
        sizes = np.prod(extents[:, 2:] - extents[:, :2], axis=1)
        order = np.argsort(-sizes, kind="stable")
        if mask_list is not None:
            for i in order:
                self._draw_mask(mask_list[i], colors[i], None, alpha)
        if box_array is not None:
            for i in order:
                self.draw_box(box_array[i], alpha=BOX_ALPHA, edge_color=colors[i])
        for keypoints_of_instance in points if points is not None else ():
            self.draw_and_connect_keypoints(keypoints_of_instance)
        if labels is not None:
            self._draw_labels([labels[i] for i in order], extents[order], [colors[i] for i in order], box_array is None)
        return self.output

    def _draw_labels(self, labels: list[str], extents: np.ndarray, colors: list[Any], centered: bool) -> None:
        canvas = self.output.canvas
        layout = LabelLayout(*canvas.shape[:2])
        rendered = [self._render(label) if label else None for label in labels]
        crowded = layout.is_crowded([layers[0].shape for layers in rendered if layers is not None])
        for layers, extent, color in zip(rendered, extents * self.output.scale, colors, strict=True):
            if layers is None:
                continue
            height, width = layers[0].shape
            if crowded and (extent[2] - extent[0] < width or extent[3] - extent[1] < height):
                continue
            corner = layout.place((height, width), tuple(extent), centered)
            if corner is not None:
                draw_text_plate(canvas, layers, corner, _colors.readable_on_dark(color))

    def overlay_rotated_instances(
        self,
        boxes: Any = None,
        labels: Sequence[str] | None = None,
        assigned_colors: Sequence[Any] | None = None,
    ) -> VisImage:
        """``boxes``: (N, 5): centre x, y, width, height, angle in degrees counter-clockwise."""
        array = np.zeros((0, 5)) if boxes is None else self._convert_boxes(boxes).reshape(-1, 5)
        extents = np.concatenate([array[:, :2], array[:, :2]], axis=1)
        colors = list(assigned_colors) if assigned_colors is not None else self._distinct(extents)
        for i in np.argsort(-array[:, 2] * array[:, 3], kind="stable"):
            label = None if labels is None else labels[i]
            self.draw_rotated_box_with_label(array[i], edge_color=colors[i], label=label)
        return self.output

    def draw_rotated_box_with_label(
        self,
        rotated_box: Sequence[float],
        alpha: float = 0.5,
        edge_color: Any = "g",
        line_style: str = "-",
        label: str | None = None,
    ) -> VisImage:
        """``rotated_box``: centre x, y, width, height, angle in degrees counter-clockwise."""
        x, y, width, height, angle = (float(c) for c in rotated_box)
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        half = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
        # y points down: a counter-clockwise turn takes (dx, dy) to (cos dx + sin dy, -sin dx + cos dy).
        corners = half @ np.array([[cos, -sin], [sin, cos]]) + (x, y)
        self._line(corners * self.output.scale, edge_color, alpha=alpha, closed=True, style=line_style)
        if label:
            self.draw_text(label, corners[0], color=edge_color, horizontal_alignment="left")
        return self.output

    def draw_and_connect_keypoints(self, keypoints: Any) -> VisImage:
        """
        Args:
            keypoints: (K, 3): x, y, score; those of a score of at most ``keypoint_threshold`` are left out.
                Lines go where the metadata's ``keypoint_connection_rules`` (name, name, colour) say.
        """
        names = self.metadata.get("keypoint_names", None)
        seen = {
            (names[i] if names else i): (float(x), float(y))
            for i, (x, y, score) in enumerate(as_array(keypoints))
            if score > self.keypoint_threshold
        }
        for first, second, color in self.metadata.get("keypoint_connection_rules", None) or ():
            if first in seen and second in seen:
                x_data, y_data = zip(seen[first], seen[second], strict=True)
                self.draw_line(x_data, y_data, [c / 255 for c in color])
        for point in seen.values():
            self.draw_circle(point, color="red", radius=self._default_line_width * 1.5)
        return self.output

    def draw_sem_seg(
        self,
        sem_seg: Any,
        area_threshold: float | None = None,
        alpha: float = 0.8,
        draw_text: bool = True,
        edge_color: Any = OFF_WHITE,
    ) -> VisImage:
        """``sem_seg``: (H, W) class of each pixel; classes unknown to the metadata's ``stuff_classes`` are left out."""
        label_map = as_array(sem_seg)
        names = self.metadata.get("stuff_classes", None)
        present, counts = np.unique(label_map, return_counts=True)
        for label in present[np.argsort(-counts, kind="stable")]:
            if names is not None and not 0 <= label < len(names):
                continue
            self.draw_binary_mask(
                label_map == label,
                color=self._stuff_color(int(label)),
                edge_color=edge_color,
                text=names[label] if draw_text and names is not None else None,
                alpha=alpha,
                area_threshold=area_threshold,
            )
        return self.output

    def draw_panoptic_seg(
        self,
        panoptic_seg: Any,
        segments_info: Sequence[dict[str, Any]] | None,
        area_threshold: float | None = None,
        alpha: float = 0.7,
    ) -> VisImage:
        """
        Args:
            panoptic_seg: (H, W) segment of each pixel.
            segments_info: dicts with "id", "category_id", "isthing", and perhaps "score". None: every id is
                category_id * ``metadata.label_divisor`` + number, and of a thing.
        """
        ids = as_array(panoptic_seg)
        if segments_info is None:
            divisor = self.metadata.get("label_divisor", 1000)  # the COCO panoptic tools' own
            segments_info = [
                {"id": int(i), "category_id": int(i) // divisor, "isthing": True} for i in np.unique(ids) if i >= 0
            ]
        masks = {segment["id"]: ids == segment["id"] for segment in segments_info}
        for segment in segments_info:
            if not segment["isthing"]:
                category, names = segment["category_id"], self.metadata.get("stuff_classes", None)
                self.draw_binary_mask(
                    masks[segment["id"]],
                    color=self._stuff_color(category),
                    edge_color=OFF_WHITE,
                    text=names[category] if names else None,
                    alpha=alpha,
                    area_threshold=area_threshold,
                )
        things = [segment for segment in segments_info if segment["isthing"] and masks[segment["id"]].any()]
        if things:
            classes = [segment["category_id"] for segment in things]
            scores = [segment["score"] for segment in things] if all("score" in s for s in things) else None
            self.overlay_instances(
                masks=[masks[segment["id"]] for segment in things],
                labels=_create_text_labels(classes, scores, self.metadata.get("thing_classes", None)),
                assigned_colors=self._class_colors(classes) if self.metadata.get("thing_colors", None) else None,
                alpha=alpha,
            )
        return self.output

    draw_panoptic_seg_predictions = draw_panoptic_seg

    def _colors_by_class(self) -> bool:
        return self._instance_mode == ColorMode.SEGMENTATION and bool(self.metadata.get("thing_colors", None))

    def _class_colors(self, classes: Sequence[int], jittering: bool = True) -> list[RGB]:
        colors = [_colors.rgb([c / 255 for c in self.metadata.thing_colors[k]]) for k in classes]
        return [self._jitter(color) for color in colors] if jittering else colors

    def _stuff_color(self, label: int) -> RGB:
        known = self.metadata.get("stuff_colors", None)
        return _colors.rgb([c / 255 for c in known[label]]) if known else _colors.palette(label)

    def _jitter(self, color: Any) -> RGB:
        return _colors.jitter(color, self._rng)

    def _distinct(self, extents: np.ndarray) -> list[RGB]:
        return _colors.distinct_colors((extents[:, :2] + extents[:, 2:]) / 2)

    def _create_grayscale_image(self, mask: np.ndarray | None = None) -> np.ndarray:
        """The picture in grey, in colour where ``mask`` (H, W) is."""
        grey = self.img.astype(np.float32).mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
        return grey if mask is None else np.where(mask[:, :, None] > 0, self.img, grey)

    def _convert_boxes(self, boxes: Any) -> np.ndarray:
        array = as_array(boxes.tensor if hasattr(boxes, "tensor") else boxes).astype(float)
        return array.reshape(0, 4) if array.size == 0 else array

    def _convert_masks(self, masks: Any) -> list[GenericMask]:
        if isinstance(masks, PolygonMasks):
            masks = masks.polygons
        elif isinstance(masks, (BitMasks, torch.Tensor)):
            masks = as_array(masks.tensor if isinstance(masks, BitMasks) else masks)
        return [GenericMask(as_array(m) if isinstance(m, torch.Tensor) else m, *self.img.shape[:2]) for m in masks]


def _xyxy(annotation: dict[str, Any]) -> Any:
    """The box as XYXY; a rotated one, of five numbers, stays as it is."""
    box = annotation["bbox"]
    return BoxMode.convert(box, annotation["bbox_mode"], BoxMode.XYXY_ABS) if len(box) == 4 else box


def _read_labels(path: str) -> np.ndarray:
    with PathManager.open(path, "rb") as file:
        return np.asarray(Image.open(file))
