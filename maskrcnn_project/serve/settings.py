"""What is set on the page, and the measurements of what is left of a result then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from maskrcnn_project.errors import sentence
from maskrcnn_project.inference.overlap import check_policy, remove_overlap
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.measurements import Measurement, check_pixel_size, measure
from maskrcnn_project.prediction.writing.measurements_writer import FILE_NAME, MeasurementsWriter, check_unit

MAX_UNIT = 12  # letters, which no unit has, so that the table stays one
DIGITS = 4  # significant, in the table; the CSV has all


@dataclass(frozen=True)
class PageSettings:
    """
    Attributes:
        thresholds: (K,) float32, of each class: instances from this score on are shown.
        overlap: one of the POLICIES of overlap.py.
        pixel_size: the side of a pixel in units.
        unit: letters, or empty.
    """

    thresholds: np.ndarray
    overlap: str
    pixel_size: float
    unit: str

    @classmethod
    def from_query(cls, query: Mapping[str, str], classes: int) -> PageSettings:
        """
        Args:
            query: "thresholds" (numbers with commas between them, one for each of ``classes`` classes), and, where
                they differ from "keep", "1" and "", "overlap", "pixel_size", "unit".

        Raises:
            HTTPException: 400 with a sentence on what is wrong.
        """
        overlap, unit = query.get("overlap", "keep"), query.get("unit", "")
        try:
            thresholds = np.array([float(number) for number in query.get("thresholds", "").split(",")], np.float32)
            pixel_size = float(query.get("pixel_size", "1"))
            check_pixel_size(pixel_size)
            check_policy(overlap)
            check_unit(unit)
        except ValueError as error:
            raise HTTPException(400, sentence(error)) from error
        if len(thresholds) != classes or not ((thresholds >= 0) & (thresholds <= 1)).all():
            raise HTTPException(400, f"Wanted {classes} thresholds from 0 to 1, one for each class.")
        if len(unit) > MAX_UNIT:
            raise HTTPException(400, f"The unit should have at most {MAX_UNIT} letters, but has {len(unit)}.")
        return cls(thresholds, overlap, pixel_size, unit)

    def left(self, found: Detections) -> tuple[list[int], Detections]:
        """(their indices in ``found``, what is left): from the threshold on, and with pixels after the policy."""
        kept = np.flatnonzero(found.scores >= self.thresholds[found.classes])
        # the policy may drop some: the indices travel through it in the place of the classes
        numbered = remove_overlap(replace(found.kept(kept), classes=kept), self.overlap)
        indices = numbered.classes.astype(np.int64)
        return indices.tolist(), replace(numbered, classes=found.classes[indices])


def measure_shown(found: Detections, names: Sequence[str], pixel_size: float) -> list[Measurement]:
    """As ``measure``; of a model without masks, what a box tells."""
    if found.masks is not None:
        return measure(found, names, pixel_size)
    none = math.nan
    boxes = (found.boxes.astype(float) * pixel_size).tolist()
    return [
        Measurement(row + 1, names[kind], score, none, none, tuple(box), (none, none), none, none, none, 0)
        for row, (kind, score, box) in enumerate(zip(found.classes, found.scores.tolist(), boxes, strict=True))
    ]


def table(
    rows: Sequence[Measurement], indices: Sequence[int], boxes: np.ndarray, settings: PageSettings
) -> dict[str, Any]:
    """
    What the page shows of ``rows``.

    Args:
        boxes: (N, 4) of the rows, XYXY in pixels.

    Returns:
        {"columns": [{"title", "number": whether it is set to the right}], "rows": [{"instance": of ``indices``,
        "box": of ``boxes``, "cells": texts, numbers, or None where nothing can be measured}]}.
    """
    unit = settings.unit or ("px" if settings.pixel_size == 1 else "")
    length, area = (f" ({unit})", f" ({unit}²)") if unit else ("", "")
    titles = ("#", "Class", "Score", f"Area{area}", f"Perimeter{length}", f"Diameter{length}", "Solidity",
              "Orientation (°)", "Touching", f"Centre x{length}", f"Centre y{length}", f"Box{length}")  # fmt: skip
    texts = ("Class", titles[-1])
    return {
        "columns": [{"title": title, "number": title not in texts} for title in titles],
        "rows": [
            {"instance": index, "box": box, "cells": _cells(row)}
            for index, box, row in zip(indices, boxes.tolist(), rows, strict=True)
        ],
    }


def as_csv(found: Detections, names: Sequence[str], settings: PageSettings, name: str) -> bytes:
    """The same as a file: the measurements.csv that predict.py writes, of the image ``name``."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        writer = MeasurementsWriter(path, names, settings.pixel_size, settings.unit)
        writer.add(PurePosixPath(name), None, found)
        writer.finish()
        return path.read_bytes()


def _cells(row: Measurement) -> list[str | float | None]:
    numbers = (row.area, row.perimeter, row.equivalent_diameter, row.solidity, row.orientation)
    box = ", ".join(f"{side:.{DIGITS}g}" for side in row.box)
    return [
        row.index,
        row.class_name,
        round(row.score, 3),
        *(_rounded(number) for number in numbers),
        row.neighbours,
        *(_rounded(number) for number in row.centroid),
        box,
    ]


def _rounded(number: float) -> float | None:
    """Whole digits stay; after the point, so many as make DIGITS."""
    if not math.isfinite(number):
        return None
    whole = len(str(int(abs(number))))
    return round(number, max(0, DIGITS - whole)) if abs(number) >= 1 else float(f"{number:.{DIGITS}g}")
