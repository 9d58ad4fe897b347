"""Whole samples: image, boxes, masks and classes agree under every augmentation; equal seeds give equal samples."""

import pickle

import numpy as np
import pytest
import torch
from detectron2.data import DatasetFromList, DatasetMapper, build_detection_train_loader
from detectron2.structures import BitMasks
from detectron2.utils.env import seed_all_rng

from maskrcnn_project.config import get_config
from maskrcnn_project.training.augmentation import build_training_mapper
from tests.plugin.training.augmentation.colourful import COLOURS

AUGMENT = "INPUT.AUGMENT."
JITTER = (AUGMENT + "LARGE_SCALE_JITTER.ENABLED", True, AUGMENT + "LARGE_SCALE_JITTER.SIZE", 96)
ROTATION = (AUGMENT + "ROTATION.PROBABILITY", 0.8, AUGMENT + "ROTATION.DEGREES", 180.0)
FLIP = (AUGMENT + "VERTICAL_FLIP.PROBABILITY", 0.5)
MOSAIC = (AUGMENT + "MOSAIC.PROBABILITY", 0.8)
PASTE = (AUGMENT + "COPY_PASTE.PROBABILITY", 0.8)
CROP = ("INPUT.CROP.ENABLED", True)
COLOUR = tuple(item for name in ("COLOUR", "BLUR", "NOISE") for item in (f"{AUGMENT}{name}.PROBABILITY", 0.8))
GEOMETRY = {
    "flip": FLIP,
    "rotation": ROTATION,
    "jitter": JITTER,
    "crop, jitter, rotation": (*CROP, *JITTER, *ROTATION, *FLIP),
    "mosaic": MOSAIC,
    "paste": PASTE,
    "mosaic, paste": (*MOSAIC, *PASTE, *FLIP),
    "mosaic, paste, crop, jitter, rotation": (*MOSAIC, *PASTE, *CROP, *JITTER, *ROTATION),
}


def config_of(*pairs):
    sizes = ["INPUT.MIN_SIZE_TRAIN", "(48, 64, 100)", "INPUT.FORMAT", "RGB"]
    return get_config(None, ["MODEL.MASK_ON", "True", *sizes, *map(str, pairs)])


def samples_of(records, pairs, mask_format, count=48):
    """Samples of each record in turn, with its number as the seed."""
    mapper = build_training_mapper(config_of("INPUT.MASK_FORMAT", mask_format, *pairs), records)
    for seed in range(count):
        np.random.seed(seed)
        yield mapper(records[seed % len(records)])


def pixels_of(instances):
    if isinstance(instances.gt_masks, BitMasks):
        return instances.gt_masks.tensor.numpy()
    return BitMasks.from_polygon_masks(instances.gt_masks, *instances.image_size).tensor.numpy()


def check_agreement(sample, tolerance=1e-3):
    """
    Raises AssertionError unless the sample is what the model was promised. Returns how many objects it has.

    Args:
        tolerance: pixels between a box and the tight box of its mask.
    """
    image, instances = sample["image"], sample["instances"]
    height, width = instances.image_size
    assert image.dtype == torch.uint8 and image.shape == (3, height, width) and image.is_contiguous()
    assert "annotations" not in sample and {"file_name", "image_id", "height", "width"} <= set(sample)
    boxes, count = instances.gt_boxes.tensor, len(instances)
    assert boxes.shape == (count, 4) and boxes.dtype == torch.float32
    assert instances.gt_classes.shape == (count,) and instances.gt_classes.dtype == torch.int64
    if not count:
        return 0
    assert len(instances.gt_masks) == count
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert instances.gt_masks.nonempty().all()
    assert torch.allclose(instances.gt_masks.get_bounding_boxes().tensor, boxes, atol=tolerance)
    return count


def check_colours(sample):
    """Under each mask large enough to have an inside, the pixels have the colour of the object's class."""
    image = sample["image"].permute(1, 2, 0).numpy().astype(int)
    checked = 0
    for mask, label in zip(pixels_of(sample["instances"]), sample["instances"].gt_classes.tolist(), strict=True):
        if mask.sum() >= 150:  # smaller ones are mostly border, where resizing mixes colours
            close = np.abs(image[mask] - COLOURS[label]).max(axis=1) < 100
            assert close.mean() > 0.75
            checked += 1
    return checked


@pytest.mark.parametrize("pairs", GEOMETRY.values(), ids=GEOMETRY)
@pytest.mark.parametrize(("kind", "mask_format"), [("polygon", "polygon"), ("polygon", "bitmask"), ("rle", "bitmask")])
def test_image_box_mask_and_class_agree(request, pairs, kind, mask_format):
    records = request.getfixturevalue(f"{kind}_records")
    # where nothing is cut or turned, boxes are the annotated ones, which no raster of the mask has rounded
    tolerance = 1.0 if pairs is FLIP else 1e-3
    counts = checked = 0
    for sample in samples_of(records, pairs, mask_format):
        if count := check_agreement(sample, tolerance):
            counts += count
            checked += check_colours(sample)
    assert counts > 60 and checked > 20


def test_colour_moves_no_object(polygon_records):
    still = ("INPUT.RANDOM_FLIP", "none", "INPUT.MIN_SIZE_TRAIN", "(64,)")
    plain = list(samples_of(polygon_records, still, "polygon", 12))
    coloured = list(samples_of(polygon_records, (*still, *COLOUR), "polygon", 12))
    for before, after in zip(plain, coloured, strict=True):
        check_agreement(after)
        assert torch.equal(before["instances"].gt_boxes.tensor, after["instances"].gt_boxes.tensor)
        assert before["image"].shape == after["image"].shape
    assert any(not torch.equal(b["image"], a["image"]) for b, a in zip(plain, coloured, strict=True))


@pytest.mark.parametrize("pairs", [MOSAIC, PASTE], ids=["mosaic", "paste"])
def test_no_masks_overlap_where_none_did(polygon_records, pairs):
    """The objects of the set lie apart, so any overlap would be an occlusion that was not cut."""
    for sample in samples_of(polygon_records, (*pairs, "INPUT.RANDOM_FLIP", "none"), "bitmask"):
        if len(sample["instances"]):
            assert pixels_of(sample["instances"]).sum(axis=0).max() <= 1


def test_mixing_forces_bitmasks(polygon_records):
    sample = next(samples_of(polygon_records, MOSAIC, "polygon"))
    assert isinstance(sample["instances"].gt_masks, BitMasks)


def test_mosaic_and_paste_of_images_without_objects(polygon_records):
    empty = [polygon_records[2]]
    for sample in samples_of(empty, (*MOSAIC, *PASTE), "bitmask", 6):
        assert check_agreement(sample) == 0
        assert len(sample["instances"].gt_masks) == 0


@pytest.mark.parametrize("kind", ["polygon", "rle"])
def test_with_no_luck_the_mixing_mapper_is_the_plain_one(request, kind):
    records = request.getfixturevalue(f"{kind}_records")
    cfg = config_of("INPUT.MASK_FORMAT", "bitmask", AUGMENT + "MOSAIC.PROBABILITY", 0.5, *CROP)
    mixing = build_training_mapper(cfg, records)
    mixing.mosaic_probability = 0.0
    plain = DatasetMapper(cfg, True)
    for seed, record in enumerate(records):
        np.random.seed(seed)
        np.random.uniform()  # whether to make a mosaic
        expected = plain(record)
        np.random.seed(seed)
        sample = mixing(record)
        assert torch.equal(sample["image"], expected["image"])
        assert torch.equal(sample["instances"].gt_boxes.tensor, expected["instances"].gt_boxes.tensor)
        assert torch.equal(sample["instances"].gt_classes, expected["instances"].gt_classes)
        if len(expected["instances"]):
            assert torch.equal(sample["instances"].gt_masks.tensor, expected["instances"].gt_masks.tensor)
        assert {k: sample[k] for k in ("file_name", "image_id", "height", "width")} == {
            k: expected[k] for k in ("file_name", "image_id", "height", "width")
        }


def test_a_mosaic_has_the_size_of_training_and_four_images(polygon_records):
    cfg = config_of(AUGMENT + "MOSAIC.PROBABILITY", 1.0)
    cfg.INPUT.MIN_SIZE_TRAIN = (50,)
    mapper = build_training_mapper(cfg, polygon_records)
    read = []
    draw = mapper._another
    mapper._another = lambda: read.append(draw()) or read[-1]
    sample = mapper(polygon_records[0])  # 64 x 80 pixels
    assert sample["image"].shape == (3, 50, 63)
    assert len(read) == 3 and sample["file_name"] == polygon_records[0]["file_name"]
    assert (sample["height"], sample["width"]) == (64, 80)  # of the file, as DatasetMapper has it


def test_the_record_is_not_changed(polygon_records):
    before = pickle.dumps(polygon_records)
    list(samples_of(polygon_records, (*MOSAIC, *PASTE, *JITTER, *ROTATION), "bitmask", 12))
    assert pickle.dumps(polygon_records) == before


def test_the_mapper_travels_to_other_processes(polygon_records):
    mapper = build_training_mapper(config_of(*MOSAIC, *PASTE, *COLOUR), polygon_records)
    copied = pickle.loads(pickle.dumps(mapper))
    results = []
    for one in (mapper, copied):
        np.random.seed(2)
        results.append(one(polygon_records[0])["image"])
    assert torch.equal(*results)


def loaded(records, pairs, workers, seed):
    """The first 12 images of a training loader, each as bytes, so that equal ones are found."""
    cfg = config_of(*pairs, "DATALOADER.NUM_WORKERS", workers, "SEED", seed, "SOLVER.IMS_PER_BATCH", 2)
    cfg.DATALOADER.ASPECT_RATIO_GROUPING = False
    seed_all_rng(seed)
    held = DatasetFromList(records, copy=False)
    loader = iter(build_detection_train_loader(cfg, mapper=build_training_mapper(cfg, held), dataset=held))
    return [sample["image"].numpy().tobytes() for _ in range(6) for sample in next(loader)]


@pytest.mark.parametrize("workers", [0, 2])
def test_equal_seeds_give_equal_samples_and_no_two_workers_draw_the_same(polygon_records, workers):
    one_image = polygon_records[1:2]  # whatever differs was drawn
    first = loaded(one_image, (*MOSAIC, *PASTE, *COLOUR), workers, seed=5)
    assert loaded(one_image, (*MOSAIC, *PASTE, *COLOUR), workers, seed=5) == first
    other = loaded(one_image, (*MOSAIC, *PASTE, *COLOUR), workers, seed=6)
    assert len(set(first)) == 12 and not set(first) & set(other)


def test_the_loader_takes_the_shared_records_with_a_repeat_factor_sampler(polygon_records):
    sampler = ("DATALOADER.SAMPLER_TRAIN", "RepeatFactorTrainingSampler", "DATALOADER.REPEAT_THRESHOLD", 0.5)
    assert len(loaded(polygon_records, (*PASTE, *sampler), 0, seed=1)) == 12
