"""The one place that reads ``cfg.INPUT.AUGMENT``: from a config to the mapper of the training loader."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetFromList, DatasetMapper
from detectron2.data import transforms as T
from detectron2.data.detection_utils import build_augmentation

from maskrcnn_project.datasets.image_file import value_range
from maskrcnn_project.training.augmentation.colour import RandomBlur, RandomHueSaturation, RandomNoise
from maskrcnn_project.training.augmentation.geometry import MASK_PAD_VALUE, PAD_VALUE, RandomRotationInside
from maskrcnn_project.training.augmentation.mapper import MixingMapper, ValueMapper

logger = logging.getLogger(__name__)

Mapper = Callable[[dict[str, Any]], Any]


def build_training_mapper(cfg: CfgNode, records: DatasetFromList | Sequence[dict[str, Any]]) -> Mapper:
    """
    The mapper that ``cfg.INPUT`` describes: Detectron2's own where nothing of ``INPUT.AUGMENT`` is on.

    Mosaic and copy-paste cut masks pixel by pixel and so give bitmasks, whatever INPUT.MASK_FORMAT says.

    Args:
        records: the training set, from which mosaic and copy-paste draw. Give the DatasetFromList that the loader is
            given, and all worker processes share one copy of it.

    Raises:
        ValueError: a key of INPUT.AUGMENT that makes no sense, or does not go with another.
    """
    check_augmentation(cfg)
    augment = cfg.INPUT.AUGMENT
    # what Detectron2 itself would do: a crop if wanted, the resizing, a flip if wanted
    arguments = DatasetMapper.from_config(cfg, True)
    position = next(i for i, a in enumerate(arguments["augmentations"]) if isinstance(a, T.ResizeShortestEdge))
    before, after = arguments["augmentations"][:position], arguments["augmentations"][position + 1 :]
    jitter = augment.LARGE_SCALE_JITTER
    resize = large_scale_jitter(jitter) if jitter.ENABLED else arguments["augmentations"][position : position + 1]
    turns, colour = rigid_augmentations(augment), colour_augmentations(cfg)
    values = value_range(cfg)
    if augment.MOSAIC.PROBABILITY > 0 or augment.COPY_PASTE.PROBABILITY > 0 or values is not None:
        chances = augment.MOSAIC.PROBABILITY, augment.COPY_PASTE.PROBABILITY
        logger.info("Mosaic with probability %g, copy-paste with %g; masks are trained as bitmasks.", *chances)
        return MixingMapper(
            DatasetFromList(records, copy=False) if isinstance(records, list) else records,
            image_format=cfg.INPUT.FORMAT,
            before=before,
            resize=resize,
            after=[*after, *turns],
            colour=colour,
            fixed_size=(jitter.SIZE, jitter.SIZE) if jitter.ENABLED else None,
            mosaic_probability=augment.MOSAIC.PROBABILITY,
            mosaic_scales=augment.MOSAIC.SCALES,
            paste_probability=augment.COPY_PASTE.PROBABILITY,
            paste_scales=augment.COPY_PASTE.SCALES,
            min_visible=augment.MIN_VISIBLE,
            values=values,
        )
    arguments["augmentations"] = [*before, *resize, *after, *turns, *colour]
    if (jitter.ENABLED or augment.ROTATION.PROBABILITY > 0) and cfg.MODEL.MASK_ON:
        arguments["recompute_boxes"] = True  # a turned or cut object has another box than its turned or cut box
    return DatasetMapper(**arguments)


def build_test_mapper(cfg: CfgNode) -> Mapper | None:
    """The mapper of evaluation, for images of any depth; None: Detectron2's own, where proposals are read as well."""
    if cfg.MODEL.LOAD_PROPOSALS:
        return None
    return ValueMapper(build_augmentation(cfg, False), cfg.INPUT.FORMAT, value_range(cfg))


def build_validation_mapper(
    cfg: CfgNode, records: DatasetFromList | Sequence[dict[str, Any]], mask_format: str
) -> Mapper:
    """From a record to a sample with its objects, as in training, but resized as in testing and never changed."""
    resize = build_augmentation(cfg, False)
    values = value_range(cfg)
    if values is not None:
        return MixingMapper(
            records, image_format=cfg.INPUT.FORMAT, before=(), resize=resize, after=(), colour=(), values=values
        )
    return DatasetMapper(
        True,
        augmentations=resize,
        image_format=cfg.INPUT.FORMAT,
        use_instance_mask=cfg.MODEL.MASK_ON,
        instance_mask_format=mask_format,
    )


def large_scale_jitter(jitter: CfgNode) -> list[T.Augmentation]:
    """The image at a drawn scale, cut or padded to a square."""
    size, (smallest, largest) = jitter.SIZE, jitter.SCALES
    return [
        T.ResizeScale(smallest, largest, size, size),
        T.FixedSizeCrop((size, size), pad=True, pad_value=PAD_VALUE, seg_pad_value=MASK_PAD_VALUE),
    ]


def rigid_augmentations(augment: CfgNode) -> list[T.Augmentation]:
    """Those that move the image and keep its size; only what has a probability."""
    chosen: list[T.Augmentation] = []
    if augment.VERTICAL_FLIP.PROBABILITY > 0:
        chosen.append(T.RandomFlip(augment.VERTICAL_FLIP.PROBABILITY, horizontal=False, vertical=True))
    if augment.ROTATION.PROBABILITY > 0:
        chosen.append(T.RandomApply(RandomRotationInside(augment.ROTATION.DEGREES), augment.ROTATION.PROBABILITY))
    return chosen


def colour_augmentations(cfg: CfgNode) -> list[T.Augmentation]:
    """Those that touch pixels alone, in the order light, lens, sensor; only what can happen."""
    augment, colour = cfg.INPUT.AUGMENT, cfg.INPUT.AUGMENT.COLOUR
    wanted = [  # probability, strength, augmentation
        (colour.PROBABILITY, colour.BRIGHTNESS, T.RandomBrightness(*_round_one(colour.BRIGHTNESS))),
        (colour.PROBABILITY, colour.CONTRAST, T.RandomContrast(*_round_one(colour.CONTRAST))),
        (
            colour.PROBABILITY,
            max(colour.HUE, colour.SATURATION),
            RandomHueSaturation(colour.HUE, colour.SATURATION, cfg.INPUT.FORMAT),
        ),
        (augment.BLUR.PROBABILITY, augment.BLUR.SIGMA, RandomBlur(augment.BLUR.SIGMA)),
        (augment.NOISE.PROBABILITY, augment.NOISE.SIGMA, RandomNoise(augment.NOISE.SIGMA)),
    ]
    return [T.RandomApply(augmentation, chance) for chance, strength, augmentation in wanted if chance and strength]


def _round_one(strength: float) -> tuple[float, float]:
    return 1 - strength, 1 + strength


def check_augmentation(cfg: CfgNode) -> None:
    """Raises ValueError for a value of INPUT.AUGMENT outside of its range, naming the key."""
    augment = cfg.INPUT.AUGMENT
    for name in ("MOSAIC", "COPY_PASTE", "VERTICAL_FLIP", "ROTATION", "COLOUR", "BLUR", "NOISE"):
        _require_between(f"{name}.PROBABILITY", augment[name].PROBABILITY, 0, 1)
    for name in ("BRIGHTNESS", "CONTRAST", "SATURATION"):
        _require_between(f"COLOUR.{name}", augment.COLOUR[name], 0, 1)
    _require_between("COLOUR.HUE", augment.COLOUR.HUE, 0, 180)
    _require_between("ROTATION.DEGREES", augment.ROTATION.DEGREES, 0, 180)
    _require_between("MIN_VISIBLE", augment.MIN_VISIBLE, 0, 1)
    for name in ("BLUR", "NOISE"):
        _require_between(f"{name}.SIGMA", augment[name].SIGMA, 0, 255)
    for name in ("LARGE_SCALE_JITTER", "MOSAIC", "COPY_PASTE"):
        scales = augment[name].SCALES
        if len(scales) != 2 or not 0 < scales[0] <= scales[1]:
            raise ValueError(
                f"INPUT.AUGMENT.{name}.SCALES must be the smallest and the largest scale, both above 0, as in "
                f"(0.5, 1.5), but is {scales}."
            )
    size = augment.LARGE_SCALE_JITTER.SIZE
    if size < 32:  # one cell of the backbone's last level
        raise ValueError(f"INPUT.AUGMENT.LARGE_SCALE_JITTER.SIZE must be at least 32 pixels, but is {size}.")
    hues = augment.COLOUR.PROBABILITY and (augment.COLOUR.HUE or augment.COLOUR.SATURATION)
    if hues and cfg.INPUT.FORMAT not in ("BGR", "RGB"):
        raise ValueError(
            f"Hue and saturation need images in BGR or RGB, but INPUT.FORMAT is {cfg.INPUT.FORMAT}: set "
            "INPUT.AUGMENT.COLOUR.HUE 0.0 INPUT.AUGMENT.COLOUR.SATURATION 0.0."
        )
    if (augment.MOSAIC.PROBABILITY or augment.COPY_PASTE.PROBABILITY) and not cfg.MODEL.MASK_ON:
        raise ValueError(
            "Mosaic and copy-paste cut objects by their masks, but MODEL.MASK_ON is False: set it True, or "
            "INPUT.AUGMENT.MOSAIC.PROBABILITY and INPUT.AUGMENT.COPY_PASTE.PROBABILITY 0."
        )


def _require_between(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"INPUT.AUGMENT.{key} must be between {low} and {high}, but is {value}.")
