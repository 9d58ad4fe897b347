"""Predictions as one COCO JSON file: it can be opened by annotation tools, drawn, and evaluated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from maskrcnn_project.files import AtomicStream
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.run_lengths import area_of, read_run_lengths
from maskrcnn_project.modeling.class_table import ClassTable


class CocoWriter:
    """
    Annotations go to the disk image by image, so that their number does not matter; only the images are held.

    The file holds ``annotations``, ``images`` and ``categories``; an annotation has the usual keys and ``score``.
    """

    def __init__(self, path: Path, classes: ClassTable, image_ids: Mapping[PurePosixPath, int] | None = None):
        """
        Args:
            image_ids: of all images, by name; by default they count from 1 in order of calls.
        """
        self.classes = classes
        self._image_ids = image_ids
        self.images: list[dict[str, Any]] = []
        self.count = 0  # annotations so far
        self._file = AtomicStream(path)
        self._file.write('{"annotations": [')

    def add(self, name: PurePosixPath, image: np.ndarray | None, found: Detections) -> None:
        """Adds what was found in one image; its pixels are not looked at."""
        height, width = found.size
        image_id = len(self.images) + 1 if self._image_ids is None else self._image_ids[name]
        self.images.append({"id": image_id, "file_name": str(name), "height": height, "width": width})
        for result in replace(found, category_ids=tuple(self.classes.ids)).to_results(image_id):
            comma = ",\n" if self.count else "\n"
            self.count += 1
            self._file.write(comma + json.dumps({"id": self.count, **self._annotation(result)}))

    def _annotation(self, result: dict[str, Any]) -> dict[str, Any]:
        """A row of COCO's results as one of its annotations, less the id."""
        box = result["bbox"]
        row = {
            **result,
            "bbox": [round(value, 2) for value in box],
            "score": round(result["score"], 5),
            "iscrowd": 0,
            "area": box[2] * box[3],
        }
        if "segmentation" in result:
            height, width = result["segmentation"]["size"]
            lengths = read_run_lengths(result["segmentation"]["counts"], height * width)
            assert lengths is not None, "a mask that does not fill its image"
            row["area"] = area_of(lengths)
        return row

    def finish(self) -> None:
        """Writes the rest, and gives the file its name."""
        categories = [{"id": i, "name": n} for i, n in zip(self.classes.ids, self.classes.names, strict=True)]
        rest = f'],\n"images": {json.dumps(self.images)},\n"categories": {json.dumps(categories)}}}\n'
        self._file.write(rest)
        self._file.finish()

    def discard(self) -> None:
        """Removes the unfinished file."""
        self._file.discard()
