"""Objects in tiles come out as they are in the image: drawn shapes, seen exactly, tile by tile."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.inference.tiling.tiles import detect_tiled
from maskrcnn_project.masks.detections import Detections
from tests.plugin.inference.seeing import Seeing, disc, painting, rectangle

SIDE = 100  # of the images here; tiles of 60 with an overlap of 20 begin at 0 and 40: they share 40 to 60


def as_set(found):
    """What was found, in no order."""
    assert (np.diff(found.scores) <= 0).all()
    masks = found.masks if found.masks is not None else [None] * len(found)
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), masks, strict=True)
    return sorted(json.dumps(row) for row in rows)


def assert_as_untiled(image, size=60, overlap=20, **options):
    seeing = Seeing(score=lambda number, area: 0.3 + number % 7 / 10)
    found = detect_tiled(seeing, image, size, overlap, **options)
    [expected] = seeing([image])
    assert as_set(found) == as_set(expected)


def test_the_tiles_are_seen_in_batches_and_then_the_image():
    seeing = Seeing()
    detect_tiled(seeing, painting(100, 100), 60, 20, batch_size=3)
    assert seeing.sizes == [(60, 60)] * 4 + [(100, 100)]
    detect_tiled(without := Seeing(), painting(100, 100), 60, 20, full_image=False)
    assert without.sizes == [(60, 60)] * 4


@pytest.mark.parametrize(
    ("x", "y", "radius", "reason"),
    [
        (20, 20, 15, "within one tile"),
        (50, 20, 9, "in the strip that two tiles share, whole in both"),
        (50, 50, 9, "in the square that four tiles share, whole in all"),
        (45, 20, 10, "across an edge, whole in one tile"),
        (50, 20, 19, "wider than the strip: whole in none"),
        (50, 50, 19, "across the corners of four tiles, whole in none"),
        (43, 58, 19, "across the corners of four tiles, uneven"),
        (61, 50, 22, "a sliver of it in the left tiles"),
        (50, 50, 45, "wider than a tile"),
        (0, 0, 20, "at the edge of the image, which cuts nothing"),
    ],
)
@pytest.mark.parametrize("full_image", [False, True])
def test_a_disc_comes_out_as_one_with_its_pixels(x, y, radius, reason, full_image):
    assert_as_untiled(painting(SIDE, SIDE, disc(SIDE, SIDE, x, y, radius)), full_image=full_image)


@pytest.mark.parametrize("full_image", [False, True])
def test_objects_that_touch_stay_two(full_image):
    lower = rectangle(SIDE, SIDE, 10, 50, 90, 95)  # both across the edge, one on the other
    upper = rectangle(SIDE, SIDE, 30, 5, 70, 50)
    assert_as_untiled(painting(SIDE, SIDE, lower, upper), full_image=full_image)


def test_touching_side_by_side_in_the_strip():
    left, right = rectangle(SIDE, SIDE, 10, 30, 50, 70), rectangle(SIDE, SIDE, 50, 30, 90, 70)
    assert_as_untiled(painting(SIDE, SIDE, left, right), full_image=False)


def test_classes_do_not_mix():
    left, right = rectangle(SIDE, SIDE, 10, 30, 50, 70), rectangle(SIDE, SIDE, 50, 30, 90, 70)
    assert_as_untiled(painting(SIDE, SIDE, (left, 2), (right, 1)), full_image=False)


def test_an_object_that_enters_a_tile_twice():
    image = painting(SIDE, SIDE, rectangle(SIDE, SIDE, 5, 5, 95, 55), rectangle(SIDE, SIDE, 0, 20, 80, 40))
    image[image[:, :, 0] == 2] = 0  # a horseshoe, open to the left: the left tiles see its two legs
    assert_as_untiled(image, full_image=False)


def test_a_small_object_on_a_large_one():
    large, small = rectangle(SIDE, SIDE, 5, 5, 95, 95), disc(SIDE, SIDE, 50, 50, 6)
    assert_as_untiled(painting(SIDE, SIDE, large, small))


class Overlooking(Seeing):
    """Sees in a tile only what is small, in the image everything: a model trained on objects that fill a picture."""

    def one(self, image):
        self.most = 300 if image.shape[0] < SIDE else 10**9
        return super().one(image)


@pytest.mark.parametrize(("full_image", "expected"), [(True, [0.9, 0.9]), (False, [0.9])])
def test_what_the_tiles_overlook_comes_from_the_whole_image(full_image, expected):
    large, small = rectangle(SIDE, SIDE, 10, 10, 90, 90), disc(SIDE, SIDE, 96, 50, 3)
    image = painting(SIDE, SIDE, large, small)
    found = detect_tiled(Overlooking(), image, 40, 10, full_image=full_image)
    assert found.scores.tolist() == pytest.approx(expected)
    if full_image:
        assert as_set(found) == as_set(Seeing()([image])[0])


@pytest.mark.parametrize("overlap", [0, 20])
def test_nothing_at_all(overlap):
    found = detect_tiled(Seeing(), painting(SIDE, SIDE), 50, overlap)
    assert (len(found), found.masks, found.size, found.boxes.shape) == (0, [], (SIDE, SIDE), (0, 4))


@pytest.mark.parametrize(("size", "sizes"), [(100, [(80, 100)]), (90, [(80, 90)] * 2 + [(80, 100)])])
def test_an_image_smaller_than_a_tile_is_seen_as_it_is(size, sizes):
    image = painting(80, 100, disc(80, 100, 50, 40, 30))
    seeing = Seeing()
    assert as_set(detect_tiled(seeing, image, size, 20)) == as_set(Seeing()([image])[0])
    assert seeing.sizes == sizes


@pytest.mark.parametrize(("x", "y", "radius"), [(50, 20, 12), (50, 50, 12), (43, 57, 15), (20, 20, 10), (50, 50, 48)])
def test_without_overlap_parts_that_meet_at_the_edge_are_one(x, y, radius):
    image = painting(SIDE, SIDE, disc(SIDE, SIDE, x, y, radius))
    assert_as_untiled(image, size=50, overlap=0, full_image=False)


def test_without_overlap_what_is_shifted_along_the_edge_is_two():
    left, right = rectangle(SIDE, SIDE, 20, 10, 50, 30), rectangle(SIDE, SIDE, 50, 25, 80, 48)
    assert_as_untiled(painting(SIDE, SIDE, left, right), size=50, overlap=0)


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (50, 50), (50, -1)])
def test_impossible_tiles_are_named(size, overlap):
    with pytest.raises(ValueError, match=f"the size is {size} and the overlap is {overlap}"):
        detect_tiled(Seeing(), painting(10, 10), size, overlap)


DISCS = st.lists(st.tuples(st.floats(0, 130), st.floats(0, 90), st.floats(1, 9.5)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(discs=DISCS, size=st.integers(32, 70), full_image=st.booleans())
def test_discs_smaller_than_the_overlap_come_out_as_untiled(discs, size, full_image):
    # a radius below 9.5 makes discs of up to 20 pixels; they may cover and cut one another
    image = painting(90, 130, *(disc(90, 130, *one) for one in discs))
    assert_as_untiled(image, size, overlap=20, full_image=full_image)


@settings(max_examples=60, deadline=None)
@given(discs=DISCS, size=st.integers(24, 70), overlap=st.integers(1, 11))
def test_every_pixel_that_was_seen_is_in_one_object_once(discs, size, overlap):
    """Also where discs are wider than the overlap and than a tile: nothing is lost, invented or doubled."""
    image = painting(90, 130, *(disc(90, 130, *one) for one in discs))
    found = detect_tiled(Seeing(), image, size, overlap, full_image=False)
    pixels = found.to_instances().pred_masks.numpy()
    np.testing.assert_array_equal(pixels.sum(axis=0), image.any(axis=2))


def test_the_order_is_that_of_the_scores():
    image = painting(SIDE, SIDE, *(disc(SIDE, SIDE, 15 + 23 * n, 50, 8) for n in range(4)))
    found = detect_tiled(Seeing(score=lambda number, area: number / 5), image, 60, 20)
    np.testing.assert_allclose(found.scores, [0.8, 0.6, 0.4, 0.2], rtol=1e-6)


def test_boxes_alone():
    def boxes_only(images):
        return [Detections(f.size, f.boxes, f.scores, f.classes, None) for f in Seeing()(images)]

    image = painting(SIDE, SIDE, disc(SIDE, SIDE, 50, 50, 19), disc(SIDE, SIDE, 20, 20, 10))
    found = detect_tiled(boxes_only, image, 60, 20)
    assert found.masks is None and found.boxes.tolist() == [[31, 31, 69, 69], [10, 10, 30, 30]]
