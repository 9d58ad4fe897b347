"""
Images of different sizes as one padded batch.

Shapes: N images, C channels; image i is (C, Hi, Wi), the batch (N, C, H, W) with each image in the top left
corner.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from detectron2.layers.wrappers import is_symbolic, shapes_to_tensor


class ImageList:
    """
    Attributes:
        tensor: (N, H, W) or (N, C, H, W).
        image_sizes: N (height, width) without padding.
    """

    def __init__(self, tensor: torch.Tensor, image_sizes: list[tuple[int, int]]) -> None:
        self.tensor = tensor
        self.image_sizes = image_sizes

    def __len__(self) -> int:
        return len(self.image_sizes)

    def __getitem__(self, idx: int) -> torch.Tensor:
        """Image ``idx`` without its padding, (Hi, Wi) or (C, Hi, Wi): a view."""
        height, width = self.image_sizes[idx]
        return self.tensor[idx, ..., :height, :width]

    def to(self, *args: Any, **kwargs: Any) -> ImageList:
        """As ``torch.Tensor.to``."""
        return ImageList(self.tensor.to(*args, **kwargs), self.image_sizes)

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    @staticmethod
    def from_tensors(
        tensors: list[torch.Tensor],
        size_divisibility: int = 0,
        pad_value: float = 0.0,
        padding_constraints: dict[str, int] | None = None,
    ) -> ImageList:
        """
        Args:
            tensors: images, (Hi, Wi) or (C, Hi, Wi), alike in all but the last two axes.
            size_divisibility: the batch's H and W become multiples of it, for a backbone that halves them
                often.
            pad_value: fills what images do not cover.
            padding_constraints: may hold "size_divisibility", which overrides the argument, and
                "square_size": the H and W of the batch, when above 0 (ViTDet pads everything to one square).
        """
        if not isinstance(tensors, (list, tuple)) or len(tensors) == 0:
            raise AssertionError(f"ImageList.from_tensors needs a list of at least one tensor, but got {tensors!r}.")
        for image in [] if is_symbolic() else tensors:
            if image.shape[:-2] != tensors[0].shape[:-2]:
                raise AssertionError(
                    "ImageList.from_tensors needs images that differ only in height and width, but got "
                    f"shapes {tuple(tensors[0].shape)} and {tuple(image.shape)}."
                )
        constraints = padding_constraints or {}
        divisor = constraints.get("size_divisibility", size_divisibility)
        square = constraints.get("square_size", 0)
        sizes = [(image.shape[-2], image.shape[-1]) for image in tensors]
        height, width = _batch_size(sizes, divisor, square)
        return ImageList(_pad_and_stack(tensors, sizes, height, width, pad_value), sizes)


def _batch_size(sizes: list[tuple[int, int]], divisor: int, square: int) -> tuple[int, int]:
    """(H, W) that holds all ``sizes``, rounded up to multiples of ``divisor``; symbols while traced."""
    if torch.jit.is_tracing():
        largest = torch.stack([shapes_to_tensor(list(size)) for size in sizes]).max(dim=0).values
        if square > 0:
            largest = torch.full_like(largest, square)
        if divisor > 1:
            largest = (largest + (divisor - 1)).div(divisor, rounding_mode="floor") * divisor
        return largest[0], largest[1]  # type: ignore[return-value]
    height, width = (square, square) if square > 0 else (max(h for h, _ in sizes), max(w for _, w in sizes))
    if divisor > 1:
        # Rounded up without a negative number, whose floor division ONNX rounds towards zero.
        height, width = ((side + divisor - 1) // divisor * divisor for side in (height, width))
    return height, width


def _pad_and_stack(
    tensors: list[torch.Tensor], sizes: list[tuple[int, int]], height: int, width: int, pad_value: float
) -> torch.Tensor:
    """(N, ..., height, width)."""
    if len(tensors) == 1 or is_symbolic():  # a graph needs values, not places to write them to
        padded = [
            F.pad(image, (0, width - w, 0, height - h), value=pad_value)
            for image, (h, w) in zip(tensors, sizes, strict=True)
        ]
        return torch.stack(padded)
    batch = tensors[0].new_full((len(tensors), *tensors[0].shape[:-2], height, width), pad_value)
    for i, (image, (h, w)) in enumerate(zip(tensors, sizes, strict=True)):
        batch[i, ..., :h, :w].copy_(image)
    return batch
