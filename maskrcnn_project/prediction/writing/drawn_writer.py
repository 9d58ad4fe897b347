"""Each image with what was found drawn on it, as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.layout import Layout
from maskrcnn_project.visualization.drawn_detections import draw_detections
from maskrcnn_project.visualization.pictures import save_picture


class DrawnWriter:
    def __init__(self, layout: Layout, class_names: Sequence[str]):
        self.layout, self.class_names = layout, class_names

    def add(self, name: PurePosixPath, image: np.ndarray | None, found: Detections) -> None:
        """Raises OSError where the picture cannot be written."""
        assert image is not None, "pixels are needed to draw on"
        save_picture(self.layout.place(name, ".png"), draw_detections(image, found, self.class_names))

    def finish(self) -> None:
        """Nothing is left to do."""
