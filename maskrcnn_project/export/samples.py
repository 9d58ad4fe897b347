"""Images to check an exported file on: each as it is, turned, and cut to a size that no stride divides; and nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.data.transforms import ResizeShortestEdge

from maskrcnn_project.datasets.image_file import read_image, value_range
from maskrcnn_project.datasets.register import register_descriptions
from maskrcnn_project.datasets.shapes.shapes import draw_image

logger = logging.getLogger(__name__)

MAX_SAMPLES = 3  # of the test set, if none are named
# A graph of torch.export takes no image whose coarsest map, a 64th of the padded image, has a side of one cell.
MIN_SIDE = 65


def sample_images(cfg: CfgNode, files: Sequence[Path]) -> list[np.ndarray]:
    """
    Pictures (H, W, 3) uint8 in the order of INPUT.FORMAT: those of ``files``, else the first ones of the config's test
    set, else, where that is not on this machine, drawn shapes.
    """
    order = cfg.INPUT.FORMAT
    chosen = list(files) or _files_of_test_set(cfg)
    if chosen:
        return [read_image(file, order, value_range(cfg)) for file in chosen]
    drawn = [draw_image(seed=0, split="val", index=index, size=256)[0] for index in range(MAX_SAMPLES)]
    return [picture if order == "RGB" else picture[:, :, ::-1] for picture in drawn]


def _files_of_test_set(cfg: CfgNode) -> list[Path]:
    try:
        register_descriptions(cfg.DATASETS.DESCRIPTIONS)
        records = DatasetCatalog.get(cfg.DATASETS.TEST[0]) if cfg.DATASETS.TEST else []
    except (OSError, KeyError, ValueError) as error:
        logger.warning("The test set of the config cannot be read, so drawn shapes are used (%s)", error)
        return []
    return [Path(record["file_name"]) for record in records[:MAX_SAMPLES]]


def model_input(picture: np.ndarray, cfg: CfgNode) -> torch.Tensor:
    """(H, W, 3) uint8 -> (3, H', W') float32, resized as in testing."""
    resize = ResizeShortestEdge([cfg.INPUT.MIN_SIZE_TEST] * 2, cfg.INPUT.MAX_SIZE_TEST)
    resized = resize.get_transform(picture).apply_image(np.ascontiguousarray(picture))
    return torch.from_numpy(resized.astype(np.float32).transpose(2, 0, 1).copy())


def several_sizes(pictures: Sequence[np.ndarray], cfg: CfgNode) -> Iterator[torch.Tensor]:
    """
    Model inputs: each picture, then turned by 90 degrees, then cut to odd sides, wide and high in turn; at last one
    picture of the mean colour and hardly any noise, in which there is nothing to find.
    """
    for index, picture in enumerate(pictures):
        image = model_input(picture, cfg)
        yield image
        yield image.transpose(1, 2).contiguous()
        eighths = (5, 7) if index % 2 == 0 else (7, 5)
        sides = [max(MIN_SIDE, side * part // 8 | 1) for side, part in zip(image.shape[1:], eighths, strict=True)]
        yield image[:, : sides[0], : sides[1]].contiguous()
    size = (cfg.INPUT.MIN_SIZE_TEST or MIN_SIDE, cfg.INPUT.MAX_SIZE_TEST)
    # One grey level of noise: without any, places would be exactly alike, and which of them is found mere chance.
    noise = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    yield noise + torch.tensor(cfg.MODEL.PIXEL_MEAN)[:, None, None]
