"""Hue, saturation, blur and noise on hand-sized images."""

import numpy as np
import pytest
from detectron2.data import transforms as T

from maskrcnn_project.training.augmentation.colour import (
    RandomBlur,
    RandomHueSaturation,
    RandomNoise,
    add_noise,
    blur,
    shift_hue,
)

RED_RGB = np.array([[[255, 0, 0]]], dtype=np.uint8)


def test_a_third_of_the_circle_turns_red_to_green_in_either_channel_order():
    assert shift_hue(RED_RGB, 120, 1.0, "RGB")[0, 0].argmax() == 1
    assert shift_hue(RED_RGB[:, :, ::-1], 120, 1.0, "BGR")[0, 0].argmax() == 1
    assert shift_hue(RED_RGB, -120, 1.0, "RGB")[0, 0].argmax() == 2


def test_no_shift_and_factor_one_change_nothing():
    assert shift_hue(RED_RGB, 0, 1.0, "RGB").tolist() == RED_RGB.tolist()


def test_without_saturation_red_is_white_of_its_value():
    assert shift_hue(RED_RGB, 0, 0.0, "RGB")[0, 0].tolist() == [255, 255, 255]


def test_greys_have_no_hue():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert np.array_equal(shift_hue(greys, 77, 1.5, "BGR"), greys)


@pytest.mark.parametrize("channels", [1, 3])
def test_blur_spreads_a_point_evenly_and_keeps_the_shape(channels):
    image = np.zeros((9, 9, channels), dtype=np.uint8)
    image[4, 4] = 255
    blurred = blur(image, 1.0)
    assert blurred.shape == image.shape and blurred.dtype == np.uint8
    assert abs(blurred[4, 4, 0] - 255 / (2 * np.pi)) <= 1  # the density of a normal in two dimensions at its centre
    assert np.array_equal(blurred, blurred[::-1, ::-1]) and np.array_equal(blurred, blurred.transpose(1, 0, 2))


def test_noise_has_the_deviation_asked_for_and_its_seed_repeats_it():
    image = np.full((100, 100, 3), 128, dtype=np.uint8)
    noisy = add_noise(image, 10.0, seed=1)
    assert noisy.dtype == np.uint8
    assert abs(noisy.std() - 10) < 0.3 and abs(noisy.mean() - 128) < 0.3  # 30,000 draws: 4 sigma is 0.23
    assert np.array_equal(noisy, add_noise(image, 10.0, seed=1))
    assert not np.array_equal(noisy, add_noise(image, 10.0, seed=2))


def test_noise_stops_at_black_and_white():
    noisy = add_noise(np.array([[[0, 255]]], dtype=np.uint8).repeat(500, axis=0), 50.0, seed=0)
    assert noisy[..., 0].min() == 0 and noisy[..., 0].max() < 250  # no wrapping round
    assert noisy[..., 1].max() == 255 and noisy[..., 1].min() > 5


@pytest.mark.parametrize("augmentation", [RandomHueSaturation(18, 0.5, "BGR"), RandomBlur(2.0), RandomNoise(10.0)])
def test_only_pixels_change_and_equal_seeds_change_them_alike(augmentation):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    before = image.copy()
    results = []
    for seed in (3, 3, 4):
        np.random.seed(seed)
        inputs = T.AugInput(image[:, :, ::-1], boxes=np.array([[1.0, 2.0, 3.0, 4.0]]))
        inputs.apply_augmentations([augmentation])
        assert inputs.boxes.tolist() == [[1, 2, 3, 4]]
        assert inputs.image.shape == image.shape and inputs.image.dtype == np.uint8
        results.append(inputs.image)
    assert np.array_equal(results[0], results[1]) and not np.array_equal(results[0], results[2])
    assert np.array_equal(image, before)
