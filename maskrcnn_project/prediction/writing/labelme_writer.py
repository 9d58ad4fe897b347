"""What was found as LabelMe files: a person corrects it instead of drawing it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from maskrcnn_project.datasets.conversion.collection import shift
from maskrcnn_project.datasets.conversion.labelme_file import (
    CLASS_LIST,
    file_content,
    free_group,
    mask_shape,
    polygon_shapes,
)
from maskrcnn_project.files import write_text
from maskrcnn_project.masks.coding import Polygon, outlines
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.layout import Layout


class LabelMeWriter:
    """
    A JSON file for each image, which names the image where it lies, and ``labels.txt`` with the classes.

    An object is a polygon, several with a common ``group_id`` where it has several parts, or a ``mask`` shape, exact to
    the pixel, where it has a hole. The score stands in the shape's description.
    """

    def __init__(self, layout: Layout, class_names: Sequence[str], image_root: Path, tolerance: float = 1.0):
        """
        Args:
            image_root: the folder that the images' names are below.
            tolerance: pixels that a polygon may leave the border of the mask by; fewer points are easier to move. 0
                keeps every pixel.

        Raises:
            ValueError: a tolerance below 0.
        """
        if not 0 <= tolerance < float("inf"):
            raise ValueError(f"The polygon tolerance is a number of pixels, 0 or more, but is {tolerance}.")
        self.layout, self.class_names = layout, class_names
        self.image_root, self.tolerance = image_root, tolerance

    def add(self, name: PurePosixPath, image: np.ndarray | None, found: Detections) -> None:
        """
        Writes one file; the image's pixels are not looked at.

        Raises:
            ValueError: detections without masks.
            FileExistsError: there is another file already, which somebody may have corrected.
        """
        path = self.layout.place(name, ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        shapes = shapes_of(found, self.class_names, self.tolerance)
        content = file_content(shapes, self.image_root.absolute() / name, path.parent.absolute(), found.size)
        _write(path, json.dumps(content, indent=1, ensure_ascii=False))

    def finish(self) -> None:
        """Writes the list of the classes. Raises FileExistsError if there is another one."""
        self.layout.folder.mkdir(parents=True, exist_ok=True)
        _write(self.layout.folder / CLASS_LIST, "".join(f"{name}\n" for name in self.class_names))


def shapes_of(found: Detections, class_names: Sequence[str], tolerance: float) -> list[dict[str, Any]]:
    """LabelMe's shapes of all instances that have a pixel."""
    if found.masks is None:
        raise ValueError("LabelMe files hold masks, but this model finds boxes only.")
    shapes: list[dict[str, Any]] = []
    for index, number in enumerate(found.classes.tolist()):
        mask = found.crop(index)
        outer, holes = outlines(mask.pixels)
        label = class_names[number]
        if holes:
            new = [mask_shape(label, mask)]
        else:
            polygons = [shift(simplify(polygon, tolerance), mask.window.x, mask.window.y) for polygon in outer]
            new = polygon_shapes(label, polygons, free_group(shapes))
        shapes += [shape | {"description": f"score {found.scores[index]:.2f}"} for shape in new]
    return shapes


def simplify(polygon: Polygon, tolerance: float) -> Polygon:
    """
    ``polygon`` with only so many of its points that the line through them passes all of the others at ``tolerance``
    pixels at most (Douglas and Peucker 1973); as it is, where less than a triangle would be left.
    """
    points = np.asarray(polygon, dtype=np.float32).reshape(-1, 1, 2)
    fewer = cv2.approxPolyDP(points, tolerance, closed=True)
    return fewer.ravel().tolist() if len(fewer) >= 3 else polygon


def _write(path: Path, text: str) -> None:
    if path.exists():
        if path.read_text("utf-8") == text:  # by a run that was interrupted
            return
        raise FileExistsError(
            f"{path} exists already with other content, perhaps corrected by hand, and is not overwritten: choose "
            "another --output, or remove it."
        )
    write_text(path, text)
