"""What became of objects, drawn: in its colour, filled where it went wrong."""

import numpy as np

from maskrcnn_project.evaluation.report.pair_picture import FALSE, INKS, MAX_SIDE, MISSED, RIGHT, Mark, draw_marks
from maskrcnn_project.masks.coding import encode

GREY = 50
IMAGE = np.full((600, 700, 3), GREY, np.uint8)


def mark(kind, x, label=""):
    mask = np.zeros((600, 700), dtype=bool)
    mask[200:300, x : x + 100] = True
    return Mark(kind, np.array([x, 200, x + 100, 300]), encode(mask), label)


def test_what_went_wrong_is_filled_and_named():
    picture = draw_marks(IMAGE, [mark(RIGHT, 100), mark(MISSED, 300, "cell"), mark(FALSE, 500, "cell 70%")])
    assert (picture[250, 150] == GREY).all()
    np.testing.assert_allclose(picture[250, 100], INKS[RIGHT], atol=30)
    for kind, x in ((MISSED, 350), (FALSE, 550)):
        np.testing.assert_allclose(picture[250, x], GREY * 0.6 + np.array(INKS[kind]) * 0.4, atol=1)
        assert (picture[185:195, x - 48 : x - 40] != GREY).any()


def test_what_went_wrong_lies_on_top():
    first, second = (draw_marks(IMAGE, marks) for marks in ([a, b] for a, b in both_orders()))
    np.testing.assert_array_equal(first, second)


def both_orders():
    right, missed = mark(RIGHT, 100), mark(MISSED, 150)
    return (right, missed), (missed, right)


def test_a_box_alone_and_a_large_image():
    large = np.full((2400, 1200, 3), GREY, np.uint8)
    picture = draw_marks(large, [Mark(MISSED, np.array([200, 400, 600, 800]), None)])
    assert picture.shape == (MAX_SIDE, MAX_SIDE // 2, 3)
    np.testing.assert_array_equal(picture[300, 100], INKS[MISSED])
