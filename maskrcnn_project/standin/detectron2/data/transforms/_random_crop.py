"""Augmentations that show a part of the image. Each draws from numpy's global generator."""

from __future__ import annotations

import numpy as np
import torch
from detectron2.data.transforms._crop import CropTransform, PadTransform
from detectron2.data.transforms.augmentation import Augmentation
from detectron2.data.transforms.transform import ExtentTransform
from detectron2.structures import Boxes, pairwise_iou
from fvcore.transforms.transform import NoOpTransform, Transform, TransformList
from PIL import Image

__all__ = [
    "FixedSizeCrop",
    "MinIoURandomCrop",
    "RandomCrop",
    "RandomCrop_CategoryAreaConstraint",
    "RandomExtent",
]

_CROP_TYPES = ("relative_range", "relative", "absolute", "absolute_range")


class RandomCrop(Augmentation):
    """A window of a fixed or drawn size at a drawn place."""

    def __init__(self, crop_type: str, crop_size) -> None:
        """
        Args:
            crop_type: what ``crop_size`` means. The window never exceeds the image.

                - "relative": (height, width) as fractions of the image;
                - "relative_range": height and width are drawn, each between its fraction and 1;
                - "absolute": (height, width) in pixels;
                - "absolute_range": height and width are drawn in pixels, each in [min, max] = ``crop_size``.
            crop_size: two numbers.
        """
        super().__init__()
        if crop_type not in _CROP_TYPES:
            raise ValueError(f"crop_type must be one of {', '.join(_CROP_TYPES)}, but is {crop_type!r}.")
        if len(crop_size) != 2:
            raise ValueError(f"crop_size must be two numbers, but is {crop_size}.")
        if crop_type == "absolute_range" and crop_size[0] > crop_size[1]:
            raise ValueError(f"crop_size of an absolute_range must be (min, max), but is {crop_size}.")
        self.crop_type = crop_type
        self.crop_size = crop_size

    def get_transform(self, image):
        height, width = image.shape[:2]
        crop_height, crop_width = self.get_crop_size((height, width))
        return _window_at_random(height, width, crop_height, crop_width)

    def get_crop_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) in pixels of a window in an image of size (height, width)."""
        height, width = image_size
        if self.crop_type in ("relative", "relative_range"):
            fractions = self.crop_size
            if self.crop_type == "relative_range":
                # Single precision, as Detectron2 has it, so that the same seed draws the same window.
                least = np.asarray(self.crop_size, dtype=np.float32)
                fractions = least + np.random.rand(2) * (1 - least)
            return int(height * fractions[0] + 0.5), int(width * fractions[1] + 0.5)
        if self.crop_type == "absolute":
            return min(self.crop_size[0], height), min(self.crop_size[1], width)
        low, high = self.crop_size
        crop_height = np.random.randint(min(height, low), min(height, high) + 1)
        crop_width = np.random.randint(min(width, low), min(width, high) + 1)
        return crop_height, crop_width


def _window_at_random(height: int, width: int, crop_height: int, crop_width: int) -> CropTransform:
    if crop_height > height or crop_width > width:
        raise ValueError(
            f"A crop of size {(crop_height, crop_width)} does not fit into an image of size {(height, width)}."
        )
    y0 = np.random.randint(height - crop_height + 1)
    x0 = np.random.randint(width - crop_width + 1)
    return CropTransform(x0, y0, crop_width, crop_height, width, height)


class RandomCrop_CategoryAreaConstraint(Augmentation):
    """A :class:`RandomCrop` whose window, if ten tries can find one, is not filled by a single class."""

    _TRIES = 10

    def __init__(
        self,
        crop_type: str,
        crop_size,
        single_category_max_area: float = 1.0,
        ignored_category: int | None = None,
    ) -> None:
        """
        Args:
            crop_type, crop_size: as for :class:`RandomCrop`.
            single_category_max_area: largest fraction of the window that one class may take; 1 for no limit.
            ignored_category: class that is not counted.
        """
        super().__init__()
        self.crop_aug = RandomCrop(crop_type, crop_size)
        self.crop_type = crop_type
        self.crop_size = crop_size
        self.single_category_max_area = single_category_max_area
        self.ignored_category = ignored_category

    def get_transform(self, image, sem_seg):
        if self.single_category_max_area >= 1.0:
            return self.crop_aug.get_transform(image)
        height, width = sem_seg.shape
        for _ in range(self._TRIES):
            window = _window_at_random(height, width, *self.crop_aug.get_crop_size((height, width)))
            classes, areas = np.unique(window.apply_segmentation(sem_seg), return_counts=True)
            if self.ignored_category is not None:
                areas = areas[classes != self.ignored_category]
            if len(areas) > 1 and areas.max() < areas.sum() * self.single_category_max_area:
                break
        return window


class FixedSizeCrop(Augmentation):
    """
    A window of a fixed size. Where the image is smaller, it is padded at the right and the bottom.
    Where it is larger, both offsets are the same drawn fraction of what is left over.
    """

    def __init__(
        self, crop_size: tuple[int, int], pad: bool = True, pad_value: float = 128.0, seg_pad_value: int = 255
    ) -> None:
        """
        Args:
            crop_size: (height, width) in pixels.
            pad: pad smaller images to ``crop_size``.
            pad_value: pixel value of the padding.
            seg_pad_value: segmentation value of the padding.
        """
        super().__init__()
        self.crop_size = crop_size
        self.pad = pad
        self.pad_value = pad_value
        self.seg_pad_value = seg_pad_value

    def get_transform(self, image: np.ndarray) -> TransformList:
        size, wanted = np.array(image.shape[:2]), np.array(self.crop_size)
        spare = np.maximum(size - wanted, 0)
        y0, x0 = np.round(spare * np.random.uniform(0.0, 1.0)).astype(int).tolist()
        height, width = np.minimum(size, wanted).tolist()
        transforms: list[Transform] = [CropTransform(x0, y0, width, height, int(size[1]), int(size[0]))]
        if self.pad:
            bottom, right = np.maximum(wanted - size, 0).tolist()
            padding = PadTransform(0, 0, right, bottom, width, height, self.pad_value, self.seg_pad_value)
            transforms.append(padding)
        return TransformList(transforms)


class RandomExtent(Augmentation):
    """A rectangle of drawn scale and place, which may reach beyond the image, where it is black."""

    def __init__(self, scale_range, shift_range) -> None:
        """
        Args:
            scale_range: (min, max) of the rectangle's size as a fraction of the image; above 1 zooms out.
            shift_range: (x, y) widths of the intervals that the shift is drawn from, as fractions of the
                image.
        """
        super().__init__()
        self.scale_range = scale_range
        self.shift_range = shift_range

    def get_transform(self, image):
        height, width = image.shape[:2]
        scale = np.random.uniform(self.scale_range[0], self.scale_range[1])
        x = width * (0.5 + self.shift_range[0] * (np.random.rand() - 0.5))
        y = height * (0.5 + self.shift_range[1] * (np.random.rand() - 0.5))
        half_width, half_height = 0.5 * width * scale, 0.5 * height * scale
        rect = np.array([x - half_width, y - half_height, x + half_width, y + half_height])
        output_size = (int(rect[3] - rect[1]), int(rect[2] - rect[0]))
        return ExtentTransform(src_rect=rect, output_size=output_size, interp=Image.Resampling.BILINEAR)


class MinIoURandomCrop(Augmentation):
    """
    The sampled crop of the SSD paper, section 2.2: every box overlaps the window by at least a drawn IoU.
    """

    def __init__(self, min_ious=(0.1, 0.3, 0.5, 0.7, 0.9), min_crop_size=0.3, mode_trials=1000, crop_trials=50) -> None:
        """
        Args:
            min_ious: the least IoU is drawn among these, 0 (any window) and 1 (the whole image).
            min_crop_size: least height and width of a window, as a fraction of the image.
            mode_trials: how often a least IoU is drawn before the whole image is taken.
            crop_trials: how many windows are drawn for one least IoU.
        """
        super().__init__()
        self.min_ious = min_ious
        self.sample_mode = (1, *min_ious, 0)
        self.min_crop_size = min_crop_size
        self.mode_trials = mode_trials
        self.crop_trials = crop_trials

    def get_transform(self, image, boxes):
        if boxes is None:
            return NoOpTransform()
        boxes = torch.as_tensor(np.asarray(boxes, dtype=np.float32)).reshape(-1, 4)
        height, width = image.shape[:2]
        for _ in range(self.mode_trials):
            min_iou = np.random.choice(self.sample_mode)
            if min_iou == 1:
                break
            for _ in range(self.crop_trials):
                window = self._window(height, width)
                if window is not None and _keeps_boxes(window, boxes, min_iou):
                    x0, y0, x1, y1 = window
                    return CropTransform(x0, y0, x1 - x0, y1 - y0, width, height)
        return NoOpTransform()

    def _window(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """XYXY in whole pixels; None if it is more than twice as long as wide, or empty."""
        crop_width = np.random.uniform(self.min_crop_size * width, width)
        crop_height = np.random.uniform(self.min_crop_size * height, height)
        if not 0.5 <= crop_height / crop_width <= 2:
            return None
        left, top = np.random.uniform(0, width - crop_width), np.random.uniform(0, height - crop_height)
        x0, y0, x1, y1 = int(left), int(top), int(left + crop_width), int(top + crop_height)
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _keeps_boxes(window: tuple[int, int, int, int], boxes: torch.Tensor, min_iou: float) -> bool:
    """
    Whether each of the (N, 4) boxes overlaps enough, and at least one has its centre inside. True without
    boxes.
    """
    if not len(boxes):
        return True
    overlaps = pairwise_iou(Boxes(torch.tensor([window], dtype=torch.float32)), Boxes(boxes))
    if float(overlaps.min()) < min_iou:
        return False
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    corners = torch.tensor(window)
    return bool(((centers > corners[:2]) & (centers < corners[2:])).all(dim=1).any())
