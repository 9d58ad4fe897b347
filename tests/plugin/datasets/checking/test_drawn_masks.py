"""Duplicates, areas and parts, by hand."""

import numpy as np
import pytest

from maskrcnn_project.datasets.checking.drawn_masks import ROWS, area_is_wrong, duplicates, groups_of, parts_of
from maskrcnn_project.masks.coding import encode

SIZE = (60, 60)


def block(x1, y1, x2, y2):
    mask = np.zeros(SIZE, dtype=bool)
    mask[y1:y2, x1:x2] = True
    return mask


def of_class(category_id, iscrowd=0):
    return {"category_id": category_id, "iscrowd": iscrowd}


def test_duplicates_are_of_one_class_and_no_crowds():
    square = encode(block(10, 10, 30, 30))
    moved = encode(block(11, 10, 31, 30))  # IoU 380 / 420
    far = encode(block(12, 10, 32, 30))  # IoU 360 / 440 with the first
    rows = [of_class(1), of_class(2), of_class(1), of_class(1, 1), of_class(1)]
    found = list(duplicates(rows, [square, square, moved, square, far]))
    assert found == [(2, 0, pytest.approx(380 / 420))]  # the last repeats the third, which goes itself
    assert list(duplicates([], [])) == []


def test_duplicates_beyond_one_block_of_rows():
    rles = [encode(block(i % 50, i // 50, i % 50 + 1, i // 50 + 1)) for i in range(ROWS + 20)]
    rles[ROWS + 10] = rles[3]
    assert list(duplicates([of_class(1)] * len(rles), rles)) == [(ROWS + 10, 3, 1.0)]


@pytest.mark.parametrize(
    ("stated", "wrong"),
    [
        (400, False),  # 20 x 20
        (380, False),  # 5 % and 4 pixels less
        (375, True),
        (441, False),  # the same corners taken as centres of pixels: 21 x 21
        (500, True),
        (0, True),
        (float("nan"), True),
        ("400", True),
        (10**400, True),
    ],
)
def test_area_of_a_polygon(stated, wrong):
    assert area_is_wrong(stated, [[10, 10, 30, 10, 30, 30, 10, 30]], 400) == wrong


def test_area_of_run_lengths_has_no_doubt():
    rle = encode(block(10, 10, 30, 30))
    assert [area_is_wrong(stated, rle, 400) for stated in (376, 400, 424, 441)] == [False, False, False, True]


def test_parts_of_polygons_and_of_pixels_are_the_same():
    polygons = [[1, 2, 5, 2, 5, 9, 1, 9], [20, 30, 25, 30, 25, 40, 20, 40]]
    expected = [[20, 30, 25, 40], [1, 2, 5, 9]]  # the larger first
    assert parts_of(polygons, *SIZE).tolist() == expected
    low, high = (
        np.array(parts_of(encode(block(1, 2, 5, 9) | block(20, 30, 25, 40)), *SIZE)).reshape(2, 2, 2).swapaxes(0, 1)
    )
    assert (high - low).tolist() == [[5, 10], [4, 7]]
    assert (low[0] - low[1])[1] == 28  # distances are true, though counted from the first column with a pixel


def test_pixels_that_touch_at_a_corner_are_one_part():
    assert len(parts_of(encode(block(1, 1, 3, 3) | block(3, 3, 5, 5)), *SIZE)) == 1


@pytest.mark.parametrize(
    ("parts", "groups"),
    [
        ([], 0),
        ([[0, 0, 10, 10]], 1),
        ([[0, 0, 10, 10], [20, 0, 30, 10]], 1),  # a gap of 10 between parts of 10
        ([[0, 0, 10, 10], [21, 0, 31, 10]], 2),
        ([[0, 0, 10, 10], [21, 0, 51, 10]], 1),  # the larger is 30 long
        ([[0, 0, 10, 10], [17, 17, 27, 27]], 1),  # 9.9 across the corner
        ([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], 1),  # a chain
        ([[0, 0, 10, 10], [50, 0, 60, 10], [100, 0, 110, 10]], 3),
    ],
)
def test_groups(parts, groups):
    assert groups_of(np.array(parts, dtype=float).reshape(-1, 4)) == groups
