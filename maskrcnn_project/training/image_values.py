"""Which values of images of more than 8 bits become 0 and 255 in a run: measured once, before it begins."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode

from maskrcnn_project.datasets.image_file import ValueRange, is_deep, largest_value, measure_range


def choose_value_range(cfg: CfgNode, given: Container[str], files: Sequence[Path]) -> str:
    """
    Sets INPUT.RANGE where training images have more than 8 bits: to what RANGE_PERCENTILES say of their values, or to
    the full range of their type where the user gave ().

    Args:
        given: the keys that the user set.
        files: the training images.

    Returns:
        What was chosen, as a line to print; "" where all images have 8 bits, or the user gave the limits.

    Raises:
        ValueError: INPUT.RANGE, RANGE_PERCENTILES or PAGE makes no sense.
        OSError: an image cannot be read, or has no such page.
    """
    ValueRange.of(cfg.INPUT.RANGE, cfg.INPUT.PAGE)
    percentiles = _percentiles(cfg.INPUT.RANGE_PERCENTILES)
    if cfg.INPUT.RANGE:
        return ""
    deep = [path for path in files if is_deep(path)]
    if not deep:
        return ""
    if "INPUT.RANGE" in given:
        cfg.INPUT.RANGE = (0.0, largest_value(deep[0], cfg.INPUT.PAGE))
        how = "the full range of their type"
    else:
        cfg.INPUT.RANGE = measure_range(deep, percentiles, cfg.INPUT.PAGE)
        how = f"the percentiles {percentiles[0]:g} and {percentiles[1]:g}"
    low, high = cfg.INPUT.RANGE
    return (
        f"INPUT.RANGE ({low:g}, {high:g}): {len(deep)} training images have more than 8 bits per value; these values, "
        f"{how}, become 0 and 255."
    )


def _percentiles(values: Sequence[Any]) -> tuple[float, float]:
    if len(values) != 2 or not 0 <= values[0] < values[1] <= 100:
        raise ValueError(
            f"INPUT.RANGE_PERCENTILES must be two percentiles from 0 to 100, the lower first, but is {tuple(values)}."
        )
    return float(values[0]), float(values[1])
