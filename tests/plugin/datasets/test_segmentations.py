"""What the JSON of a mask tells, in an image of 50 x 80 (height x width)."""

import pytest

from maskrcnn_project.datasets.segmentations import (
    can_be_drawn,
    form_box,
    form_faults,
    is_outside,
    points_of,
    polygons_box,
)

SQUARE = [10, 10, 20, 10, 20, 20, 10, 20]
RLE = {"size": [50, 80], "counts": "Pm3"}


@pytest.mark.parametrize(
    ("segmentation", "rules", "drawn"),
    [
        ([SQUARE], [], True),
        ([SQUARE, SQUARE], [], True),
        (RLE, [], True),
        (None, ["mask-missing"], False),
        ([], ["mask-missing"], False),
        ({}, ["mask-malformed"], False),
        ("text", ["mask-malformed"], False),
        (5, ["mask-malformed"], False),
        ([["1", "2", "3", "4", "5", "6"]], ["mask-malformed"], False),
        ([[True, 2, 3, 4, 5, 6]], ["mask-malformed"], False),
        ([SQUARE, None], ["mask-malformed"], False),
        ([[[1, 2], [3, 4], [5, 6]]], ["mask-malformed"], False),
        (SQUARE, ["polygon-flat"], False),
        ([[]], ["polygon-short"], False),
        ([SQUARE, [1, 2, 3, 4]], ["polygon-part-short"], True),  # training leaves the part out
        ([SQUARE[:7]], ["polygon-short"], False),
        ([[1, 2, 3, 4, 1, 2]], ["polygon-short"], False),  # closed: two points
        ([[1, 2, 3, 4, 5, float("nan")]], ["polygon-not-finite"], False),
        ([[1, 2, 3, 4, 5, float("-inf")]], ["polygon-not-finite"], False),
        ([[1.0, 2, 3, 4, 5, 10**400]], ["polygon-not-finite"], False),
        ([[1, 2, 3, 4, 5, 2e6]], ["polygon-not-finite"], False),  # beyond any image
        ([[10, 10, 81, 10, 20, 20]], ["mask-outside"], True),
        ([[10, 10, 80.5, 10, 20, 20]], [], True),  # rounding moves an edge by half a pixel
        ([[10, -0.6, 20, 10, 20, 20]], ["mask-outside"], True),
        ({**RLE, "size": [80, 50]}, ["rle-size"], False),
        ({**RLE, "size": 80}, ["mask-malformed"], False),
        ({**RLE, "counts": "abc"}, ["rle-malformed"], False),
        ({**RLE, "counts": ""}, ["rle-malformed"], False),
        ({**RLE, "counts": [3999]}, ["rle-malformed"], False),
        ({**RLE, "counts": None}, ["mask-malformed"], False),
        ({**RLE, "counts": [4000]}, ["rle-uncompressed"], True),
        ({"size": [80, 50], "counts": [4000]}, ["rle-size", "rle-uncompressed"], False),
    ],
)
def test_form(segmentation, rules, drawn):
    faults = form_faults(segmentation, 50, 80)
    assert [rule_id for rule_id, _ in faults] == rules
    assert can_be_drawn(faults) == drawn


def test_the_phrase_says_what_came():
    assert form_faults({**RLE, "size": [80, 50]}, 50, 80) == [
        ("rle-size", "size [80, 50], but the image has [height, width] = [50, 80]")
    ]


@pytest.mark.parametrize(
    ("segmentation", "box"),
    [
        ([SQUARE], (10, 10, 20, 20)),
        ([SQUARE, [30, 5, 35, 5, 35, 12]], (10, 5, 35, 20)),
        ([[-5, 40, 30, 40, 30, 60]], (0, 40, 30, 50)),  # cut at the image's edges
        ([[100, 10, 110, 10, 110, 20]], None),
        ([[10, 10, 20, 10, 30, 10]], None),  # of no height
        ({"size": [50, 80], "counts": [51, 2, 3947]}, (1, 1, 2, 3)),
        ({"size": [50, 80], "counts": [4000]}, None),
        ({"size": [50, 80], "counts": [1, 2, 3]}, None),
    ],
)
def test_box(segmentation, box):
    assert form_box(segmentation, 50, 80) == box


def test_the_box_of_polygons_and_their_points():
    assert polygons_box([[3, 4, 1, 9, 2, 2]]) == (1, 2, 3, 9)
    assert points_of(SQUARE) == points_of([*SQUARE, *SQUARE[:2]]) == 4


@pytest.mark.parametrize(
    ("box", "outside"),
    [((0, 0, 80, 50), False), ((-0.5, 0, 80.5, 50.5), False), ((0, -0.6, 9, 9), True), ((0, 0, 9, 50.6), True)],
)
def test_outside(box, outside):
    assert is_outside(box, 50, 80) == outside
