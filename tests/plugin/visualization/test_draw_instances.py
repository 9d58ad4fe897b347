"""Instances drawn where they lie."""

import numpy as np
import pytest
from detectron2.utils.colormap import colormap

from maskrcnn_project.masks.coding import encode_crop
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.visualization.draw_instances import (
    DrawableInstance,
    draw_instances,
    draw_onto,
    picture_scale,
)
from maskrcnn_project.visualization.pictures import draw_detections
from tests.plugin.masks.found_of import found_of

GREY = 50
IMAGE = np.full((600, 700, 3), GREY, np.uint8)


def block(y1, y2, x1, x2, size=(600, 700)):
    mask = np.zeros(size, dtype=bool)
    mask[y1:y2, x1:x2] = True
    return mask


def tint(number):
    """What the fill of colour ``number`` makes of the grey image, BGR."""
    return GREY * 0.6 + colormap()[number].round() * 0.4


def test_filled_outlined_and_nothing_else():
    picture = draw_detections(IMAGE, found_of(block(200, 300, 100, 250)), ("cell", "dirt"))
    assert picture.shape == IMAGE.shape and picture.dtype == np.uint8
    np.testing.assert_allclose(picture[250, 180], tint(0), atol=1)
    np.testing.assert_allclose(picture[250, 100], colormap()[0], atol=20)  # the border, whose edge is soft
    label = block(180, 200, 100, 250)
    near = block(198, 302, 98, 252)
    assert (picture[~label & ~near] == GREY).all()
    assert (picture[label] != GREY).any()
    assert (IMAGE == GREY).all()  # what came is left as it was


def test_a_hole_is_left_free():
    ring = block(200, 400, 200, 400) & ~block(250, 350, 250, 350)
    picture = draw_detections(IMAGE, found_of(ring), ("cell", "dirt"))
    assert (picture[300, 300] == GREY).all()


def test_colours_for_classes_or_instances():
    found = found_of(block(200, 250, 0, 100), block(200, 250, 200, 300), block(200, 250, 400, 500), classes=[1, 0, 1])
    places = (240, [50, 250, 450])

    def colours(names, **options):
        return [picture.tolist() for picture in draw_detections(IMAGE, found, names, **options)[places]]

    first, second, third = colours(("a", "b"))
    assert first == third != second
    np.testing.assert_allclose(first, tint(1), atol=1)
    assert len(set(map(tuple, colours(("a",) * 2, by_class=False)))) == 3
    np.testing.assert_allclose(colours(("a", "b"), by_class=False), [tint(0), tint(1), tint(2)], atol=1)


def test_one_class_alone_gets_a_colour_for_each_instance():
    picture = draw_detections(IMAGE, found_of(block(200, 250, 0, 100), block(200, 250, 200, 300)), ("cell",))
    np.testing.assert_allclose(picture[240, 50], tint(0), atol=1)
    np.testing.assert_allclose(picture[240, 250], tint(1), atol=1)


def test_the_surest_lies_on_top():
    found = found_of(block(100, 300, 100, 300), block(200, 400, 200, 400), scores=[0.5, 0.9], classes=[0, 1])
    picture = draw_detections(IMAGE, found, ("a", "b"))
    np.testing.assert_allclose(picture[250, 250], tint(0) * 0.6 + colormap()[1].round() * 0.4, atol=2)


def test_labels_do_not_cover_a_surer_label_nor_another_instance():
    alone = draw_detections(IMAGE, found_of(block(200, 300, 100, 250), scores=[0.9]), ("a", "b"))
    two = found_of(block(200, 300, 100, 250), block(200, 310, 100, 250), scores=[0.9, 0.5])
    np.testing.assert_array_equal(draw_detections(IMAGE, two, ("a", "b"))[170:195], alone[170:195])
    speck = found_of(block(200, 300, 100, 250), block(191, 193, 110, 112), scores=[0.9, 0.5])
    below_it = (
        slice(194, 199),
        slice(115, 130),
    )  # where the more confident label would lie, and the speck's own does not
    assert (alone[below_it] != GREY).any()
    assert (draw_detections(IMAGE, speck, ("a", "b"))[below_it] == GREY).all()


def test_a_small_image_is_enlarged():
    found = found_of(block(10, 30, 10, 30, (64, 64)))
    picture = draw_detections(IMAGE[:64, :64], found, ("a", "b"))
    assert picture.shape == (256, 256, 3)
    np.testing.assert_allclose(picture[80, 80], tint(0), atol=1)
    np.testing.assert_allclose(picture[112, 112], tint(0), atol=1)
    assert (picture[125:, 125:] == GREY).all()


@pytest.mark.parametrize(
    "mask", [block(0, 5, 0, 5, (8, 8)), block(3, 8, 3, 8, (8, 8)), block(0, 8, 0, 8, (8, 8)), block(0, 0, 0, 0, (8, 8))]
)
def test_at_the_edges_and_empty(mask):
    picture = draw_detections(IMAGE[:8, :8], found_of(mask), ("a long name that is wider than the picture", "b"))
    colour = (picture != GREY).any(axis=2)
    assert colour.any() == mask.any()


def test_without_masks_boxes_are_drawn():
    found = Detections(
        (600, 700), np.array([[100, 200, 300, 400]], np.float32), np.ones(1, np.float32), np.zeros(1, int), None
    )
    picture = draw_detections(IMAGE, found, ("a", "b"))
    np.testing.assert_array_equal(picture[300, 100], colormap()[0].round())
    assert (picture[300, 200] == GREY).all()


def test_nothing_found_leaves_the_image():
    np.testing.assert_array_equal(draw_detections(IMAGE, Detections.none((600, 700)), ("a",)), IMAGE)


def test_letters_beyond_ascii():
    found = found_of(block(200, 300, 100, 250))
    plain, other = (draw_detections(IMAGE, found, (name, "b")) for name in ("Grosse", "Größe"))
    assert (plain != other).any()


def test_a_large_image_needs_no_mask_of_its_size():
    size = (3000, 4000)
    boxes = np.array([[3900, 2900, 4000, 3000]], np.float32)
    mask = encode_crop(MaskInBox.at(3900, 2900, np.ones((100, 100), dtype=bool)), size)
    found = Detections(size, boxes, np.ones(1, np.float32), np.zeros(1, np.int64), [mask])
    picture = draw_detections(np.full((*size, 3), GREY, np.uint8), found, ("a", "b"))
    np.testing.assert_allclose(picture[2980, 3980], tint(0), atol=1)
    assert (picture[:2800] == GREY).all()


@pytest.mark.parametrize(
    ("size", "max_side", "scale", "reason"),
    [
        ((64, 64), None, 4, "no more than fourfold"),
        ((200, 900), None, 3, "600 of 480 pixels wanted"),
        ((480, 3000), None, 1, "large enough"),
        ((200, 900), 2000, 2, "threefold would be too wide"),
        ((3000, 4000), 1000, 0.25, "shrunk"),
        ((0, 0), None, 4, "nothing"),
    ],
)
def test_the_scale_of_pictures(size, max_side, scale, reason):
    assert picture_scale(*size, max_side) == scale, reason


def test_a_border_alone():
    mask = MaskInBox.at(100, 200, np.ones((100, 150), dtype=bool))
    picture = draw_instances(IMAGE, [DrawableInstance((10, 200, 30), mask, is_filled=False)])
    assert (picture[250, 175] == GREY).all() and (picture[204:296, 104:246] == GREY).all()
    np.testing.assert_allclose(picture[250, 100], (10, 200, 30), atol=30)


def test_a_shrunk_picture_shows_what_is_smaller_than_its_pixels():
    mask = MaskInBox.at(400, 300, np.ones((1, 1), dtype=bool))
    picture = draw_instances(IMAGE, [DrawableInstance((0, 0, 255), mask)], scale=0.1)
    assert picture.shape == (60, 70, 3)
    rows, columns = np.nonzero((picture != GREY).any(axis=2))
    assert len(rows) and abs(rows - 30).max() <= 2 and abs(columns - 40).max() <= 2


def test_a_part_of_the_image_enlarged():
    mask = MaskInBox.at(10, 20, np.ones((10, 10), dtype=bool))
    picture = IMAGE[:100, :100].copy()
    far = MaskInBox.at(500, 500, np.ones((10, 10), dtype=bool))
    draw_onto(picture, [DrawableInstance((9, 9, 250), each) for each in (mask, far)], 3.0, (5.0, 10.0))
    rows, columns = np.nonzero((picture != GREY).any(axis=2))
    corners = (rows.min(), rows.max(), columns.min(), columns.max())
    assert corners == pytest.approx((30, 59, 15, 44), abs=1.5)


def test_a_label_that_has_no_place_above_is_put_below():
    upper = DrawableInstance((0, 0, 200), box=np.array([100, 100, 300, 180]), label="first")
    lower = DrawableInstance((0, 200, 0), box=np.array([100, 101, 300, 300]), label="second")
    picture = draw_instances(IMAGE, [upper, lower])
    assert (picture[304:310, 105:115] != GREY).any()
    np.testing.assert_array_equal(picture[84:96, 100:120], draw_instances(IMAGE, [upper])[84:96, 100:120])
