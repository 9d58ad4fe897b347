"""The rules by which parts become objects, each by hand: what detectors do that do not see exactly."""

import numpy as np
import pytest

from maskrcnn_project.inference.tiling.tile_merge import merge_tiles
from maskrcnn_project.masks.coding import encode
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.tile_grid import Grid

SIZE = (20, 50)
GRID = Grid(*SIZE, 30, 10)  # two tiles: columns 0 to 29 and 20 to 49, which share 20 to 29


def found_in(tile, *rows):
    """Rectangles (x1, y1, x2, y2, score) in the frame of the image, as found in a tile; with None in the image."""
    x0, width = (tile.x, tile.width) if tile else (0, SIZE[1])
    masks = []
    for x1, y1, x2, y2, _ in rows:
        mask = np.zeros((SIZE[0], width), bool)
        mask[y1:y2, x1 - x0 : x2 - x0] = True
        masks.append(encode(mask))
    numbers = np.array(rows, np.float32).reshape(-1, 5)
    boxes = numbers[:, :4] - np.array([x0, 0, x0, 0], np.float32)
    return Detections((SIZE[0], width), boxes, numbers[:, 4], np.zeros(len(rows), np.int64), masks)


def merged(left, right, whole=None):
    """[(x1, y1, x2, y2, score)] in the order of the result."""
    found = [found_in(GRID.tiles[0], *left), found_in(GRID.tiles[1], *right)]
    result = merge_tiles(GRID, found, SIZE, None if whole is None else found_in(None, *whole))
    for index, box in enumerate(result.boxes):
        window = result.crop(index).window
        assert [window.x, window.y, window.right, window.bottom] == box.tolist()
    return [(*box, round(score, 3)) for box, score in zip(result.boxes.tolist(), result.scores.tolist(), strict=True)]


def test_seen_better():
    # cut at 30, and less than what the right tile shows of it, whole: its pixels and its score are not used
    assert merged([(22, 4, 30, 12, 0.9)], [(22, 5, 40, 12, 0.7)]) == [(22, 5, 40, 12, 0.7)]


def test_joined_with_the_surest_score():
    assert merged([(5, 4, 30, 12, 0.6)], [(20, 5, 45, 13, 0.8)]) == [(5, 4, 45, 13, 0.8)]


@pytest.mark.parametrize(
    ("right", "count", "reason"),
    [((20, 8, 45, 16), 2, "half of the rows of each"), ((20, 7, 45, 15), 1, "5 of 8 rows")],
)
def test_more_than_half_must_agree(right, count, reason):
    assert len(merged([(5, 4, 30, 12, 0.9)], [(*right, 0.9)])) == count


def test_an_unsure_detection_of_two_neighbours_does_not_glue_them():
    neighbours = [(5, 0, 30, 8, 0.9), (5, 8, 30, 16, 0.9)]
    right = [(20, 0, 45, 8, 0.9), (20, 8, 45, 16, 0.9), (20, 0, 45, 16, 0.2)]
    found = merged(neighbours, right)
    assert found[:2] == [(5, 0, 45, 8, 0.9), (5, 8, 45, 16, 0.9)]
    assert found[2:] == [(20, 0, 45, 16, 0.2)]


def test_of_duplicates_the_surer_stays():
    assert merged([(21, 4, 28, 12, 0.7)], [(22, 4, 28, 12, 0.8)]) == [(22, 4, 28, 12, 0.8)]
    assert merged([(21, 4, 28, 12, 0.8)], [(22, 4, 28, 12, 0.7)]) == [(21, 4, 28, 12, 0.8)]


def test_a_small_object_on_a_large_one_is_no_duplicate():
    assert len(merged([(21, 2, 28, 14, 0.7)], [(22, 4, 25, 7, 0.8)])) == 2


def test_what_one_tile_shows_twice_are_two():
    twice = [(5, 4, 15, 12, 0.8), (6, 4, 15, 12, 0.7)]
    assert merged(twice, []) == twice


@pytest.mark.parametrize(
    ("whole", "expected", "reason"),
    [
        ((4, 4, 16, 16, 0.9), [(5, 5, 15, 15, 0.8)], "fits into a tile, which has seen it more finely"),
        ((30, 5, 40, 15, 0.9), [(30, 5, 40, 15, 0.9), (5, 5, 15, 15, 0.8)], "the tiles have overlooked it"),
        ((4, 4, 16, 16, 0.3), [(5, 5, 15, 15, 0.8)], "as unsure as it is"),
        ((0, 0, 45, 20, 0.9), [(0, 0, 45, 20, 0.9), (5, 5, 15, 15, 0.8)], "larger than a tile: the small lies on it"),
    ],
)
def test_beside_the_whole_image(whole, expected, reason):
    assert merged([(5, 5, 15, 15, 0.8)], [], whole=[whole]) == expected


def test_an_unsure_tile_does_not_stand_against_a_sure_image():
    assert len(merged([(5, 5, 15, 15, 0.3)], [], whole=[(4, 4, 16, 16, 0.9)])) == 2


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.5, [(5, 2, 48, 18, 0.5)]), (0.3, [(10, 5, 30, 15, 0.8), (5, 2, 48, 18, 0.3)])],
)
def test_a_larger_one_takes_what_an_edge_leaves_unfinished_unless_it_is_unsure(score, expected):
    assert merged([(10, 5, 30, 15, 0.8)], [], whole=[(5, 2, 48, 18, score)]) == expected


def test_a_larger_one_takes_the_place_of_what_was_joined():
    assert merged([(5, 2, 30, 18, 0.9)], [(20, 2, 47, 18, 0.9)], whole=[(5, 2, 48, 18, 0.8)]) == [(5, 2, 48, 18, 0.8)]


def test_a_larger_one_that_is_several_falls():
    several = [(2, 2, 18, 18, 0.8)], [(24, 2, 42, 18, 0.8)]
    assert len(merged(*several, whole=[(2, 2, 42, 18, 0.9)])) == 2
