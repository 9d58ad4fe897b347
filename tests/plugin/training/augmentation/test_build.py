"""From config keys to a mapper, and what keys are refused."""

import pytest
from detectron2.data import DatasetFromList, DatasetMapper

from maskrcnn_project.config import get_config
from maskrcnn_project.training.augmentation import build_training_mapper
from maskrcnn_project.training.augmentation.mapper import MixingMapper

AUGMENT = "INPUT.AUGMENT."


def config_of(*pairs):
    return get_config(None, ["MODEL.MASK_ON", "True", "INPUT.MIN_SIZE_TRAIN", "(64,)", *map(str, pairs)])


def kinds(augmentations):
    return [type(getattr(item, "aug", item)).__name__ for item in augmentations]


def test_with_nothing_on_it_is_detectron2s_own(polygon_records):
    mapper = build_training_mapper(config_of(), polygon_records)
    assert type(mapper) is DatasetMapper
    assert kinds(mapper.augmentations.augs) == ["ResizeShortestEdge", "RandomFlip"]
    assert mapper.recompute_boxes is False


def test_augmentations_of_one_image_join_detectron2s_list(polygon_records):
    cfg = config_of(
        *(AUGMENT + "LARGE_SCALE_JITTER.ENABLED", True, AUGMENT + "ROTATION.PROBABILITY", 0.5),
        *(AUGMENT + "VERTICAL_FLIP.PROBABILITY", 0.5, AUGMENT + "COLOUR.PROBABILITY", 0.5),
        *(AUGMENT + "BLUR.PROBABILITY", 0.5, AUGMENT + "NOISE.PROBABILITY", 0.5, "INPUT.CROP.ENABLED", True),
    )
    mapper = build_training_mapper(cfg, polygon_records)
    assert type(mapper) is DatasetMapper
    assert kinds(mapper.augmentations.augs) == [
        *("RandomCrop", "ResizeScale", "FixedSizeCrop", "RandomFlip", "RandomFlip", "RandomRotationInside"),
        *("RandomBrightness", "RandomContrast", "RandomHueSaturation", "RandomBlur", "RandomNoise"),
    ]
    assert mapper.recompute_boxes is True


def test_a_strength_of_nothing_leaves_its_part_out(polygon_records):
    cfg = config_of(AUGMENT + "COLOUR.PROBABILITY", 1.0, AUGMENT + "COLOUR.HUE", 0.0, AUGMENT + "COLOUR.CONTRAST", 0.0)
    cfg.INPUT.AUGMENT.COLOUR.SATURATION = 0.0
    mapper = build_training_mapper(cfg, polygon_records)
    assert kinds(mapper.augmentations.augs) == ["ResizeShortestEdge", "RandomFlip", "RandomBrightness"]
    assert mapper.recompute_boxes is False  # colour moves nothing


def test_boxes_alone_can_be_jittered(polygon_records):
    cfg = config_of(AUGMENT + "LARGE_SCALE_JITTER.ENABLED", True, AUGMENT + "LARGE_SCALE_JITTER.SIZE", 64)
    cfg.MODEL.MASK_ON = False
    instances = build_training_mapper(cfg, polygon_records)(polygon_records[0])["instances"]
    assert not instances.has("gt_masks")


@pytest.mark.parametrize("name", ["MOSAIC", "COPY_PASTE"])
def test_mixing_holds_the_records_serialised(polygon_records, name):
    cfg = config_of(AUGMENT + name + ".PROBABILITY", 0.5)
    mapper = build_training_mapper(cfg, polygon_records)
    assert isinstance(mapper, MixingMapper) and isinstance(mapper.records, DatasetFromList)
    held = DatasetFromList(polygon_records, copy=False)
    assert build_training_mapper(cfg, held).records is held  # the loader's own is shared


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (("MOSAIC.PROBABILITY", 1.5), r"MOSAIC\.PROBABILITY must be between 0 and 1, but is 1\.5"),
        (("COPY_PASTE.PROBABILITY", -0.1), r"COPY_PASTE\.PROBABILITY must be between 0 and 1"),
        (("ROTATION.DEGREES", 181.0), r"ROTATION\.DEGREES must be between 0 and 180, but is 181"),
        (("COLOUR.HUE", -1.0), r"COLOUR\.HUE must be between 0 and 180"),
        (("COLOUR.BRIGHTNESS", 2.0), r"COLOUR\.BRIGHTNESS must be between 0 and 1"),
        (("MIN_VISIBLE", 10.0), r"MIN_VISIBLE must be between 0 and 1"),
        (("NOISE.SIGMA", -5.0), r"NOISE\.SIGMA must be between 0 and 255"),
        (("MOSAIC.SCALES", "(0.0, 1.0)"), r"MOSAIC\.SCALES must be the smallest and the largest.*\(0\.0, 1\.0\)"),
        (("COPY_PASTE.SCALES", "(2.0, 1.0)"), r"COPY_PASTE\.SCALES"),
        (("LARGE_SCALE_JITTER.SCALES", "(1.0,)"), r"LARGE_SCALE_JITTER\.SCALES"),
        (("LARGE_SCALE_JITTER.SIZE", 8), r"LARGE_SCALE_JITTER\.SIZE must be at least 32 pixels, but is 8"),
    ],
)
def test_a_value_out_of_range_is_named(polygon_records, pairs, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_training_mapper(config_of(AUGMENT + pairs[0], pairs[1]), polygon_records)


def test_keys_that_do_not_go_together(polygon_records):
    cfg = config_of(AUGMENT + "MOSAIC.PROBABILITY", 0.5)
    cfg.MODEL.MASK_ON = False
    with pytest.raises(ValueError, match="MODEL.MASK_ON is False: set it True"):
        build_training_mapper(cfg, polygon_records)
    cfg = config_of(AUGMENT + "COLOUR.PROBABILITY", 0.5, "INPUT.FORMAT", "L")
    with pytest.raises(ValueError, match="INPUT.FORMAT is L: set INPUT.AUGMENT.COLOUR.HUE 0.0"):
        build_training_mapper(cfg, polygon_records)
