"""What an augmentation sees, how a list of them is applied, how they print."""

import numpy as np
import pytest
from detectron2.data import transforms as T


def test_aug_input_moves_image_boxes_and_segmentation_together():
    image = np.arange(12, dtype=np.uint8).reshape(2, 6)
    inputs = T.AugInput(image, boxes=np.array([[1.0, 0.0, 3.0, 2.0]]), sem_seg=image.copy())
    transforms = inputs.apply_augmentations([T.RandomFlip(prob=1.0), T.CropTransform(2, 0, 4, 2)])
    assert isinstance(transforms, T.TransformList) and len(transforms) == 2
    assert inputs.image[0].tolist() == [3, 2, 1, 0]
    assert inputs.boxes.tolist() == [[1.0, 0.0, 3.0, 2.0]]  # 6 - 3 - 2, 6 - 1 - 2
    assert inputs.sem_seg.tolist() == inputs.image.tolist()


def test_apply_augmentations_takes_an_image_or_an_input():
    image = np.zeros((4, 8, 3), np.uint8)
    resized, transforms = T.apply_augmentations([T.Resize((2, 4))], image)
    assert resized.shape == (2, 4, 3)
    assert transforms.apply_coords(np.array([[8.0, 4.0]])).tolist() == [[4.0, 2.0]]
    inputs = T.AugInput(image)
    returned, _ = T.apply_augmentations([T.Resize(2)], inputs)
    assert returned is inputs and inputs.image.shape == (2, 2, 3)
    assert T.apply_transform_gens is T.apply_augmentations
    assert T.TransformGen is T.Augmentation and T.StandardAugInput is T.AugInput


class _SeesBoxes(T.Augmentation):
    def get_transform(self, boxes, image):
        self.seen = (boxes, image.shape)
        return T.NoOpTransform()


def test_get_transform_is_given_what_it_names():
    augmentation = _SeesBoxes()
    boxes = np.zeros((0, 4))
    augmentation(T.AugInput(np.zeros((2, 3), np.uint8), boxes=boxes))
    assert augmentation.seen[0] is boxes and augmentation.seen[1] == (2, 3)


def test_an_input_without_what_is_wanted_says_so():
    class Bare:
        image = np.zeros((2, 3), np.uint8)

    with pytest.raises(AttributeError, match="_SeesBoxes needs 'boxes', which the Bare it was given does not have"):
        _SeesBoxes()(Bare())


def test_an_augmentation_must_draw_a_transform_and_name_its_input():
    class Nothing(T.Augmentation):
        def get_transform(self, image):
            return None

    class Unclear(T.Augmentation):
        def get_transform(self, image, strength=1):
            return T.NoOpTransform()

    inputs = T.AugInput(np.zeros((2, 3), np.uint8))
    with pytest.raises(TypeError, match="must return a Transform, but returned None"):
        Nothing()(inputs)
    with pytest.raises(TypeError, match="without defaults, but has the parameter 'strength=1'"):
        Unclear()(inputs)
    with pytest.raises(TypeError, match="Augmentation or a Transform was wanted, but got 3"):
        T.AugmentationList([3])


@pytest.mark.parametrize(
    ("image", "error", "sentence"),
    [
        ([[1]], TypeError, "numpy array, but got list"),
        (np.zeros((2, 2), np.int64), TypeError, "but got int64"),
        (np.zeros((1, 2, 2, 3), np.uint8), ValueError, r"but got shape \(1, 2, 2, 3\)"),
    ],
)
def test_bad_images(image, error, sentence):
    with pytest.raises(error, match=sentence):
        T.AugInput(image)


def test_random_apply():
    image = np.zeros((4, 4), np.uint8)
    np.random.seed(0)
    always, never = T.RandomApply(T.Resize(2), prob=1.0), T.RandomApply(T.Resize(2), prob=0.0)
    assert T.apply_augmentations([always], image)[0].shape == (2, 2)
    assert T.apply_augmentations([never], image)[0].shape == (4, 4)
    assert isinstance(never.get_transform(image), T.NoOpTransform)
    half = [len(T.apply_augmentations([T.RandomApply(T.Resize(2))], image)[0]) for _ in range(400)]
    assert 150 < half.count(2) < 250
    with pytest.raises(ValueError, match="prob is 1.5"):
        T.RandomApply(T.Resize(2), prob=1.5)


def test_inner_augmentation_of_random_apply_sees_the_whole_input():
    inner = _SeesBoxes()
    boxes = np.zeros((0, 4))
    T.RandomApply(inner, prob=1.0)(T.AugInput(np.zeros((2, 3), np.uint8), boxes=boxes))
    assert inner.seen[0] is boxes


def test_printing_shows_what_differs_from_the_defaults():
    assert repr(T.RandomFlip(prob=0.25)) == "RandomFlip(prob=0.25)"
    assert repr(T.ResizeShortestEdge((10, 20), 30)) == "ResizeShortestEdge(short_edge_length=(10, 20), max_size=30)"
    assert repr(T.AugmentationList([T.RandomBrightness(1, 2)])).startswith("AugmentationList[RandomBrightness(")
    assert "CropTransform" in repr(T.AugmentationList([T.CropTransform(0, 0, 1, 1)]))


def test_helpers_for_subclasses():
    class Mine(T.Augmentation):
        def __init__(self, a, b=2):
            super().__init__()
            self._init(locals())

    mine = Mine(1)
    assert (mine.a, mine.b) == (1, 2) and repr(mine) == "Mine(a=1)"
    np.random.seed(4)
    expected = np.random.RandomState(4).uniform(0, 1), 5
    assert mine._rand_range() == expected[0]
    assert 3 <= mine._rand_range(3, 4) < 4
    assert mine._rand_range(size=(2, 3)).shape == (2, 3)
