"""
Drawing predictions on the frames of a video so that an object keeps its colour.

This file stands above its folder, as ``visualizer`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from . import _colors
from ._canvas import VisImage
from ._colors import PALETTE, RGB
from ._instance_parts import as_array, create_text_labels, union_of
from .visualizer import ColorMode, Visualizer

__all__ = ["VideoVisualizer"]

# An object is the same one as in the frame before if the two overlap by more than half of their union: at
# that measure no two disjoint objects can both claim it.
SAME_OBJECT_IOU = 0.5
# Frames for which an object that is not seen keeps its colour: a third of a second of video.
FRAMES_REMEMBERED = 8


@dataclass
class _Outline:
    """
    Where an object is: its box XYXY, and its mask inside the box of whole pixels that begins at ``corner``.
    """

    box: np.ndarray
    mask: np.ndarray | None = None
    corner: tuple[int, int] = (0, 0)


@dataclass
class _Track:
    category: int
    outline: _Outline
    color: int
    frames_unseen: int = 0


class VideoVisualizer:
    """Draws frame after frame; objects are recognised by their overlap with the frame before."""

    def __init__(self, metadata: Any, instance_mode: ColorMode = ColorMode.IMAGE) -> None:
        """
        Args:
            metadata: of the dataset, as for ``Visualizer``.
            instance_mode: IMAGE (a colour an object, kept) or IMAGE_BW; SEGMENTATION colours by class.
        """
        self.metadata = metadata
        self._instance_mode = instance_mode
        self._tracks: list[_Track] = []
        self._color_of_id: dict[int, RGB] = {}

    def draw_instance_predictions(self, frame: np.ndarray, predictions: Any) -> VisImage:
        """
        Args:
            frame: RGB uint8 (H, W, 3).
            predictions: Instances with ``pred_boxes`` or ``pred_masks``, ``scores``, ``pred_classes``.
                Where a tracker has set ``ID`` (an integer each) or a caller ``COLOR``, these decide on colours.
        """
        visualizer = Visualizer(frame, self.metadata, instance_mode=self._instance_mode)
        if not len(predictions):
            self._forget_unseen(set())
            if self._instance_mode == ColorMode.IMAGE_BW:
                visualizer.output.reset_image(visualizer._create_grayscale_image())
            return visualizer.output

        boxes = visualizer._convert_boxes(predictions.pred_boxes) if predictions.has("pred_boxes") else None
        masks = visualizer._convert_masks(predictions.pred_masks) if predictions.has("pred_masks") else None
        classes = as_array(predictions.pred_classes).tolist() if predictions.has("pred_classes") else None
        alpha = 0.5
        if self._instance_mode == ColorMode.IMAGE_BW:
            covered = union_of(masks) if masks else None
            visualizer.output.reset_image(visualizer._create_grayscale_image(covered))
            alpha = 0.3
        colors = self._colors(visualizer, predictions, boxes, masks, classes)
        scores = predictions.scores if predictions.has("scores") else None
        return visualizer.overlay_instances(
            # With masks, boxes that tremble from frame to frame would only distract.
            boxes=None if masks is not None else boxes,
            masks=masks,
            labels=create_text_labels(classes, scores, self.metadata.get("thing_classes", None)),
            keypoints=predictions.pred_keypoints if predictions.has("pred_keypoints") else None,
            assigned_colors=colors,
            alpha=alpha,
        )

    def draw_sem_seg(self, frame: np.ndarray, sem_seg: Any, area_threshold: float | None = None) -> VisImage:
        """``sem_seg``: (H, W) class of each pixel; classes keep their colours anyway."""
        visualizer = Visualizer(frame, self.metadata)
        visualizer.draw_sem_seg(sem_seg, area_threshold=area_threshold)
        return visualizer.output

    def draw_panoptic_seg_predictions(
        self,
        frame: np.ndarray,
        panoptic_seg: Any,
        segments_info: list[dict[str, Any]],
        area_threshold: float | None = None,
        alpha: float = 0.5,
    ) -> VisImage:
        """See ``Visualizer.draw_panoptic_seg``; things keep their colours from frame to frame."""
        visualizer = Visualizer(frame, self.metadata, instance_mode=self._instance_mode)
        ids = as_array(panoptic_seg)
        stuff = [segment for segment in segments_info if not segment["isthing"]]
        visualizer.draw_panoptic_seg(ids, stuff, area_threshold=area_threshold, alpha=alpha)
        things = [s for s in segments_info if s["isthing"] and (ids == s["id"]).any()]
        masks = visualizer._convert_masks([ids == segment["id"] for segment in things])
        classes = [segment["category_id"] for segment in things]
        outlines = [_outline(mask.bbox(), mask.mask) for mask in masks]
        return visualizer.overlay_instances(
            masks=masks,
            labels=create_text_labels(classes, None, self.metadata.get("thing_classes", None)),
            assigned_colors=self._track(classes, outlines),
            alpha=alpha,
        )

    def _colors(
        self, visualizer: Visualizer, predictions: Any, boxes: Any, masks: Any, classes: list[int] | None
    ) -> list[Any]:
        if predictions.has("COLOR"):
            return list(predictions.COLOR)
        if predictions.has("ID"):
            ids = [int(i) for i in predictions.ID]
            for i in ids:
                self._color_of_id.setdefault(i, _colors.palette(len(self._color_of_id)))
            return [self._color_of_id[i] for i in ids]
        if visualizer._colors_by_class() and classes is not None:
            return visualizer._class_colors(classes, jittering=False)
        count = len(predictions)
        outlines = [
            _outline(masks[i].bbox() if boxes is None else boxes[i], None if masks is None else masks[i].mask)
            for i in range(count)
        ]
        return self._track(classes or [0] * count, outlines)

    def _track(self, classes: list[int], outlines: list[_Outline]) -> list[RGB]:
        """Give each object the colour of the track of its class that it overlaps best, or a new one."""
        pairs = sorted(
            (
                (iou(track.outline, outline), t, i)
                for t, track in enumerate(self._tracks)
                for i, outline in enumerate(outlines)
                if track.category == classes[i]
            ),
            reverse=True,
        )
        track_of: dict[int, int] = {}
        for overlap, t, i in pairs:
            if overlap > SAME_OBJECT_IOU and i not in track_of and t not in track_of.values():
                track_of[i] = t
        for i, t in track_of.items():
            self._tracks[t].outline = outlines[i]
        tracks = [self._tracks[track_of[i]] if i in track_of else None for i in range(len(outlines))]
        self._forget_unseen(set(track_of.values()))
        colors = []
        for i, track in enumerate(tracks):
            if track is None:
                track = _Track(classes[i], outlines[i], self._least_used_color())
                self._tracks.append(track)
            colors.append(_colors.palette(track.color))
        return colors

    def _forget_unseen(self, seen: set[int]) -> None:
        for t, track in enumerate(self._tracks):
            track.frames_unseen = 0 if t in seen else track.frames_unseen + 1
        self._tracks = [track for track in self._tracks if track.frames_unseen <= FRAMES_REMEMBERED]

    def _least_used_color(self) -> int:
        uses = np.bincount([track.color for track in self._tracks], minlength=len(PALETTE))
        return int(np.argmin(uses))


def _outline(box: np.ndarray, mask: np.ndarray | None) -> _Outline:
    if mask is None:
        return _Outline(np.asarray(box, float))
    x, y, width, height = cv2.boundingRect(mask)
    return _Outline(np.asarray(box, float), mask[y : y + height, x : x + width] > 0, (x, y))


def iou(first: _Outline, second: _Outline) -> float:
    """Intersection over union of two objects, of their masks where both have one, else of their boxes."""
    if first.mask is None or second.mask is None:
        return _box_iou(first.box, second.box)
    masks = (first.mask, second.mask)
    corners = np.array([first.corner, second.corner])  # x, y
    left, top = corners.max(axis=0)
    right, bottom = (corners + [mask.shape[::-1] for mask in masks]).min(axis=0)
    if left >= right or top >= bottom:
        return 0.0
    common = [mask[top - y : bottom - y, left - x : right - x] for mask, (x, y) in zip(masks, corners, strict=True)]
    intersection = int((common[0] & common[1]).sum())
    union = int(masks[0].sum()) + int(masks[1].sum()) - intersection
    return intersection / union if union else 0.0


def _box_iou(first: np.ndarray, second: np.ndarray) -> float:
    sides = np.clip(np.minimum(first[2:4], second[2:4]) - np.maximum(first[:2], second[:2]), 0, None)
    intersection = float(sides.prod())
    union = float((first[2:4] - first[:2]).prod() + (second[2:4] - second[:2]).prod()) - intersection
    return intersection / union if union > 0 else 0.0
