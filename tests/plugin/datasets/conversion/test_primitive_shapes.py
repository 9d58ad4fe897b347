"""Figures as polygons: corners in any order, and ellipses that keep close to the curve."""

import math

import numpy as np
import pytest

from maskrcnn_project.datasets.conversion.primitive_shapes import ROUNDNESS, ellipse, rectangle


@pytest.mark.parametrize("corners", [((1, 2), (5, 4)), ((5, 4), (1, 2)), ((5, 2), (1, 4))])
def test_a_rectangle_between_any_two_opposite_corners(corners):
    assert rectangle(*corners) == [1, 2, 5, 2, 5, 4, 1, 4]


@pytest.mark.parametrize("radius", [0.01, 1, 10, 1000])
def test_a_circle_leaves_its_curve_by_no_more_than_the_tolerance(radius):
    points = np.array(ellipse((3, 4), radius, radius)).reshape(-1, 2) - (3, 4)
    assert np.allclose(np.hypot(*points.T), radius)
    middles = (points + np.roll(points, 1, axis=0)) / 2
    assert radius - np.hypot(*middles.T).min() <= ROUNDNESS * (1 + 1e-9)


def test_an_ellipse_turns_clockwise():
    points = np.array(ellipse((0, 0), 2, 1, 45)).reshape(-1, 2)
    farthest = points[np.hypot(*points.T).argmax()]
    assert np.allclose(np.abs(farthest), math.sqrt(2))
    assert farthest[0] * farthest[1] > 0  # down to the right, as y grows downwards


def test_nothing_has_no_corners():
    assert ellipse((1, 1), 0, 0) == []
