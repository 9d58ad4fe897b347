"""The augmentations: what they draw, from which generator, and within which limits."""

import numpy as np
import pytest
from detectron2.data import transforms as T

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "short", "limit", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1067)),  # 640 * 800 / 480 = 1066.67
        ((640, 480), 800, 1333, (1067, 800)),
        ((300, 900), 800, 1333, (444, 1333)),  # the limit of the longer edge: 1333 / 3 = 444.33
        ((100, 100), 50, 1000, (50, 50)),
        ((3, 7), 5, 100, (5, 12)),  # 7 * 5 / 3 = 11.67
    ],
)
def test_shortest_edge_shapes(size, short, limit, expected):
    assert T.ResizeShortestEdge.get_output_shape(*size, short, limit) == expected


def test_shortest_edge_draws_as_detectron2_does():
    choice, ranged = T.ResizeShortestEdge((30, 40, 50), 200, "choice"), T.ResizeShortestEdge((30, 50), 200)
    np.random.seed(5)
    got = [choice.get_transform(IMAGE).new_h, ranged.get_transform(IMAGE).new_h, ranged.get_transform(IMAGE).new_h]
    same = np.random.RandomState(5)
    assert got == [same.choice((30, 40, 50)), same.randint(30, 51), same.randint(30, 51)]
    assert {ranged.get_transform(IMAGE).new_h for _ in range(600)} == set(range(30, 51))  # both ends included


def test_shortest_edge_special_cases():
    assert isinstance(T.ResizeShortestEdge(0).get_transform(IMAGE), T.NoOpTransform)
    assert T.ResizeShortestEdge(30).get_transform(IMAGE).new_w == 45
    with pytest.raises(ValueError, match="needs two lengths"):
        T.ResizeShortestEdge((1, 2, 3), sample_style="range")
    with pytest.raises(ValueError, match="'range' or 'choice', but is 'all'"):
        T.ResizeShortestEdge((1, 2), sample_style="all")
    with pytest.raises(ValueError, match="at least one length"):
        T.ResizeShortestEdge((), sample_style="choice")


def test_flip_draws_one_number_of_numpys_global_generator():
    flip = T.RandomFlip(prob=0.5)
    np.random.seed(11)
    got = [isinstance(flip.get_transform(IMAGE), T.HFlipTransform) for _ in range(20)]
    assert got == (np.random.RandomState(11).uniform(0, 1, 20) < 0.5).tolist()


def test_flip_directions():
    vertical = T.RandomFlip(prob=1.0, horizontal=False, vertical=True).get_transform(IMAGE)
    assert isinstance(vertical, T.VFlipTransform) and vertical.height == 60
    assert isinstance(T.RandomFlip(prob=0.0).get_transform(IMAGE), T.NoOpTransform)
    for both in (True, False):
        with pytest.raises(ValueError, match="exactly one of horizontal and vertical"):
            T.RandomFlip(horizontal=both, vertical=both)


def test_resize_to_fixed_shapes():
    assert T.Resize(20).get_transform(IMAGE).apply_image(IMAGE).shape == (20, 20, 3)
    assert T.Resize([20, 30]).get_transform(IMAGE).apply_image(IMAGE).shape == (20, 30, 3)
    shapes = [(10, 20), (30, 5)]
    drawn = {T.RandomResize(shapes).get_transform(IMAGE).apply_image(IMAGE).shape[:2] for _ in range(40)}
    assert drawn == set(shapes)
    with pytest.raises(ValueError, match="at least one"):
        T.RandomResize([])


def test_resize_scale_fits_into_the_scaled_target():
    fixed = T.ResizeScale(1.0, 1.0, 120, 120).get_transform(IMAGE)
    assert (fixed.new_h, fixed.new_w) == (80, 120)  # 60 x 90 into 120 x 120: factor 4/3
    np.random.seed(3)
    for _ in range(50):
        drawn = T.ResizeScale(0.5, 2.0, 120, 120).get_transform(IMAGE)
        assert 60 <= drawn.new_w <= 240
        assert drawn.new_h / drawn.new_w == pytest.approx(2 / 3, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "size", "heights", "widths"),
    [
        ("relative", (0.5, 0.1), {30}, {9}),
        ("absolute", (20, 1000), {20}, {90}),
        ("absolute_range", (10, 12), {10, 11, 12}, {10, 11, 12}),
        ("absolute_range", (80, 100), {60}, set(range(80, 91))),
    ],
)
def test_crop_sizes(kind, size, heights, widths):
    np.random.seed(0)
    crop = T.RandomCrop(kind, size)
    drawn = [crop.get_crop_size((60, 90)) for _ in range(300)]
    assert {h for h, _ in drawn} == heights
    assert {w for _, w in drawn} == widths


def test_relative_range_crop_draws_as_detectron2_does():
    np.random.seed(7)
    transform = T.RandomCrop("relative_range", (0.4, 0.6)).get_transform(IMAGE)
    same = np.random.RandomState(7)
    low = np.array([0.4, 0.6], np.float32)
    fractions = low + same.rand(2) * (1 - low)
    height, width = int(60 * fractions[0] + 0.5), int(90 * fractions[1] + 0.5)
    assert (transform.h, transform.w) == (height, width)
    assert transform.y0 == same.randint(60 - height + 1)
    assert transform.x0 == same.randint(90 - width + 1)


def test_crop_stays_inside_and_reaches_every_place():
    np.random.seed(1)
    crops = [T.RandomCrop("absolute", (58, 90)).get_transform(IMAGE) for _ in range(60)]
    assert {(c.x0, c.y0) for c in crops} == {(0, 0), (0, 1), (0, 2)}
    assert crops[0].apply_image(IMAGE).shape == (58, 90, 3)


def test_crop_refuses_bad_arguments():
    with pytest.raises(ValueError, match="must be one of relative_range, .* but is 'half'"):
        T.RandomCrop("half", (1, 1))
    with pytest.raises(ValueError, match=r"\(min, max\), but is \(5, 4\)"):
        T.RandomCrop("absolute_range", (5, 4))
    with pytest.raises(ValueError, match="does not fit"):
        T.RandomCrop("relative", (1.5, 1.0)).get_transform(IMAGE)


def test_crop_with_a_limit_to_one_class():
    np.random.seed(0)
    sem_seg = np.zeros((60, 90), np.uint8)
    sem_seg[:, 45:] = 1
    crop = T.RandomCrop_CategoryAreaConstraint("absolute", (20, 20), single_category_max_area=0.8)
    for _ in range(20):
        part = crop.get_transform(IMAGE, sem_seg).apply_segmentation(sem_seg)
        assert 0.2 <= part.mean() <= 0.8 or part.mean() in (0.0, 1.0)  # ten tries may all fail
    mixed = [crop.get_transform(IMAGE, sem_seg).apply_segmentation(sem_seg).mean() for _ in range(50)]
    assert np.mean([0.2 <= m <= 0.8 for m in mixed]) > 0.7  # against 0.17 for a window at random
    free = T.RandomCrop_CategoryAreaConstraint("absolute", (20, 20))
    assert free(T.AugInput(IMAGE, sem_seg=sem_seg)).h == 20


def test_fixed_size_crop_pads_the_smaller_side_and_moves_both_offsets_together():
    inputs = T.AugInput(IMAGE, sem_seg=np.ones((60, 90), np.uint8), boxes=np.array([[0.0, 0.0, 90.0, 60.0]]))
    np.random.seed(2)
    T.FixedSizeCrop((80, 50), pad_value=7)(inputs)
    assert inputs.image.shape == (80, 50, 3)
    offset = round(40 * np.random.RandomState(2).uniform(0, 1))
    assert (inputs.image[:60] == IMAGE[:, offset : offset + 50]).all()
    assert (inputs.image[60:] == 7).all()
    assert (inputs.sem_seg[:60] == 1).all() and (inputs.sem_seg[60:] == 255).all()
    assert inputs.boxes.tolist() == [[-offset, 0.0, 90 - offset, 60.0]]
    unpadded = T.FixedSizeCrop((80, 50), pad=False).get_transform(IMAGE)
    assert unpadded.apply_image(IMAGE).shape == (60, 50, 3)
    assert np.allclose(unpadded.inverse().apply_coords(unpadded.apply_coords(np.array([[3.0, 4.0]]))), [[3, 4]])


def test_extent_without_shift_is_centred():
    extent = T.RandomExtent((2.0, 2.0), (0.0, 0.0)).get_transform(IMAGE)
    assert extent.src_rect.tolist() == [-45.0, -30.0, 135.0, 90.0]
    assert extent.output_size == (120, 180)
    enlarged = extent.apply_image(IMAGE)
    assert (enlarged[30:90, 45:135] == IMAGE).all() and not enlarged[:30].any()


def test_extent_draws_as_detectron2_does():
    np.random.seed(4)
    rect = T.RandomExtent((0.5, 1.5), (0.2, 0.4)).get_transform(IMAGE).src_rect
    same = np.random.RandomState(4)
    scale = same.uniform(0.5, 1.5)
    x, y = 45 + 90 * 0.2 * (same.rand() - 0.5), 30 + 60 * 0.4 * (same.rand() - 0.5)
    assert np.allclose(rect, [x - 45 * scale, y - 30 * scale, x + 45 * scale, y + 30 * scale])


def test_min_iou_crop_keeps_its_promise():
    np.random.seed(6)
    boxes = np.array([[10.0, 10.0, 60.0, 50.0], [40.0, 20.0, 88.0, 58.0]])
    crops = [T.MinIoURandomCrop(min_ious=(0.3,), min_crop_size=0.3).get_transform(IMAGE, boxes) for _ in range(60)]
    windows = [c for c in crops if isinstance(c, T.CropTransform)]
    assert 20 < len(windows) < 60  # one mode in three leaves the image whole
    for c in windows:
        assert c.x0 >= 0 and c.x0 + c.w <= 90 and c.y0 >= 0 and c.y0 + c.h <= 60
        assert 0.45 <= c.h / c.w <= 2.1
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2 - [c.x0, c.y0]
        assert ((centers > 0) & (centers < [c.w, c.h])).all(1).any()
    assert isinstance(T.MinIoURandomCrop().get_transform(IMAGE, None), T.NoOpTransform)
    assert isinstance(T.MinIoURandomCrop().get_transform(IMAGE, np.zeros((0, 4))), T.Transform)


def test_rotation_draws_angles_and_centres():
    np.random.seed(8)
    ranged = T.RandomRotation((-30, 30), expand=False, center=((0.0, 0.0), (1.0, 0.5)))
    same = np.random.RandomState(8)
    transform = ranged.get_transform(IMAGE)
    assert transform.angle == same.uniform(-30, 30)
    assert transform.center == (90 * same.uniform(0, 1), 60 * same.uniform(0, 0.5))
    assert T.RandomRotation(45).get_transform(IMAGE).angle == 45
    angles = {T.RandomRotation([90, 180], sample_style="choice").get_transform(IMAGE).angle for _ in range(30)}
    assert angles == {90, 180}
    points = T.RandomRotation([90], expand=False, center=[(0, 0), (1, 1)], sample_style="choice")
    assert {points.get_transform(IMAGE).center for _ in range(30)} == {(0, 0), (90, 60)}
    assert isinstance(T.RandomRotation(360).get_transform(IMAGE), T.NoOpTransform)


@pytest.mark.parametrize(
    ("augmentation", "other"),
    [
        (T.RandomBrightness(0.5, 0.5), np.zeros(3)),
        (T.RandomContrast(0.5, 0.5), np.full(3, IMAGE.mean())),
        (T.RandomSaturation(0.5, 0.5), (IMAGE @ np.array([0.299, 0.587, 0.114]))[..., None]),
    ],
    ids=lambda x: type(x).__name__,
)
def test_intensity_mixes_half_and_half(augmentation, other):
    changed = augmentation.get_transform(IMAGE).apply_image(IMAGE)
    assert changed.dtype == np.uint8
    assert np.abs(changed - (0.5 * IMAGE + 0.5 * other)).max() <= 1


@pytest.mark.parametrize("kind", [T.RandomBrightness, T.RandomContrast, T.RandomSaturation])
def test_intensity_one_changes_nothing(kind):
    assert (kind(1.0, 1.0).get_transform(IMAGE).apply_image(IMAGE) == IMAGE).all()


def test_lighting_adds_one_colour():
    image = IMAGE.astype(np.float32)
    np.random.seed(0)
    shift = T.RandomLighting(10.0).get_transform(image).apply_image(image) - image
    assert np.allclose(shift, shift[0, 0], atol=1e-3) and np.abs(shift).max() > 0
    assert (T.RandomLighting(0.0).get_transform(IMAGE).apply_image(IMAGE) == IMAGE).all()
    for augmentation in (T.RandomLighting(1.0), T.RandomSaturation(1, 1)):
        with pytest.raises(ValueError, match="three channels"):
            augmentation.get_transform(IMAGE[:, :, :1])
