"""Rotation that stays inside, and views: numbers by hand."""

import numpy as np
import pytest
from detectron2.data import transforms as T

from maskrcnn_project.training.augmentation.geometry import PAD_VALUE, RandomRotationInside, RandomView


def view_of(image, window, canvas, scale):
    inputs = T.AugInput(image)
    return inputs, inputs.apply_augmentations([RandomView(window, canvas, (scale, scale))])


def test_a_view_at_half_size_lies_somewhere_on_grey():
    image = np.full((8, 12, 3), 7, dtype=np.uint8)
    np.random.seed(0)
    inputs, transforms = view_of(image, window=(10, 10), canvas=(8, 12), scale=0.5)
    seen = (inputs.image == 7).all(axis=2)
    assert inputs.image.shape == (10, 10, 3) and inputs.image.dtype == np.uint8
    assert seen.sum() == 4 * 6
    assert (inputs.image[~seen] == PAD_VALUE).all()
    y0, x0 = np.argwhere(seen)[0]
    box = transforms.apply_box(np.array([[0.0, 0.0, 12.0, 8.0]]))[0]  # the whole image
    assert box.tolist() == [x0, y0, x0 + 6, y0 + 4]
    mask = transforms.apply_segmentation(np.ones((8, 12), dtype=np.uint8))
    assert np.array_equal(mask.astype(bool), seen)  # grey is no part of any object


def test_a_view_at_double_size_fills_the_window_with_a_part():
    image = np.arange(6 * 6, dtype=np.uint8).reshape(6, 6, 1).repeat(3, axis=2) * 5
    np.random.seed(1)
    transforms = RandomView(window=(4, 4), canvas=(6, 6), scales=(2.0, 2.0)).get_transform(image)
    cut, view = transforms[0], transforms.apply_image(image)
    assert (cut.w, cut.h) == (2, 2)  # two source pixels become four
    assert view.shape == (4, 4, 3)
    assert view[0, 0, 0] == image[cut.y0, cut.x0, 0]
    assert view[3, 3, 0] == image[cut.y0 + 1, cut.x0 + 1, 0]


def test_at_scale_one_the_canvas_shows_its_whole_image():
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    inputs, _ = view_of(image, window=(20, 30), canvas=(20, 30), scale=1.0)
    assert np.array_equal(inputs.image, image)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 7)])
@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_the_smallest_and_longest_images_have_a_view(size, scale):
    for seed in range(5):
        np.random.seed(seed)
        inputs, _ = view_of(np.zeros((*size, 3), dtype=np.uint8), (13, 17), (32, 32), scale)
        assert inputs.image.shape == (13, 17, 3)


def test_all_places_come_up():
    image = np.full((2, 2, 3), 7, dtype=np.uint8)
    places = set()
    for seed in range(60):
        np.random.seed(seed)
        inputs, _ = view_of(image, (3, 3), (2, 2), 1.0)
        places.add(tuple(np.argwhere(inputs.image[:, :, 0] == 7)[0].tolist()))
    assert places == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_rotation_keeps_the_size_and_clips_polygons():
    image = np.full((40, 40, 3), 9, dtype=np.uint8)
    np.random.seed(0)
    inputs = T.AugInput(image)
    transforms = inputs.apply_augmentations([RandomRotationInside(180.0)])
    assert inputs.image.shape == (40, 40, 3)
    whole = transforms.apply_polygons([np.array([[0.0, 0], [40, 0], [40, 40], [0, 40]])])
    corners = np.concatenate(whole)
    assert corners.min() >= 0 and corners.max() <= 40
    assert len(corners) > 4  # a turned square, cut at the corners


def test_a_quarter_turn_moves_the_upper_left_to_the_lower_left(monkeypatch):
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    image[0, 0] = 255
    monkeypatch.setattr(np.random, "uniform", lambda low, high: high)
    inputs = T.AugInput(image)
    inputs.apply_augmentations([RandomRotationInside(90.0)])  # counter-clockwise
    assert np.argwhere(inputs.image[:, :, 0] == 255).tolist() == [[3, 0]]


def test_no_degrees_change_nothing():
    image = np.random.default_rng(0).integers(0, 255, (8, 9, 3), dtype=np.uint8)
    inputs = T.AugInput(image)
    inputs.apply_augmentations([RandomRotationInside(0.0)])
    assert np.array_equal(inputs.image, image)
