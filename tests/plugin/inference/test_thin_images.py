"""Images whose short side would round to no pixel at the model's size."""

import numpy as np
import pytest
from detectron2.config import get_cfg
from detectron2.data.transforms import ResizeShortestEdge

from maskrcnn_project.inference.thin_images import brought_back, widened, with_thin_images
from maskrcnn_project.masks.coding import encode
from maskrcnn_project.masks.detections import Detections


@pytest.mark.parametrize(
    ("size", "wider"),
    [
        ((1, 5000), (2, 5000)),  # 5000 -> 1333: a row of 1 would be 0.27 pixels high
        ((5000, 1), (5000, 2)),
        ((1, 2665), (1, 2665)),  # 0.5002 rounds to one
        ((1, 2666), (2, 2666)),  # 0.5 exactly: on the safe side
        ((3, 20000), (8, 20000)),
        ((480, 640), (480, 640)),
        ((1, 1), (1, 1)),
    ],
)
def test_an_image_keeps_a_pixel(size, wider):
    image = np.arange(size[0] * size[1], dtype=np.int64).reshape(*size, 1).repeat(3, axis=2).astype(np.uint8)
    shown = widened(image, 1333)
    assert shown.shape[:2] == wider
    assert min(ResizeShortestEdge.get_output_shape(*wider, 800, 1333)) >= 1
    assert set(np.unique(shown)) == set(np.unique(image)), "pixels are repeated, none is made"
    if wider == size:
        assert shown is image


def test_what_is_found_comes_back_at_its_place():
    mask = np.zeros((4, 10), bool)
    mask[2:, 3:5] = True  # the lower half, two columns
    thin = np.zeros((4, 10), bool)
    thin[1, 0] = True  # a row whose centre no row of the image has
    boxes = np.array([[3, 2, 5, 4], [0, 1, 1, 2]], np.float32)
    scores, classes = np.array([0.9, 0.8], np.float32), np.array([0, 1])
    found = Detections((4, 10), boxes, scores, classes, [encode(mask), encode(thin)])
    back = brought_back(found, (2, 10))
    assert back.size == (2, 10) and back.classes.tolist() == [0, 1]
    assert back.boxes.tolist() == [[3, 1, 5, 2], [0, 0.5, 1, 1]]
    [first, second] = back.to_instances().pred_masks.numpy()
    assert np.argwhere(first).tolist() == [[1, 3], [1, 4]]
    assert np.argwhere(second).tolist() == [[0, 0]]
    single = brought_back(found, (1, 10))
    assert np.argwhere(single.to_instances().pred_masks.numpy()[0]).tolist() == [[0, 3], [0, 4]]
    assert single.classes.tolist() == [0], "the other has no pixel left"
    assert brought_back(found, (4, 10)) is found


def test_without_masks():
    found = Detections((4, 10), np.array([[0, 0, 10, 4]], np.float32), np.ones(1, np.float32), np.zeros(1, int), None)
    assert brought_back(found, (1, 10)).boxes.tolist() == [[0, 0, 10, 1]]


def test_only_thin_images_are_shown_otherwise():
    shown = []

    def detect(images):
        shown.extend(image.shape for image in images)
        return [Detections.none(image.shape[:2]) for image in images]

    cfg = get_cfg()
    images = [np.zeros((8, 9, 3), np.uint8), np.zeros((1, 9000, 3), np.uint8)]
    found = with_thin_images(detect, cfg)(images)
    assert shown == [(8, 9, 3), (4, 9000, 3)]
    assert [one.size for one in found] == [(8, 9), (1, 9000)]
