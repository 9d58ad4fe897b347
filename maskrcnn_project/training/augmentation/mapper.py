"""The mapper that mixes images: Detectron2's DatasetMapper with access to the other records of the training set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data import DatasetFromList
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T

from maskrcnn_project.datasets.image_file import ValueRange, read_image
from maskrcnn_project.training.augmentation.copy_paste import draw_objects, paste
from maskrcnn_project.training.augmentation.geometry import RandomView
from maskrcnn_project.training.augmentation.mosaic import TILES, draw_corners, mosaic
from maskrcnn_project.training.augmentation.sample import Sample, read_sample


class MixingMapper:
    """
    From a record to a model's input, as DatasetMapper in training, with mosaic and copy-paste on the way.

    One image goes through ``before``, ``resize`` and ``after``, is mixed with others, and then through ``colour``. The
    others go through the same, but for their own size in place of ``resize``, so that one tone lies over all.
    """

    def __init__(
        self,
        records: DatasetFromList | Sequence[dict[str, Any]],
        *,
        image_format: str,
        before: Sequence[T.Augmentation],
        resize: Sequence[T.Augmentation],
        after: Sequence[T.Augmentation],
        colour: Sequence[T.Augmentation],
        fixed_size: tuple[int, int] | None = None,
        mosaic_probability: float = 0.0,
        mosaic_scales: tuple[float, float] = (0.5, 1.5),
        paste_probability: float = 0.0,
        paste_scales: tuple[float, float] = (0.1, 2.0),
        min_visible: float = 0.0,
        values: ValueRange | None = None,
    ):
        """
        Args:
            records: what the others are drawn from. Worker processes share a DatasetFromList, but copy a list.
            image_format: as for Detectron2's ``read_image``.
            before, after: geometry before and after ``resize``; ``after`` keeps the size.
            resize: brings an image to the size of training.
            colour: what touches pixels alone.
            fixed_size: (height, width) that ``resize`` always gives; None: what its first augmentation draws.
            mosaic_probability, paste_probability: 0 to 1, for each sample.
            mosaic_scales: an image's size in the mosaic, as a factor of its size in training.
            paste_scales: likewise for the image whose objects are pasted.
            min_visible: objects of which less than this fraction stays visible are left out, 0 to 1.
            values: how images of more than 8 bits are read.
        """
        self.records = records
        self.image_format = image_format
        self.before = list(before)
        self.resize = list(resize)
        self.after = list(after)
        self.colour = list(colour)
        self.fixed_size = fixed_size
        self.mosaic_probability = mosaic_probability
        self.mosaic_scales = mosaic_scales
        self.paste_probability = paste_probability
        self.paste_scales = paste_scales
        self.min_visible = min_visible
        self.values = values

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """
        Args:
            dataset_dict: a record; not changed.

        Returns:
            The record without "annotations", with "image", a (C, H, W) tensor, and "instances" at (H, W). "height",
            "width" and "file_name" are those of the record, of a mosaic those of its upper left image.
        """
        sample = self._base(dataset_dict)
        if np.random.uniform() < self.paste_probability:
            others = self._read(self._another(), sample.image.shape[:2], sample.image.shape[:2], self.paste_scales)
            sample = paste(sample, draw_objects(others), self.min_visible)
        colours = T.AugInput(sample.image)
        colours.apply_augmentations(self.colour)
        mapped = {key: value for key, value in dataset_dict.items() if key != "annotations"}
        mapped["image"] = torch.from_numpy(np.array(colours.image.transpose(2, 0, 1), order="C"))
        mapped["instances"] = sample.to_instances()
        return mapped

    def _base(self, record: dict[str, Any]) -> Sample:
        """The record's image by itself, or a mosaic of it and three others."""
        if not np.random.uniform() < self.mosaic_probability:
            geometry = [*self.before, *self.resize, *self.after]
            return read_sample(record, geometry, self.image_format, values=self.values)
        canvas = self._training_size(record)
        places = draw_corners(*canvas)
        records = [record, *(self._another() for _ in range(TILES - 1))]
        tiles = [
            self._read(tile, (y1 - y0, x1 - x0), canvas, self.mosaic_scales)
            for tile, (y0, x0, y1, x1) in zip(records, places, strict=True)
        ]
        return mosaic(tiles, places)

    def _read(
        self, record: dict[str, Any], window: tuple[int, int], canvas: tuple[int, int], scales: tuple[float, float]
    ) -> Sample:
        view = RandomView(window, canvas, scales)
        geometry = [*self.before, view, *self.after]
        return read_sample(record, geometry, self.image_format, self.min_visible, self.values)

    def _another(self) -> dict[str, Any]:
        return self.records[np.random.randint(len(self.records))]

    def _training_size(self, record: dict[str, Any]) -> tuple[int, int]:
        """(height, width) that ``resize`` gives the record's image; drawn as it would be, without touching a pixel."""
        if self.fixed_size is not None:
            return self.fixed_size
        height, width = record["height"], record["width"]
        shape_only = np.broadcast_to(np.uint8(0), (height, width, 1))
        transform = self.resize[0].get_transform(shape_only)
        new_width, new_height = np.round(transform.apply_coords(np.array([[width, height]], dtype=float)))[0]
        return int(new_height), int(new_width)


class ValueMapper:
    """
    From a record to a model's input in testing, as DatasetMapper there, for images of any depth: "image", a (C, H, W)
    uint8 tensor, resized, beside the record's own keys.
    """

    def __init__(self, augmentations: Sequence[T.Augmentation], image_format: str, values: ValueRange | None):
        self.augmentations = list(augmentations)
        self.image_format = image_format
        self.values = values

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        image = read_image(dataset_dict["file_name"], self.image_format, self.values)
        utils.check_image_size(mapped := dict(dataset_dict), image)
        aug_input = T.AugInput(image)
        aug_input.apply_augmentations(self.augmentations)
        mapped.pop("annotations", None)
        mapped["image"] = torch.from_numpy(np.array(aug_input.image.transpose(2, 0, 1), order="C"))
        return mapped


class TolerantMapper:
    """
    A mapper of evaluation with which an image that cannot be read, or made a model's input, costs itself alone: in
    place of the input comes a dict with "image_id", "file_name" and, in words, "unreadable".
    """

    def __init__(self, mapper: Callable[[dict[str, Any]], dict[str, Any]]):
        self.mapper = mapper

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.mapper(dataset_dict)
        except Exception as error:  # on damaged files decoders raise nearly every type of error
            keys = ("image_id", "file_name")
            return {**{key: dataset_dict.get(key) for key in keys}, "unreadable": str(error) or type(error).__name__}
