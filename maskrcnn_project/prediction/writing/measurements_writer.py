"""measurements.csv: one row for each instance of each image."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from maskrcnn_project.files import AtomicStream
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.measurements import Measurement, check_pixel_size, measure

FILE_NAME = "measurements.csv"


class MeasurementsWriter:
    """
    Columns: ``image``, ``instance`` (from 1 in each image: the number in its instance-id picture), ``class``,
    ``score``, and the measures that ``measurements.py`` defines. A column's name ends in its unit: ``area_px2``,
    ``perimeter_px``; with the unit um ``area_um2``. What an instance lacks (a disc's orientation) is left empty.
    """

    def __init__(self, path: Path, class_names: Sequence[str], pixel_size: float = 1.0, unit: str = ""):
        """
        Args:
            pixel_size: the side of a pixel in units.
            unit: letters, e.g. "um"; without one it is "px" where the pixel size is 1, and else not told.

        Raises:
            ValueError: a pixel size or a unit that is none.
        """
        check_pixel_size(pixel_size)
        check_unit(unit)
        self.class_names, self.pixel_size = class_names, pixel_size
        self.count = 0  # rows so far
        self._file = AtomicStream(path)
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(columns(unit or ("px" if pixel_size == 1 else "")))

    def add(self, name: PurePosixPath, image: np.ndarray | None, found: Detections) -> None:
        """Adds the rows of one image; its pixels are not looked at. Raises ValueError for detections without masks."""
        rows = measure(found, self.class_names, self.pixel_size)
        self._rows.writerows(_row(name, row) for row in rows)
        self.count += len(rows)

    def finish(self) -> None:
        """Gives the file its name."""
        self._file.finish()

    def discard(self) -> None:
        """Removes the unfinished file."""
        self._file.discard()


def check_unit(unit: str) -> None:
    """Raises ValueError unless ``unit`` is empty or made of letters: it becomes a part of names of columns."""
    if unit and not unit.isalpha():
        raise ValueError(f"The unit of the pixel size should be letters, such as um or mm, but is {unit!r}.")


def columns(unit: str) -> list[str]:
    """The names of the columns."""
    length, area = (f"_{unit}", f"_{unit}2") if unit else ("", "")
    lengths = ("perimeter", "x1", "y1", "x2", "y2", "centroid_x", "centroid_y", "equivalent_diameter")
    return [
        *("image", "instance", "class", "score", f"area{area}"),
        *(name + length for name in lengths),
        *("orientation_degrees", "solidity", "neighbours"),
    ]


def _row(name: PurePosixPath, row: Measurement) -> list[str]:
    numbers = (row.area, row.perimeter, *row.box, *row.centroid, row.equivalent_diameter, row.orientation, row.solidity)
    return [
        *(str(name), str(row.index), row.class_name, _format(row.score)),
        *(_format(number) for number in numbers),
        str(row.neighbours),
    ]


def _format(number: float) -> str:
    """With 9 digits: a float32 whole, and an area of up to 999,999,999 pixels exactly."""
    return "" if math.isnan(number) else f"{number:.9g}"
