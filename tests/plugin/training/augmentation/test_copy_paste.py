"""Pasting on a 3 x 4 image, to the pixel."""

import numpy as np

from maskrcnn_project.training.augmentation.copy_paste import draw_objects, paste
from maskrcnn_project.training.augmentation.sample import Sample


def sample_of(value, classes, masks):
    image = np.full((3, 4, 3), value, dtype=np.uint8)
    return Sample(image, np.array(masks, dtype=bool).reshape(-1, 3, 4), np.array(classes, dtype=np.int64))


LEFT_HALF = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
UPPER_ROW = [[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
CENTRE = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
RIGHT_EDGE = [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]]


def test_what_is_covered_is_cut_and_what_vanishes_is_left_out():
    base = sample_of(10, [4, 5, 6], [LEFT_HALF, CENTRE, RIGHT_EDGE])
    pasted = paste(base, sample_of(99, [7], [[[0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]]]))
    assert pasted.image[:, :, 0].tolist() == [[10, 10, 10, 10], [99, 99, 99, 10], [10, 10, 10, 10]]
    assert pasted.classes.tolist() == [4, 6, 7]  # the one in the centre is wholly covered
    assert pasted.masks.astype(int).tolist() == [
        [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]],
        RIGHT_EDGE,
        [[0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]],
    ]
    boxes = pasted.to_instances().gt_boxes.tensor.tolist()
    assert boxes == [[0, 0, 2, 3], [3, 0, 4, 3], [0, 1, 3, 2]]


def test_a_box_shrinks_with_its_mask():
    pasted = paste(sample_of(10, [4], [LEFT_HALF]), sample_of(99, [7], [UPPER_ROW]))
    assert pasted.to_instances().gt_boxes.tensor.tolist() == [[0, 1, 2, 3], [0, 0, 4, 1]]


def test_too_little_left_is_left_out():
    base, over = sample_of(10, [4], [LEFT_HALF]), sample_of(99, [7], [UPPER_ROW])  # 4 of 6 pixels stay
    assert paste(base, over, min_visible=0.66).classes.tolist() == [4, 7]
    assert paste(base, over, min_visible=0.67).classes.tolist() == [7]


def test_the_base_is_not_changed():
    base = sample_of(10, [4], [LEFT_HALF])
    paste(base, sample_of(99, [7], [UPPER_ROW]))
    assert (base.image == 10).all() and base.masks[0].astype(int).tolist() == LEFT_HALF


def test_overlap_among_the_pasted_stays():
    pasted = paste(sample_of(10, [], []), sample_of(99, [7, 8], [LEFT_HALF, UPPER_ROW]))
    assert pasted.masks.astype(int).tolist() == [LEFT_HALF, UPPER_ROW]
    assert (pasted.image[:, :, 0] == 99).sum() == 8


def test_nothing_to_paste_and_nothing_to_paste_onto():
    base = sample_of(10, [4], [LEFT_HALF])
    same = paste(base, sample_of(99, [], []))
    assert (same.image == 10).all() and same.classes.tolist() == [4]
    both = paste(sample_of(10, [], []), sample_of(99, [], []))
    assert len(both) == 0 and both.masks.shape == (0, 3, 4)


def test_some_objects_are_drawn_each_with_its_class():
    three = sample_of(0, [1, 2, 3], [LEFT_HALF, CENTRE, UPPER_ROW])
    by_class = {1: LEFT_HALF, 2: CENTRE, 3: UPPER_ROW}
    counts = set()
    for seed in range(40):
        np.random.seed(seed)
        drawn = draw_objects(three)
        counts.add(len(drawn))
        assert len(set(drawn.classes.tolist())) == len(drawn)
        for label, mask in zip(drawn.classes.tolist(), drawn.masks, strict=True):
            assert mask.astype(int).tolist() == by_class[label]
    assert counts == {1, 2, 3}
    assert len(draw_objects(sample_of(0, [], []))) == 0
