"""Measures of figures whose size is known."""

import math

import numpy as np
import pytest

from maskrcnn_project.masks.coding import encode, encode_crop
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.masks.measurements import DIRECTIONS, measure, perimeter_of
from maskrcnn_project.masks.spans import spans_of
from tests.plugin.masks.found_of import found_of, pixels_of

SIDE = 120
CENTRE = (60.3, 58.8)  # on no pixel's centre and no corner


def along(degrees, height=SIDE, width=SIDE):
    """(u, v): the centres of all pixels from CENTRE along and across the direction, counter-clockwise as seen."""
    angle = math.radians(-degrees)  # y points downwards
    x, y = np.arange(width) + 0.5 - CENTRE[0], np.arange(height)[:, None] + 0.5 - CENTRE[1]
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def disc(radius):
    u, v = along(0)
    return u**2 + v**2 <= radius**2


def ellipse(a, b, degrees):
    u, v = along(degrees)
    return (u / a) ** 2 + (v / b) ** 2 <= 1


def square(side, degrees):
    u, v = along(degrees)
    return (abs(u) <= side / 2) & (abs(v) <= side / 2)


def of(mask, **options):
    [row] = measure(found_of(mask), ("cell",), **options)
    return row


def test_a_rectangle_by_hand():
    row = of(pixels_of("......", ".####.", ".####.", "......"))
    assert (row.index, row.class_name, row.neighbours) == (1, "cell", 0)
    assert row.score == pytest.approx(0.9)
    assert row.box == (1, 1, 5, 3)
    assert row.area == 8
    assert row.centroid == (3, 2)
    assert row.equivalent_diameter == pytest.approx(math.sqrt(32 / math.pi))
    assert (row.orientation, row.solidity) == (0, 1)


@pytest.mark.parametrize(("radius", "within"), [(5, 0.03), (10, 0.01), (25, 0.005), (50, 0.002)])
def test_the_perimeter_of_a_circle(radius, within):
    assert perimeter_of(spans_of(encode(disc(radius)))) == pytest.approx(2 * math.pi * radius, rel=within)


@pytest.mark.parametrize("degrees", [0, 10, 22.5, 26.565, 45, 60])
@pytest.mark.parametrize(("side", "within"), [(20, 0.06), (70, 0.03)])
def test_the_perimeter_of_a_square_in_any_direction(side, degrees, within):
    assert perimeter_of(spans_of(encode(square(side, degrees)))) == pytest.approx(4 * side, rel=within)


@pytest.mark.parametrize(("width", "height"), [(2, 2), (3, 7), (10, 10), (20, 20), (60, 60), (100, 100), (100, 5)])
def test_the_perimeter_of_an_upright_rectangle_by_its_formula(width, height):
    """A border is told 1.38 % short, and the four corners 1.86 pixels: of a square of side s 1.38 % + 0.465 / s."""
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[5 : 5 + height, 7 : 7 + width] = True
    length = perimeter_of(spans_of(encode(mask)))
    assert length == pytest.approx(0.986197 * 2 * (width + height) - 1.859987, abs=1e-3)
    if width == height:
        assert 1 - length / (4 * width) == pytest.approx(0.0138 + 0.465 / width, abs=1e-4)


@pytest.mark.parametrize(("degrees", "told"), [(0, 0.9862), (15, 1.0126), (30, 0.9935), (45, 0.9855)])
@pytest.mark.parametrize("side", [20, 40, 75])
def test_the_perimeter_of_a_turned_square_by_its_formula(side, degrees, told):
    """Long borders are told as f of their angle; corners cost up to 2 pixels in all, and the drawing one or two."""
    length = perimeter_of(spans_of(encode(square(side, degrees))))
    assert 4 * side * told - 4 < length < 4 * side * told + 1.5


def test_borders_of_all_directions_are_told_as_long_as_they_are_in_the_mean():
    angles = np.array([math.atan2(dy, dx) for dx, dy in DIRECTIONS])
    gaps = np.diff(angles, append=angles[0] + math.pi)
    shares = (gaps + np.roll(gaps, 1)) / 2
    turned = np.radians(np.arange(0, 180, 0.1))[:, None]
    told = (shares / 2 * abs(np.sin(turned - angles))).sum(axis=1)
    assert told.mean() == pytest.approx(1, abs=1e-4)
    assert (told.min(), told.max()) == pytest.approx((0.9855, 1.0131), abs=1e-4)


def test_a_ring_has_two_borders():
    row = of(disc(40) & ~disc(20))
    assert row.perimeter == pytest.approx(2 * math.pi * 60, rel=0.005)
    assert row.area == pytest.approx(math.pi * (40**2 - 20**2), rel=0.01)
    assert row.solidity == pytest.approx(0.75, abs=0.005)
    assert row.centroid == pytest.approx(CENTRE, abs=0.1)


@pytest.mark.parametrize("degrees", [0, 20, 45, 90, 135, 170])
def test_an_ellipse_lies_as_it_was_drawn(degrees):
    row = of(ellipse(40, 15, degrees))
    assert abs((row.orientation - degrees + 90) % 180 - 90) < 1  # 179.9 is next to 0
    assert row.area == pytest.approx(math.pi * 40 * 15, rel=0.01)
    assert row.equivalent_diameter == pytest.approx(2 * math.sqrt(40 * 15), rel=0.01)
    ramanujan = math.pi * (3 * 55 - math.sqrt((3 * 40 + 15) * (40 + 3 * 15)))  # 1914, within 1e-4 here
    assert row.perimeter == pytest.approx(ramanujan, rel=0.01)
    assert row.solidity == 1


def test_rising_to_the_right_is_45_degrees():
    assert of(pixels_of("..#", ".#.", "#..")).orientation == pytest.approx(45)
    assert of(pixels_of("#..", ".#.", "..#")).orientation == pytest.approx(135)
    assert of(pixels_of("#", "#", "#")).orientation == pytest.approx(90)


@pytest.mark.parametrize("mask", [pixels_of("#"), pixels_of("##", "##"), pixels_of(".#.", "###", ".#.")])
def test_what_is_as_long_in_all_directions_has_no_orientation(mask):
    assert math.isnan(of(mask).orientation)


@pytest.mark.parametrize(
    ("mask", "solidity", "reason"),
    [
        (pixels_of("#"), 1, "a point"),
        (pixels_of("#..", ".#.", "..#"), 1, "a line"),
        (pixels_of("###", "#..", "#.."), 5 / 6, "its hull is the triangle of 6"),
        (pixels_of("###", "#.#", "###"), 8 / 9, "a hole"),
        (pixels_of("#..", "...", "..#"), 2 / 3, "two parts with a pixel's place between them"),
    ],
)
def test_solidity_by_hand(mask, solidity, reason):
    assert of(mask).solidity == pytest.approx(solidity), reason


def test_neighbours_by_side_by_corner_and_by_overlap():
    found = found_of(
        pixels_of("##......", "##......", "........", "........"),
        pixels_of("..#.....", "........", "........", "........"),  # beside the first
        pixels_of("........", "........", "..#.....", "........"),  # at a corner of the first
        pixels_of("........", "........", "..##....", "........"),  # on the third, and beside the first's corner
        pixels_of("........", "........", "........", "......##"),  # alone
        pixels_of("........", "........", "........", "........"),  # nothing at all
    )
    assert [row.neighbours for row in measure(found, ("cell",))] == [3, 1, 2, 2, 0, 0]


def test_units():
    mask = ellipse(30, 12, 30)
    pixels, units = of(mask), of(mask, pixel_size=0.25)
    assert units.area == pytest.approx(pixels.area / 16)
    for name in ("perimeter", "equivalent_diameter", "centroid", "box"):
        quarter = np.asarray(getattr(pixels, name)) / 4
        np.testing.assert_allclose(getattr(units, name), quarter, rtol=1e-12)
    for name in ("orientation", "solidity", "score", "neighbours"):
        assert getattr(units, name) == getattr(pixels, name)


def test_an_empty_mask_has_a_row_too():
    row = of(np.zeros((3, 3)))
    assert (row.area, row.perimeter, row.equivalent_diameter, row.neighbours) == (0, 0, 0, 0)
    assert all(math.isnan(value) for value in (*row.centroid, row.orientation, row.solidity))


def test_nothing_found():
    assert measure(Detections.none((4, 4)), ()) == []


def test_a_large_image_is_measured_as_a_small_one():
    whole = (4000, 8000)
    figure = ellipse(40, 15, 20)
    found = Detections(
        whole,
        np.array([[7000, 3000, 7120, 3120]], np.float32),
        np.array([0.9], np.float32),
        np.array([0], np.int64),
        [encode_crop(MaskInBox.at(7000, 3000, figure), whole)],
    )
    [large], small = measure(found, ("cell",)), of(figure)
    assert large.centroid == pytest.approx((small.centroid[0] + 7000, small.centroid[1] + 3000))
    assert large.orientation == pytest.approx(small.orientation)
    assert (large.area, large.perimeter, large.solidity) == (small.area, small.perimeter, small.solidity)


@pytest.mark.parametrize("size", [0, -1, math.nan, math.inf])
def test_a_pixel_size_that_is_none(size):
    with pytest.raises(ValueError, match=f"a number above 0, but is {size}"):
        measure(Detections.none((4, 4)), (), size)


def test_boxes_alone_cannot_be_measured():
    boxes = Detections((4, 4), np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), None)
    with pytest.raises(ValueError, match="finds boxes only"):
        measure(boxes, ("cell",))
