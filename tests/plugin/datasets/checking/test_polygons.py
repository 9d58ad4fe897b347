"""Crossings, parting and clipping, checked by pixels."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.datasets.checking.polygons import clip_polygon, crossings, shapes_of, split_parts

SQUARE = [10, 10, 50, 10, 50, 50, 10, 50]
BOW_TIE = [10, 10, 50, 50, 50, 10, 10, 50]
TWICE = [*SQUARE, *SQUARE[:2], 10, 10, 30, 10, 30, 30, 10, 30]  # a corner of it once more
BRIDGE = [0, 0, 60, 0, 60, 60, 0, 60, 0, 0, 20, 20, 20, 40, 40, 40, 40, 20, 20, 20]  # a hole, reached by a seam
TOUCHING = [0, 0, 20, 0, 20, 20, 40, 20, 40, 40, 20, 40, 20, 20, 0, 20]  # two squares that share a corner
points = st.tuples(st.integers(0, 40), st.integers(0, 40))


@pytest.mark.parametrize(
    ("polygon", "inverted"),
    [(SQUARE, 0), (BOW_TIE, 800), (TWICE, 400), (BRIDGE, 0), (TOUCHING, 0), ([5, 5, 5, 5, 5, 5], 0)],
)
def test_crossings(polygon, inverted):
    assert crossings(shapes_of([polygon]))[0] == pytest.approx(inverted)


def test_a_crossing_of_less_than_a_pixel_or_a_hundredth_is_none():
    slip = [0, 0, 60, 0, 60, 60, 0, 60, 1, 59.5, 1, 61]
    assert not crossings(shapes_of([slip])).any() and not shapely.is_valid(shapes_of([slip])).any()


def test_no_polygons_and_several():
    assert len(crossings(shapes_of([]))) == 0
    assert (crossings(shapes_of([SQUARE, BOW_TIE, SQUARE])) > 0).tolist() == [False, True, False]


def inside(polygons, at):
    """Whether an odd number of borders lies to the right of the points ``at`` (N, 2): the even-odd rule, by hand."""
    odd = np.zeros(len(at), dtype=bool)
    for polygon in polygons:
        corners = np.reshape(polygon, (-1, 2)).astype(float)
        for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y1 != y2:
                crosses = (y1 > at[:, 1]) != (y2 > at[:, 1])
                odd ^= crosses & (at[:, 0] < x1 + (at[:, 1] - y1) / (y2 - y1) * (x2 - x1))
    return odd


def outline(corners):
    """A polygon none of whose edges runs along another: what a twice drawn border means is nobody's knowledge."""
    return [value + 0.0137 * i * i for i, point in enumerate(corners) for value in point]


def places_off_the_border(polygon):
    """(N, 2) random points, of which none can be rounded to the other side of the border."""
    at = np.random.default_rng(0).uniform(-1, 42, (100, 2))
    ring = shapely.linearrings(np.reshape(polygon, (-1, 2)))
    return at[shapely.distance(shapely.points(at), ring) > 1e-6]


@settings(max_examples=50, deadline=None)
@given(st.lists(points, min_size=3, max_size=8))
def test_parts_cover_the_same_under_the_even_odd_rule_and_do_not_cross(corners):
    polygon = outline(corners)
    parts, at = split_parts(polygon), places_off_the_border(polygon)
    assert not parts or not crossings(shapes_of(parts)).any()
    assert np.array_equal(inside(parts, at), inside([polygon], at))


@settings(max_examples=50, deadline=None)
@given(st.lists(points, min_size=3, max_size=8))
def test_clipped_is_what_lies_in_the_image(corners):
    polygon = outline(corners)
    parts, at = clip_polygon(polygon, 20, 30), places_off_the_border(polygon)
    within = (at > 0).all(axis=1) & (at[:, 0] < 30) & (at[:, 1] < 20)
    assert np.array_equal(inside(parts, at), inside([polygon], at) & within)
    for part in parts:
        xs, ys = part[::2], part[1::2]
        assert min(xs) >= 0 and max(xs) <= 30 and min(ys) >= 0 and max(ys) <= 20


def test_an_outline_drawn_twice_counts_once():
    (part,) = split_parts([*SQUARE, *SQUARE])
    assert sorted(zip(part[::2], part[1::2], strict=True)) == [(10, 10), (10, 50), (50, 10), (50, 50)]
