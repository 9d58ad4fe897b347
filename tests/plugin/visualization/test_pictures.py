"""What becomes of predictions, annotations, samples and frames: colours, labels and what is on top."""

import numpy as np
import pytest
import torch
from detectron2.data.catalog import Metadata
from detectron2.structures import BitMasks, Boxes, BoxMode, Instances, PolygonMasks
from detectron2.utils.colormap import colormap

from maskrcnn_project.masks.coding import as_rle
from maskrcnn_project.visualization.follow_objects import ObjectFollower
from maskrcnn_project.visualization.pictures import (
    draw_annotations,
    draw_detections,
    draw_frame,
    draw_predictions,
    draw_sample,
)
from tests.plugin.masks.found_of import found_of

GREY = 50
SIZE = (500, 600)
IMAGE = np.full((*SIZE, 3), GREY, np.uint8)
RED_GREEN_BLUE = [(200, 30, 10), (10, 200, 30)]
TWO = Metadata(thing_classes=["cell", "dirt"])
COLOURED = Metadata(thing_classes=["cell", "dirt"], thing_colors=RED_GREEN_BLUE)
SQUARE = [100.0, 200.0, 200.0, 200.0, 200.0, 300.0, 100.0, 300.0]


def block(x1, y1, x2, y2):
    mask = np.zeros(SIZE, dtype=bool)
    mask[y1:y2, x1:x2] = True
    return mask


def filled(colour):
    """What a fill makes of the grey image; ``colour`` is BGR."""
    return GREY * 0.6 + np.array(colour, dtype=float).round() * 0.4


def annotation(segmentation, category=0, box=(100, 200, 100, 100), **more):
    row = {"bbox": list(box), "bbox_mode": BoxMode.XYWH_ABS, "category_id": category, **more}
    return row if segmentation is None else {**row, "segmentation": segmentation}


def test_colours_of_the_metadata_are_those_of_predictions_annotations_samples_and_frames():
    found = found_of(block(100, 200, 200, 300), classes=[1])
    sample = {"image": torch.full((3, *SIZE), GREY, dtype=torch.uint8), "instances": Instances(SIZE)}
    sample["instances"].gt_boxes = Boxes(torch.tensor([[100.0, 200, 200, 300]]))
    sample["instances"].gt_classes = torch.tensor([1])
    sample["instances"].gt_masks = PolygonMasks([[np.array(SQUARE)]])
    for metadata, colour in ((COLOURED, (30, 200, 10)), (TWO, colormap()[1])):
        pictures = [
            draw_predictions(IMAGE, found.to_instances(), metadata),
            draw_annotations(IMAGE, {"annotations": [annotation([SQUARE], 1)]}, metadata),
            draw_sample(sample, "BGR", metadata),
        ]
        for picture in pictures:
            np.testing.assert_allclose(picture[250, 150], filled(colour), atol=1)
    picture = draw_frame(IMAGE, found, COLOURED, ObjectFollower())
    np.testing.assert_allclose(picture[250, 150], filled((30, 200, 10)), atol=1)


def test_one_class_with_a_colour_has_it_in_all_instances():
    found = found_of(block(0, 200, 100, 300), block(300, 200, 400, 300))
    picture = draw_detections(IMAGE, found, ("cell",), thing_colors=RED_GREEN_BLUE[:1])
    for x in (50, 350):
        np.testing.assert_allclose(picture[280, x], filled((10, 30, 200)), atol=1)


@pytest.mark.parametrize(
    "segmentation",
    [
        [SQUARE],
        as_rle([SQUARE], *SIZE),
        {"size": list(SIZE), "counts": as_rle([SQUARE], *SIZE)["counts"].decode("ascii")},
        {"size": list(SIZE), "counts": [100 * 500 + 200, *[100, 400] * 99, 100, 399 * 500 + 200 + 500]},
    ],
)
def test_annotations_in_every_form_of_a_mask(segmentation):
    picture = draw_annotations(IMAGE, {"annotations": [annotation(segmentation)]}, TWO)
    np.testing.assert_allclose(picture[250, 150], filled(colormap()[0]), atol=1)
    assert (picture[310:, 210:] == GREY).all()


def test_a_box_alone_is_a_line():
    picture = draw_annotations(IMAGE, {"annotations": [annotation(None)]}, TWO)
    np.testing.assert_array_equal(picture[250, 100], colormap()[0].round())
    assert (picture[250, 150] == GREY).all()


def test_a_crowd_region_is_not_filled_and_says_what_it_is():
    crowd, other = (
        draw_annotations(IMAGE, {"annotations": [annotation([SQUARE], iscrowd=flag)]}, Metadata(thing_classes=["cell"]))
        for flag in (1, 0)
    )
    assert (crowd[250, 150] == GREY).all() and (crowd[:195] != GREY).any()
    assert (other[250, 150] != GREY).any() and (other[:195] == GREY).all()  # of one class, no name is written


def test_small_annotations_lie_on_large_ones():
    small = [140.0, 240.0, 160.0, 240.0, 160.0, 260.0, 140.0, 260.0]
    rows = [annotation([small], 1, (140, 240, 20, 20)), annotation([SQUARE], 0)]
    for annotations in (rows, rows[::-1]):
        picture = draw_annotations(IMAGE, {"annotations": annotations}, TWO)
        wanted = filled(colormap()[0]) * 0.6 + colormap()[1].round() * 0.4
        np.testing.assert_allclose(picture[250, 150], wanted, atol=2)


@pytest.mark.parametrize("record", [{}, {"annotations": []}])
def test_no_annotations(record):
    np.testing.assert_array_equal(draw_annotations(IMAGE, record, TWO), IMAGE)


@pytest.mark.parametrize("image_format", ["RGB", "BGR"])
def test_a_sample_with_bit_masks_in_either_order_of_colours(image_format):
    image = torch.zeros(3, *SIZE, dtype=torch.uint8)
    image[0 if image_format == "RGB" else 2] = 90
    target = Instances(SIZE)
    target.gt_boxes, target.gt_classes = Boxes(torch.tensor([[100.0, 200, 200, 300]])), torch.tensor([0])
    target.gt_masks = BitMasks(torch.from_numpy(block(100, 200, 200, 300))[None])
    picture = draw_sample({"image": image, "instances": target}, image_format, Metadata())
    assert picture[0, 0].tolist() == [0, 0, 90] and picture[250, 150].tolist() != [0, 0, 90]


def test_frames_keep_their_size_and_objects_their_colours():
    follower = ObjectFollower()
    small = np.full((40, 60, 3), GREY, np.uint8)
    one, other = np.zeros((2, 40, 60), dtype=bool)
    one[20:30, 5:20], other[20:30, 30:50] = True, True
    first = draw_frame(small, found_of(one, other), TWO, follower)
    second = draw_frame(small, found_of(other, one), TWO, follower)
    assert first.shape == small.shape
    np.testing.assert_array_equal(first[25, [10, 40]], second[25, [10, 40]])
    assert first[25, 10].tolist() != first[25, 40].tolist()
