"""Which colour an instance is drawn in: its class's, as the dataset's description gives it, or one of the palette."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from detectron2.utils.colormap import colormap

Colour = tuple[int, int, int]  # blue, green, red from 0 to 255, as OpenCV draws


def palette_colours(numbers: Sequence[int] | np.ndarray) -> list[Colour]:
    """The colours with these numbers, from 0 on; after the last the first comes again."""
    table = colormap().round().astype(int).tolist()
    return [_bgr(table[int(number) % len(table)]) for number in numbers]


def instance_colours(
    classes: Sequence[int] | np.ndarray,
    class_count: int,
    thing_colors: Sequence[Sequence[int]] | None = None,
    by_class: bool | None = None,
) -> list[Colour]:
    """
    A colour for each of N instances.

    Args:
        classes: (N,) class numbers, from 0.
        class_count: how many classes there are.
        thing_colors: (red, green, blue) from 0 to 255 of each class, as Detectron2's metadata holds them.
        by_class: a colour for each class, or (False) for each instance; default: for each class, if there are several
            or ``thing_colors`` says its colour.
    """
    if by_class is None:
        by_class = class_count > 1 or thing_colors is not None
    if not by_class:
        return palette_colours(range(len(classes)))
    if thing_colors is None:
        return palette_colours(classes)
    return [_bgr(thing_colors[int(number)][::-1]) for number in classes]


def _bgr(values: Sequence[int]) -> Colour:
    blue, green, red = (int(value) for value in values)
    return blue, green, red
