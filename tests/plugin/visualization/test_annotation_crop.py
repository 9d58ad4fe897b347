import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.masks.coding import encode
from maskrcnn_project.visualization.annotation_crop import (
    BEYOND,
    BOX_COLOUR,
    MASK_COLOUR,
    annotation_crop,
    shapes_of,
)

SQUARE = [20, 30, 40, 30, 40, 50, 20, 50]


def near(picture, colour):
    """Where a picture has a colour, smoothing of lines aside."""
    return np.abs(picture.astype(int) - colour).max(axis=2) < 40


def test_what_can_be_drawn_of_a_sound_annotation():
    mask = np.zeros((60, 80), dtype=bool)
    mask[10:20, 5:9] = True
    for segmentation in ([SQUARE], SQUARE):  # as it should be, and flat
        shapes = shapes_of({"bbox": [1, 2, 3, 4], "segmentation": segmentation}, 60, 80)
        assert shapes.box.tolist() == [1, 2, 4, 6]
        assert shapes.polygons[0].tolist() == [[20, 30], [40, 30], [40, 50], [20, 50]]
    shapes = shapes_of({"segmentation": encode(mask)}, 60, 80)
    assert shapes.box is None and shapes.extent().tolist() == [5, 10, 9, 20]


@pytest.mark.parametrize(
    "annotation",
    [
        {},
        {"bbox": None, "segmentation": None},
        {"bbox": [1, 2, "x", 4], "segmentation": "text"},
        {"bbox": [float("nan")] * 4, "segmentation": [["a"], None, [1], {}]},
        {"segmentation": {"size": [3, 3], "counts": "04"}},
        {"segmentation": {"size": [60, 80], "counts": "zzzz"}},
        {"segmentation": {"size": [60, 80], "counts": [4800]}},  # no pixel
        {"segmentation": {"size": [60, 80]}},
    ],
)
def test_what_cannot_be_drawn_leaves_the_whole_image(annotation):
    image = np.full((60, 80, 3), 200, dtype=np.uint8)
    picture = annotation_crop(image, annotation, size=80)
    assert picture.shape == (60, 80, 3) and (picture == 200).all()


def test_points_that_are_no_numbers_are_left_out():
    shapes = shapes_of({"segmentation": [[1, 2, float("inf"), 3, 4, 5, 6]]}, 60, 80)
    assert shapes.polygons[0].tolist() == [[1, 2], [4, 5]]


def test_box_and_mask_are_drawn_where_they_are():
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    mask = np.zeros((100, 100), dtype=bool)
    mask[40:60, 40:60] = True
    picture = annotation_crop(image, {"bbox": [30, 30, 40, 40], "segmentation": encode(mask)}, size=160)
    # margin 20 round the box: the window is 10 to 90, twice enlarged
    assert picture.shape == (160, 160, 3)
    rows, columns = np.nonzero(near(picture, BOX_COLOUR))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((40, 120, 40, 120), abs=1.5)
    rows, columns = np.nonzero(near(picture, MASK_COLOUR))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((60, 120 - 20, 60, 100), abs=1.5)


def test_a_box_beyond_the_image_is_shown_on_grey():
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    picture = annotation_crop(image, {"bbox": [90, 40, 40, 20]}, size=300)
    assert near(picture, BEYOND)[:, -1].all() and (picture[:, 0] == 0).all()
    assert near(picture, BOX_COLOUR)[:, -100:].any()


def test_far_away_from_its_image_the_image_is_shown():
    image = np.full((10, 10, 3), 7, dtype=np.uint8)
    assert (annotation_crop(image, {"bbox": [5000, 5000, 2, 2]}, size=10)[5, 5] == 7).all()


@settings(max_examples=60, deadline=None)
@given(
    box=st.lists(st.floats(-1e6, 1e6) | st.integers(-300, 300), min_size=4, max_size=4),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_any_box_gives_a_small_picture(box, height, width):
    image = np.zeros((height, width, 3), dtype=np.uint8)
    picture = annotation_crop(image, {"bbox": box}, size=50)
    assert picture.dtype == np.uint8 and picture.ndim == 3
    assert 1 <= max(picture.shape[:2]) <= 50 + 1
