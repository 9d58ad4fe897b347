"""Transforms: image, mask, coordinates and boxes move together; inverses lead back; pixels are Pillow's."""

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import transforms as T
from PIL import Image


def _blob(height, width, x0, y0, x1, y1):
    """A mask with one filled rectangle."""
    mask = np.zeros((height, width), np.uint8)
    mask[y0:y1, x0:x1] = 1
    return mask


def _box_of(mask):
    ys, xs = np.nonzero(mask)
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


@pytest.mark.parametrize(
    "transform",
    [
        T.HFlipTransform(40),
        T.VFlipTransform(30),
        T.ResizeTransform(30, 40, 60, 120),
        T.ResizeTransform(30, 40, 15, 20),
        T.CropTransform(3, 5, 30, 20),
        T.PadTransform(3, 5, 2, 1),
        T.ExtentTransform((-10, -6, 50, 36), (42, 60)),
        T.RotationTransform(30, 40, 90),
        T.RotationTransform(30, 40, 180, expand=False),
        T.TransformList([T.HFlipTransform(40), T.ResizeTransform(30, 40, 60, 80), T.CropTransform(10, 4, 60, 50)]),
    ],
    ids=lambda t: type(t).__name__,
)
def test_box_polygon_and_mask_stay_together(transform):
    x0, y0, x1, y1 = 10, 8, 26, 20
    mask = transform.apply_segmentation(_blob(30, 40, x0, y0, x1, y1))
    box = transform.apply_box(np.array([[x0, y0, x1, y1]], dtype=np.float64))[0]
    polygon = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)
    (moved,) = transform.apply_polygons([polygon])
    assert np.allclose(_box_of(mask), box, atol=1e-4)
    assert np.allclose([*moved.min(0), *moved.max(0)], box, atol=1e-4)
    assert transform.apply_image(np.zeros((30, 40, 3), np.uint8)).shape[:2] == mask.shape


@pytest.mark.parametrize(
    "transform",
    [
        T.HFlipTransform(40),
        T.VFlipTransform(30),
        T.ResizeTransform(30, 40, 61, 119),
        T.CropTransform(3, 5, 30, 20, 40, 30),
        T.PadTransform(3, 5, 2, 1, 40, 30),
        T.RotationTransform(30, 40, 90),
        T.TransformList([T.HFlipTransform(40), T.ResizeTransform(30, 40, 60, 80)]),
        T.NoOpTransform(),
        T.ColorTransform(lambda image: 255 - image),
    ],
    ids=lambda t: type(t).__name__,
)
def test_inverse_leads_back(transform):
    points = np.array([[0.0, 0.0], [12.5, 7.25], [40.0, 30.0]])
    back = transform.inverse().apply_coords(transform.apply_coords(points.copy()))
    assert np.allclose(back, points)


def test_inverse_of_crop_and_padding_restores_the_size():
    image = np.arange(1200, dtype=np.uint8).reshape(30, 40)
    crop = T.CropTransform(3, 5, 30, 20, 40, 30)
    restored = crop.inverse().apply_image(crop.apply_image(image))
    assert restored.shape == (30, 40)
    assert (restored[5:25, 3:33] == image[5:25, 3:33]).all()
    pad = T.PadTransform(3, 5, 2, 1, 40, 30)
    assert (pad.inverse().apply_image(pad.apply_image(image)) == image).all()
    for lossy in (T.CropTransform(0, 0, 1, 1), T.PadTransform(1, 1, 1, 1)):
        with pytest.raises(ValueError, match="orig_w and orig_h"):
            lossy.inverse()


@pytest.mark.parametrize(("channels", "size"), [(0, (7, 9)), (3, (20, 31)), (1, (20, 31)), (5, (7, 9)), (4, (7, 9))])
def test_uint8_images_are_resized_by_pillow(channels, size):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (12, 16, channels) if channels else (12, 16), dtype=np.uint8)
    resized = T.ResizeTransform(12, 16, *size).apply_image(image)
    assert resized.shape == (*size, *image.shape[2:]) and resized.dtype == np.uint8
    plane = image[..., -1] if channels else image
    expected = np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR))
    assert (resized[..., -1] if channels else resized).tolist() == expected.tolist()


def test_floating_point_images_are_resized_by_torch_also_as_reversed_views():
    image = np.random.default_rng(0).random((6, 8, 3), dtype=np.float32)[:, :, ::-1]
    resized = T.ResizeTransform(6, 8, 9, 4, Image.Resampling.BILINEAR).apply_image(image)
    planes = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    expected = torch.nn.functional.interpolate(planes, (9, 4), mode="bilinear", align_corners=False)
    assert resized.shape == (9, 4, 3) and resized.dtype == np.float32
    assert np.allclose(resized, expected[0].permute(1, 2, 0).numpy())
    with pytest.raises(ValueError, match="only available for uint8"):
        T.ResizeTransform(6, 8, 3, 4, Image.Resampling.LANCZOS).apply_image(image)


@pytest.mark.parametrize("dtype", [bool, np.int32, np.int64])
def test_masks_of_any_type_are_resized_like_uint8_ones(dtype):
    mask = np.random.default_rng(1).integers(0, 2, (13, 17))
    resize = T.ResizeTransform(13, 17, 29, 8)
    resized = resize.apply_segmentation(mask.astype(dtype))
    assert resized.dtype == dtype
    assert (resized == resize.apply_segmentation(mask.astype(np.uint8))).all()


def test_resizing_another_size_is_refused():
    with pytest.raises(ValueError, match=r"made for an image of size \(4, 5\), but got \(5, 4\)"):
        T.ResizeTransform(4, 5, 8, 10).apply_image(np.zeros((5, 4), np.uint8))


def test_extent_by_hand():
    image = np.array([[1, 2], [3, 4]], np.uint8)
    # The right half and as much again beyond the image.
    extent = T.ExtentTransform((1, 0, 3, 2), (2, 2), interp=Image.Resampling.NEAREST, fill=9)
    assert extent.apply_image(image).tolist() == [[2, 9], [4, 9]]
    assert extent.apply_image(np.dstack([image] * 3))[..., 1].tolist() == [[2, 9], [4, 9]]
    assert extent.apply_segmentation(image > 3).dtype == bool
    assert extent.apply_coords(np.array([[1.0, 2.0], [3.0, 0.0]])).tolist() == [[0.0, 2.0], [2.0, 0.0]]
    with pytest.raises(TypeError, match="needs a uint8 image or a mask, but got float32"):
        extent.apply_image(image.astype(np.float32))


def test_quarter_turns_are_numpys():
    image = np.random.default_rng(2).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert (T.RotationTransform(4, 6, 90).apply_image(image) == np.rot90(image)).all()
    assert (T.RotationTransform(4, 6, 270).apply_image(image) == np.rot90(image, 3)).all()
    # (0, 0) is the top left corner; turned counter-clockwise it is the bottom left one of a 6 x 4 image.
    assert np.allclose(T.RotationTransform(4, 6, 90).apply_coords(np.array([[0.0, 0.0]])), [[0.0, 6.0]])
    assert T.RotationTransform(4, 6, 360).apply_image(image) is image


@pytest.mark.parametrize("expand", [True, False])
def test_rotation_matrix_is_opencvs(expand):
    rotation = T.RotationTransform(50, 70, 33.0, expand=expand, center=None if expand else (20.0, 30.0))
    matrix = cv2.getRotationMatrix2D((35.0, 25.0) if expand else (20.0, 30.0), 33.0, 1)
    if expand:
        matrix[:, 2] += np.array([rotation.bound_w / 2 - 35.0, rotation.bound_h / 2 - 25.0])
    assert np.allclose(rotation.rm_coords, matrix)


def test_rotation_keeps_kinds_and_channels():
    rotation = T.RotationTransform(10, 12, 30)
    for image in (np.ones((10, 12, 1), np.uint8), np.ones((10, 12), bool), np.ones((10, 12), np.int64)):
        rotated = rotation.apply_segmentation(image)
        assert rotated.shape == (rotation.bound_h, rotation.bound_w, *image.shape[2:])
        assert rotated.dtype == image.dtype
    with pytest.raises(NotImplementedError, match="has no inverse"):
        T.RotationTransform(10, 12, 30, expand=False).inverse()
    with pytest.raises(ValueError, match="made for an image of size"):
        rotation.apply_image(np.zeros((12, 10), np.uint8))


def test_rotation_inverse_restores_the_picture():
    image = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (40, 60), dtype=np.uint8), (9, 9), 3)
    rotation = T.RotationTransform(40, 60, 25)
    back = rotation.inverse()
    restored = back.apply_image(rotation.apply_image(image))
    assert restored.shape == image.shape
    assert np.abs(restored[5:-5, 5:-5].astype(int) - image[5:-5, 5:-5]).mean() < 3


def test_colour_functions_leave_places_alone():
    image = np.full((2, 3, 3), 100, np.uint8)
    invert = T.ColorTransform(lambda x: 255 - x)
    assert (invert.apply_image(image) == 155).all()
    assert (invert.apply_segmentation(image) == 100).all()
    by_pil = T.PILColorTransform(lambda picture: picture.point(lambda v: v // 2))
    assert (by_pil.apply_image(image) == 50).all()
    with pytest.raises(TypeError, match="needs a function"):
        T.ColorTransform(3)


def test_rotated_boxes_by_hand():
    boxes = np.array([[10.0, 20.0, 4.0, 2.0, 30.0]])
    assert T.HFlipTransform(100).apply_rotated_box(boxes.copy()).tolist() == [[90.0, 20.0, 4.0, 2.0, -30.0]]
    assert T.NoOpTransform().apply_rotated_box(boxes) is boxes
    # Doubling both sides keeps the angle; stretching a box at 90 degrees in x lengthens its height.
    assert np.allclose(T.ResizeTransform(5, 5, 10, 10).apply_rotated_box(boxes.copy()), [[20, 40, 8, 4, 30]])
    upright = np.array([[1.0, 1.0, 4.0, 2.0, 90.0]])
    assert np.allclose(T.ResizeTransform(5, 5, 5, 15).apply_rotated_box(upright), [[3, 1, 4, 6, 90]])


def test_no_boxes_and_no_polygons():
    transforms = T.TransformList([T.HFlipTransform(40), T.ResizeTransform(30, 40, 60, 80), T.CropTransform(0, 0, 9, 9)])
    assert transforms.apply_box(np.zeros((0, 4))).shape == (0, 4)
    assert transforms.apply_polygons([]) == []
