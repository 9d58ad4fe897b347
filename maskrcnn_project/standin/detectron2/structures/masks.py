"""
Masks of the objects of one image: as bitmaps, as polygons, or as predicted inside boxes.

Shapes: N objects, an H x W image, M x M cells of a mask target or prediction, boxes (N, 4) XYXY absolute pixels. A
polygon is a flat float64 array x0, y0, x1, y1, ... of three points or more, in absolute pixels; an object is a list of
polygons, its parts. The COCO tools turn polygons into pixels, so that training targets and evaluation agree.

Choosing rows of ``BitMasks`` and ``PolygonMasks`` with a tensor copies nothing and waits for no device: a training
step chooses 512 objects of an image's twenty and crops a quarter of them, and only the crop needs to know which.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from detectron2.layers.mask_ops import paste_masks_in_image
from detectron2.layers.roi_align import ROIAlign
from detectron2.layers.wrappers import is_symbolic
from detectron2.structures.boxes import Boxes
from detectron2.utils.memory import retry_if_cuda_oom
from pycocotools import mask as coco_mask

__all__ = [
    "BitMasks",
    "PolygonMasks",
    "ROIMasks",
    "polygon_area",
    "polygons_to_bitmask",
    "rasterize_polygons_within_box",
]

# Shortest side, in pixels, that a box is taken to have when its content is stretched to M cells.
MIN_SIDE = 0.1
MIN_POLYGON_NUMBERS = 6  # three points


def polygon_area(x: np.ndarray, y: np.ndarray) -> float:
    """Square pixels inside the polygon with corners (x[i], y[i]), by the shoelace formula."""
    return 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))


def check_polygon(polygon: object) -> np.ndarray:
    """``polygon`` as float64, in which the COCO tools compute; ValueError if it is not a flat list of three points."""
    if isinstance(polygon, torch.Tensor):
        polygon = polygon.detach().cpu().numpy()
    array = np.asarray(polygon, dtype=np.float64)
    if array.ndim != 1 or array.size % 2 != 0 or array.size < MIN_POLYGON_NUMBERS:
        raise ValueError(
            f"A polygon must be a flat list x0, y0, x1, y1, ... of three points or more, but has shape {array.shape}."
        )
    return array


def polygons_to_bitmask(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """(height, width) bool: the union of ``polygons``. None of them cover nothing."""
    return decode_objects([polygons], height, width)[0]


def rasterize_polygons_within_box(polygons: list[np.ndarray], box: np.ndarray, mask_size: int) -> torch.Tensor:
    """
    The part of one object inside ``box``, stretched to a square grid: the target of the mask head (Mask R-CNN, 3.1).

    Args:
        polygons: the object's parts.
        box: (4,) XYXY.
        mask_size: M.

    Returns:
        (M, M) bool.
    """
    return torch.from_numpy(rasterize_objects([polygons], np.asarray(box)[None], mask_size))[0]


def rasterize_objects(objects: list[list[np.ndarray]], boxes: np.ndarray, mask_size: int) -> np.ndarray:
    """``rasterize_polygons_within_box`` for R objects, each in its own one of ``boxes`` (R, 4): (R, M, M) bool."""
    boxes = boxes.astype(np.float64)
    factors = mask_size / np.maximum(boxes[:, 2:] - boxes[:, :2], MIN_SIDE)  # (R, 2): cells per pixel
    moved = [
        [((part.reshape(-1, 2) - origin) * factor).ravel() for part in parts]
        for parts, origin, factor in zip(objects, boxes[:, :2], factors, strict=True)
    ]
    return decode_objects(moved, mask_size, mask_size)


def decode_objects(objects: list[list[np.ndarray]], height: int, width: int) -> np.ndarray:
    """(R, height, width) bool, one plane per object: the union of its polygons."""
    empty = {"size": [height, width], "counts": _encode_nothing(height, width)}
    runs = [coco_mask.merge(coco_mask.frPyObjects(parts, height, width)) if parts else empty for parts in objects]
    if not runs:
        return np.zeros((0, height, width), dtype=bool)
    planes = coco_mask.decode(runs)  # (height, width, R) uint8, column by column: the RLE's own order
    return planes.transpose(2, 0, 1).astype(bool, order="C")


def _encode_nothing(height: int, width: int) -> bytes:
    """The run lengths of an empty mask."""
    return coco_mask.encode(np.zeros((height, width), dtype=np.uint8, order="F"))["counts"]


def _positions(item: torch.Tensor, length: int) -> torch.Tensor:
    """A bool mask or a list of indices over ``length`` rows as (K,) int64 positions."""
    if item.dim() != 1:
        raise IndexError(f"Masks are indexed by one-dimensional tensors, but the tensor has shape {tuple(item.shape)}.")
    if item.dtype != torch.bool:
        return item.long()
    if len(item) != length:
        raise IndexError(f"{length} masks were indexed by a bool tensor of length {len(item)}.")
    return item.nonzero().flatten()


class BitMasks:
    """
    N masks as bitmaps.

    Attributes:
        tensor: (N, H, W) bool.
        image_size: (H, W).
    """

    def __init__(self, tensor: torch.Tensor | np.ndarray) -> None:
        """Takes (N, H, W) of any dtype; what is not 0 belongs to the object."""
        masks = (tensor if isinstance(tensor, torch.Tensor) else torch.as_tensor(tensor)).to(torch.bool)
        if masks.dim() != 3:
            raise AssertionError(f"BitMasks needs a tensor of shape (N, H, W), but was given {tuple(masks.shape)}.")
        self.image_size = masks.shape[1:]
        self._source = masks
        self._rows: torch.Tensor | None = None  # (N,) rows of the source; None: all, in order

    @property
    def tensor(self) -> torch.Tensor:
        if self._rows is not None:
            self._source, self._rows = self._source[self._rows], None
        return self._source

    @tensor.setter
    def tensor(self, tensor: torch.Tensor) -> None:
        self._source, self._rows = tensor, None

    def to(self, *args: Any, **kwargs: Any) -> BitMasks:
        """As ``torch.Tensor.to``; masks stay bool."""
        return BitMasks(self.tensor.to(*args, **kwargs))

    @property
    def device(self) -> torch.device:
        return self._source.device

    def __getitem__(self, item: int | slice | torch.Tensor) -> BitMasks:
        """``masks[int]`` (N = 1), ``masks[slice]``, ``masks[(N,) bool]`` or ``masks[(K,) integer]``."""
        if isinstance(item, torch.Tensor) and not is_symbolic():
            chosen = copy.copy(self)
            positions = _positions(item, len(self)).to(self.device)
            chosen._rows = positions if self._rows is None else self._rows[positions]
            return chosen
        return BitMasks(self.tensor[item][None] if isinstance(item, int) else self.tensor[item])

    def __iter__(self) -> Iterator[torch.Tensor]:
        """The masks, (H, W) each."""
        yield from self.tensor

    def __repr__(self) -> str:
        return f"BitMasks(num_instances={len(self)})"

    def __len__(self) -> int:
        return (self._source if self._rows is None else self._rows).shape[0]

    def nonempty(self) -> torch.Tensor:
        """(N,) bool: the mask has a pixel."""
        return _any(self.tensor.flatten(1), 1)

    @staticmethod
    def from_polygon_masks(polygon_masks: PolygonMasks | list[list[np.ndarray]], height: int, width: int) -> BitMasks:
        """The pixels of ``polygon_masks`` in an image of ``height`` x ``width``, by the COCO tools' rule."""
        objects = polygon_masks.polygons if isinstance(polygon_masks, PolygonMasks) else polygon_masks
        return BitMasks(torch.from_numpy(decode_objects(objects, height, width)))

    @staticmethod
    def from_roi_masks(roi_masks: ROIMasks, height: int, width: int) -> BitMasks:
        """Refused, for ``ROIMasks`` do not know their boxes: use ``ROIMasks.to_bitmasks``."""
        raise NotImplementedError(
            "ROIMasks hold no boxes to paste into: call roi_masks.to_bitmasks(boxes, height, width) instead "
            "of BitMasks.from_roi_masks."
        )

    def crop_and_resize(self, boxes: torch.Tensor, mask_size: int) -> torch.Tensor:
        """
        The part of mask i inside box i, resampled by RoIAlign and cut at one half: the mask head's target.

        Args:
            boxes: (N, 4).
            mask_size: M.

        Returns:
            (N, M, M) bool.
        """
        if len(boxes) != len(self):
            raise AssertionError(f"crop_and_resize needs one box per mask, but got {len(boxes)} and {len(self)}.")
        rows = torch.arange(len(self), device=self.device) if self._rows is None else self._rows
        regions = torch.cat([rows[:, None].to(torch.float32), boxes.to(self.device, torch.float32)], dim=1)  # (N, 5)
        align = ROIAlign((mask_size, mask_size), 1.0, sampling_ratio=0, aligned=True)
        cropped = align(self._source[:, None].to(torch.float32), regions)  # (N, 1, M, M)
        return cropped[:, 0] >= 0.5

    def get_bounding_boxes(self) -> Boxes:
        """The tight box around each mask, its last pixels included; all 0 for a mask without a pixel."""
        x0, x1 = _first_and_end(_any(self.tensor, 1))
        y0, y1 = _first_and_end(_any(self.tensor, 2))
        return Boxes(torch.stack([x0, y0, x1, y1], dim=1).to(torch.float32))

    @staticmethod
    def cat(bitmasks_list: list[BitMasks]) -> BitMasks:
        """All masks of all, in order; they must be of one size."""
        if len(bitmasks_list) == 0 or not all(isinstance(masks, BitMasks) for masks in bitmasks_list):
            raise AssertionError(f"BitMasks.cat needs at least one BitMasks, but was given {bitmasks_list!r}.")
        return BitMasks(torch.cat([masks.tensor for masks in bitmasks_list], dim=0))


def _any(values: torch.Tensor, dim: int) -> torch.Tensor:
    """``values.any(dim)`` of a bool tensor by way of bytes, whose maximum the CPU takes some fifty times as fast."""
    if values.shape[dim] == 0:
        return values.any(dim)
    return values.view(torch.uint8).amax(dim).to(torch.bool)


def _first_and_end(occupied: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of (N, L) bool: the first True and one past the last True of each row, (N,) int64 each; 0 and 0 without one."""
    place = torch.arange(occupied.shape[1], device=occupied.device)
    end = ((place + 1) * occupied).amax(dim=1)
    first = torch.where(occupied, place, occupied.shape[1]).amin(dim=1)
    return torch.minimum(first, end), end


class PolygonMasks:
    """
    N masks as polygons, on the CPU whatever ``to`` says.

    Attributes:
        polygons: N objects, each a list of polygons: float64 arrays x0, y0, x1, y1, ... in absolute pixels.
    """

    def __init__(self, polygons: list[list[torch.Tensor | np.ndarray]]) -> None:
        if not isinstance(polygons, list):
            raise ValueError(
                "PolygonMasks needs a list (objects) of lists (parts) of polygons, but was given "
                f"{type(polygons).__name__}."
            )
        for parts in polygons:
            if not isinstance(parts, list):
                raise ValueError(
                    "PolygonMasks needs a list of polygons for each object, even for a single one, but was "
                    f"given {type(parts).__name__}."
                )
        self._source = [[check_polygon(part) for part in parts] for parts in polygons]
        self._rows: torch.Tensor | None = None  # (N,) objects of the source; None: all, in order

    @property
    def polygons(self) -> list[list[np.ndarray]]:
        if self._rows is not None:
            self._source, self._rows = [self._source[row] for row in self._rows.tolist()], None
        return self._source

    @polygons.setter
    def polygons(self, polygons: list[list[np.ndarray]]) -> None:
        self._source, self._rows = polygons, None

    def to(self, *args: Any, **kwargs: Any) -> PolygonMasks:
        """Itself: polygons live on the CPU."""
        return self

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def __getitem__(self, item: int | slice | list[int] | torch.Tensor) -> PolygonMasks:
        """``masks[int]`` (N = 1), ``masks[slice]``; by a list of ints, (N,) bool or (K,) integer tensor."""
        chosen = copy.copy(self)
        if isinstance(item, (torch.Tensor, np.ndarray)):
            positions = _positions(torch.as_tensor(item), len(self))
            chosen._rows = positions if self._rows is None else self._rows.to(positions.device)[positions]
        elif isinstance(item, (int, slice)):
            chosen.polygons = [self.polygons[item]] if isinstance(item, int) else self.polygons[item]
        else:
            chosen.polygons = [self.polygons[row] for row in item]
        return chosen

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        """The objects, a list of polygons each."""
        return iter(self.polygons)

    def __repr__(self) -> str:
        return f"PolygonMasks(num_instances={len(self)})"

    def __len__(self) -> int:
        return len(self._source) if self._rows is None else self._rows.shape[0]

    def nonempty(self) -> torch.Tensor:
        """(N,) bool: the object has a polygon."""
        return torch.tensor([len(parts) > 0 for parts in self.polygons], dtype=torch.bool)

    def get_bounding_boxes(self) -> Boxes:
        """The tight box around each object's corners; all 0 for one without a polygon."""
        boxes = np.zeros((len(self), 4), dtype=np.float32)
        for box, parts in zip(boxes, self.polygons, strict=True):
            if parts:
                points = np.concatenate(parts).reshape(-1, 2)
                box[:2], box[2:] = points.min(axis=0), points.max(axis=0)
        return Boxes(torch.from_numpy(boxes))

    def area(self) -> torch.Tensor:
        """(N,) square pixels, float32: the sum of each object's polygons, which are taken not to overlap."""
        areas = [sum(polygon_area(part[0::2], part[1::2]) for part in parts) for parts in self.polygons]
        return torch.tensor(areas, dtype=torch.float32)

    def crop_and_resize(self, boxes: torch.Tensor, mask_size: int) -> torch.Tensor:
        """
        The part of object i inside box i, stretched to M x M and rasterised: the mask head's target.

        Args:
            boxes: (N, 4).
            mask_size: M.

        Returns:
            (N, M, M) bool, on the device of ``boxes``.
        """
        if len(boxes) != len(self):
            raise AssertionError(f"crop_and_resize needs one box per mask, but got {len(boxes)} and {len(self)}.")
        if self._rows is None:
            objects, corners = self._source, boxes.detach().cpu().numpy()
        else:  # rows and boxes travel together: one wait for the device; float64 holds both
            table = torch.cat([self._rows[:, None].to(boxes.device, torch.float64), boxes.detach().double()], dim=1)
            numbers = table.cpu().numpy()  # (N, 5)
            objects, corners = [self._source[row] for row in numbers[:, 0].astype(int)], numbers[:, 1:]
        return torch.from_numpy(rasterize_objects(objects, corners, mask_size)).to(boxes.device)

    @staticmethod
    def cat(polymasks_list: list[PolygonMasks]) -> PolygonMasks:
        """All objects of all, in order."""
        if len(polymasks_list) == 0 or not all(isinstance(masks, PolygonMasks) for masks in polymasks_list):
            raise AssertionError(f"PolygonMasks.cat needs at least one PolygonMasks, but was given {polymasks_list!r}.")
        joined = copy.copy(polymasks_list[0])
        joined.polygons = list(itertools.chain.from_iterable(masks.polygons for masks in polymasks_list))
        return joined


class ROIMasks:
    """
    N masks as a mask head predicts them: relative to N boxes, which lie elsewhere.

    Attributes:
        tensor: (N, M, M) probabilities.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        if tensor.dim() != 3:
            raise ValueError(f"ROIMasks needs a tensor of shape (N, M, M), but was given {tuple(tensor.shape)}.")
        self.tensor = tensor

    def to(self, device: torch.device, *args: Any, **kwargs: Any) -> ROIMasks:
        """As ``torch.Tensor.to``."""
        return ROIMasks(self.tensor.to(device, *args, **kwargs))

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __getitem__(self, item: Any) -> ROIMasks:
        """``masks[slice]``, ``masks[(N,) bool]`` or ``masks[(K,) integer]``; an int gives N = 1."""
        return ROIMasks(self.tensor[item][None] if isinstance(item, int) else self.tensor[item])

    def __repr__(self) -> str:
        return f"ROIMasks(num_instances={len(self)})"

    def to_bitmasks(self, boxes: torch.Tensor | Boxes, height: int, width: int, threshold: float = 0.5) -> BitMasks:
        """
        Pastes the masks into an image; see ``detectron2.layers.paste_masks_in_image``.

        Args:
            boxes: (N, 4), or ``Boxes``, in that image's pixels.
        """
        corners = boxes.tensor if isinstance(boxes, Boxes) else boxes
        paste = paste_masks_in_image if is_symbolic() else retry_if_cuda_oom(paste_masks_in_image)
        return BitMasks(paste(self.tensor, corners, (height, width), threshold=threshold))
