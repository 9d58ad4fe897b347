"""Reading a record as pixels."""

import numpy as np
import pytest
from detectron2.data import transforms as T
from detectron2.structures import BoxMode

from maskrcnn_project.training.augmentation.sample import read_sample, visible_fraction
from tests.plugin.training.augmentation.colourful import COLOURS, record_of


@pytest.mark.parametrize("rle", [False, True])
def test_polygons_and_run_lengths_give_the_same_pixels(tmp_path, rle):
    record = record_of(tmp_path, 1, (5, 6), [(2, 1, 1, 4, 3), (0, 4, 3, 6, 5)], rle=rle)
    sample = read_sample(record, [], "RGB")
    assert sample.classes.tolist() == [2, 0] and sample.classes.dtype == np.int64
    assert sample.masks.dtype == bool
    assert sample.masks[0].astype(int).tolist() == [[0] * 6, [0, 1, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0], [0] * 6, [0] * 6]
    assert (sample.image[sample.masks[1]] == COLOURS[0]).all()
    assert len(record["annotations"]) == 2  # the record is as it was


def test_no_object_and_only_a_crowd(tmp_path):
    record = record_of(tmp_path, 1, (5, 6), [(2, 1, 1, 4, 3)], rle=True)
    record["annotations"][0]["iscrowd"] = 1
    for nothing in (record, record | {"annotations": []}):
        sample = read_sample(nothing, [], "BGR")
        assert len(sample) == 0 and sample.masks.shape == (0, 5, 6)


def test_what_a_crop_leaves_out_is_gone_and_what_it_nearly_leaves_out_with_a_limit(tmp_path):
    record = record_of(tmp_path, 1, (10, 10), [(0, 0, 0, 3, 3), (1, 0, 0, 10, 6), (2, 5, 5, 9, 9)])
    crop = T.CropTransform(5, 5, 5, 5)  # keeps nothing, 5 of 60 pixels, all 16
    sample = read_sample(record, [crop], "BGR")
    assert sample.classes.tolist() == [1, 2]
    assert sample.to_instances().gt_boxes.tensor.tolist() == [[0, 0, 5, 1], [0, 0, 4, 4]]
    assert read_sample(record, [crop], "BGR", min_visible=5 / 60).classes.tolist() == [1, 2]
    assert read_sample(record, [crop], "BGR", min_visible=0.09).classes.tolist() == [2]
    assert read_sample(record, [crop], "BGR", min_visible=1.0).classes.tolist() == [2]


@pytest.mark.parametrize(
    ("box", "fraction"),
    [
        ([0, 0, 4, 4], 1.0),  # inside
        ([-2, 0, 2, 4], 0.5),  # half to the left
        ([8, 3, 12, 7], 0.25),  # a quarter, at the lower right corner of 10 x 5 pixels
        ([20, 0, 24, 4], 0.0),  # outside
        ([-5, -5, 15, 10], 50 / 300),  # all round
        ([3, 3, 3, 9], 0.0),  # no area
    ],
)
def test_visible_fraction(box, fraction):
    assert visible_fraction(np.array(box, dtype=float), (5, 10)) == fraction


def test_an_object_without_a_mask_is_named_by_its_image(tmp_path):
    record = record_of(tmp_path, 7, (5, 6), [(2, 1, 1, 4, 3)])
    del record["annotations"][0]["segmentation"]
    with pytest.raises(ValueError, match=r"7\.png \(image id 7\).*no segmentation.*MOSAIC\.PROBABILITY 0"):
        read_sample(record, [], "BGR")


def test_a_mask_of_another_size_is_named_by_its_image(tmp_path):
    record = record_of(tmp_path, 7, (5, 6), [(2, 1, 1, 4, 3)], rle=True)
    record["annotations"][0]["segmentation"] = {"size": [6, 5], "counts": [30]}
    with pytest.raises(ValueError, match=r"7\.png \(image id 7\)"):
        read_sample(record, [], "BGR")


def test_boxes_may_be_xywh_as_in_coco(tmp_path):
    record = record_of(tmp_path, 1, (10, 10), [(2, 5, 5, 9, 9)])
    record["annotations"][0] |= {"bbox": [5, 5, 4, 4], "bbox_mode": BoxMode.XYWH_ABS}
    assert len(read_sample(record, [T.CropTransform(0, 0, 7, 7)], "BGR", min_visible=0.25)) == 1
    assert len(read_sample(record, [T.CropTransform(0, 0, 7, 7)], "BGR", min_visible=0.26)) == 0
