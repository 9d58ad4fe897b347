"""Parts of objects in tiles: where they lie, which edges cut them, how far two agree."""

import numpy as np
import pytest

from maskrcnn_project.inference.tiling.tile_parts import Places, agreement, parts_of
from maskrcnn_project.masks.coding import encode
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.tile_grid import Grid
from maskrcnn_project.masks.window import Window

SIZE = (20, 30)  # of the image
LEFT, RIGHT = Window(0, 0, 18, 20), Window(12, 0, 18, 20)  # share the columns 12 to 17
BESIDE = Window(18, 0, 12, 20)  # touches LEFT and shares nothing


def part(tile, x1, y1, x2, y2, view=0, masks=True):
    """The only part in ``tile``: a rectangle, in the frame of the image."""
    x1, x2, y1, y2 = x1 - tile.x, x2 - tile.x, y1 - tile.y, y2 - tile.y
    mask = np.zeros((tile.height, tile.width), bool)
    mask[y1:y2, x1:x2] = True
    box = np.array([[x1, y1, x2, y2]], np.float32)
    found = Detections(
        (tile.height, tile.width),
        box,
        np.array([0.5], np.float32),
        np.zeros(1, np.int64),
        [encode(mask)] if masks else None,
    )
    [only] = parts_of(view, tile, found, SIZE)
    return only


@pytest.mark.parametrize("masks", [True, False])
def test_a_part_lies_in_the_frame_of_the_image(masks):
    one = part(RIGHT, 14, 3, 20, 7, masks=masks)
    assert (one.window, one.area, one.box.tolist()) == (Window(14, 3, 6, 4), 24, [14, 3, 20, 7])
    assert one.mask().window == one.window and one.mask().pixels.sum() == 24


@pytest.mark.parametrize(
    ("tile", "corners", "cut", "reason"),
    [
        (LEFT, (0, 0, 17, 20), (False, False, False, False), "the edges of the image cut nothing"),
        (LEFT, (5, 5, 18, 9), (False, False, True, False), "at the right edge, behind which the image goes on"),
        (RIGHT, (12, 5, 30, 9), (True, False, False, False), "at the left edge"),
    ],
)
def test_edges_that_cut(tile, corners, cut, reason):
    assert part(tile, *corners).cut == cut


def test_a_border_is_known_to_a_cell_of_the_mask():
    image, tile = (100, 400), Window(0, 0, 200, 100)
    mask = np.zeros((100, 200), bool)
    mask[:, 58:198] = True  # 140 pixels in 28 cells: 5 each, and 2 are left to the edge
    found = Detections((100, 200), np.zeros((1, 4), np.float32), np.ones(1), np.zeros(1, int), [encode(mask)])
    assert parts_of(0, tile, found, image)[0].cut == (False, False, True, False)


def test_no_pixel_is_no_part():
    nothing = [encode(np.zeros((20, 18), bool))]
    found = Detections((20, 18), np.ones((1, 4), np.float32), np.ones(1), np.zeros(1, int), nothing)
    assert parts_of(0, LEFT, found, SIZE) == []


def test_agreement_is_about_what_both_tiles_show():
    first, second = part(LEFT, 2, 0, 18, 10), part(RIGHT, 12, 5, 30, 10, view=1)
    agreed = agreement(first, second)  # in the columns 12 to 17: 60 pixels, 30 pixels, all of which are in the first
    assert (agreed.both, agreed.first, agreed.second, agreed.iou, agreed.of_smaller) == (30, 60, 30, 0.5, 1.0)
    assert agreement(first, part(RIGHT, 12, 10, 30, 15, view=1)) is None


def test_tiles_that_only_touch_agree_by_what_meets_at_the_edge():
    first = part(LEFT, 2, 0, 18, 10)
    agreed = agreement(first, part(BESIDE, 18, 5, 25, 10, view=1))
    # the columns 17 and 18, each part continued by one: 10 rows against 5
    assert (agreed.both, agreed.first, agreed.second) == (10, 20, 10)
    assert agreement(first, part(BESIDE, 19, 5, 25, 10, view=1)) is None  # begins behind the edge: it is another one


def test_cut_where_the_other_tile_goes_on():
    assert part(LEFT, 5, 5, 18, 9).is_cut_within(RIGHT)
    assert not part(LEFT, 5, 5, 17, 9).is_cut_within(RIGHT)
    assert not part(RIGHT, 12, 5, 20, 9).is_cut_within(Window(20, 0, 10, 20))  # cut on the other side


def test_places_are_found_by_what_they_touch():
    windows = [Window(0, 0, 5, 5), Window(5, 5, 5, 5), Window(20, 12, 3, 3), Window(0, 0, 30, 20)]
    places = Places(Grid(20, 30, 10, 2), windows)
    assert places.near(windows[0]) == [0, 1, 3]
    assert places.near(Window(22, 0, 2, 2)) == [3]
    assert Places(Grid(20, 30, 10, 2), []).near(windows[0]) == []
