"""Detectron2's COCO evaluation in little memory: masks become run lengths before they are pasted into large images."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detectron2.evaluation import COCOEvaluator
from torch import nn

from maskrcnn_project.inference.detect import detect

WARM_UP_BATCHES = 5  # as Detectron2's own timing leaves out: the first ones build caches and choose kernels


class Detecting(nn.Module):
    """
    A model that gives ``Detections`` in place of its ``Instances``, for a DetectionEvaluator; and how long it takes.

    Attributes:
        seconds, images: in all batches but the first ones; masks are run lengths by then.
        failures: (file name, reason) of each image that could not be read.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.training = model.training  # evaluation gives back the mode that it finds
        self.batches = self.images = 0
        self.seconds = 0.0
        self.failures: list[tuple[str, str]] = []

    def forward(self, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        readable = [image for image in batch if "unreadable" not in image]
        self.failures += [(image["file_name"], image["unreadable"]) for image in batch if "unreadable" in image]
        begin = time.perf_counter()
        found = iter(detect(self.model, readable) if readable else ())
        self.batches += 1
        if self.batches > WARM_UP_BATCHES:
            self.seconds += time.perf_counter() - begin
            self.images += len(readable)
        return [{} if "unreadable" in image else {"instances": next(found)} for image in batch]

    @property
    def seconds_per_image(self) -> float | None:
        """Of the model and its masks, without the reading of images; None after too few batches."""
        return self.seconds / self.images if self.images else None


class DetectionEvaluator(COCOEvaluator):
    """COCOEvaluator on what ``Detecting`` gives: the same numbers and the same files."""

    def process(self, inputs: Iterable[Mapping[str, Any]], outputs: Iterable[Mapping[str, Any]]) -> None:
        """
        Args:
            inputs: dicts with "image_id".
            outputs: dicts with "instances", which are Detections; without, for an image that could not be read: nothing
                counts as found in it.
        """
        for given, output in zip(inputs, outputs, strict=True):
            if "instances" not in output:
                continue
            image_id = given["image_id"]
            self._predictions.append({"image_id": image_id, "instances": output["instances"].to_results(image_id)})
