"""Objects keep their numbers from frame to frame."""

import numpy as np

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.visualization.follow_objects import MAX_FRAMES_UNSEEN, ObjectFollower
from tests.plugin.masks.found_of import found_of

SIZE = (20, 60)


def block(x, width=10):
    mask = np.zeros(SIZE, dtype=bool)
    mask[5:15, x : x + width] = True
    return mask


def boxes_of(found):
    return Detections(found.size, found.boxes, found.scores, found.classes, None)


def test_in_another_order_and_a_little_farther():
    for form in (lambda found: found, boxes_of):
        follower = ObjectFollower()
        assert follower.follow(form(found_of(block(0), block(20), block(40)))) == [0, 1, 2]
        assert follower.follow(form(found_of(block(42), block(2), block(22)))) == [2, 0, 1]


def test_another_class_or_half_of_the_union_is_another_object():
    follower = ObjectFollower()
    follower.follow(found_of(block(0), block(20), classes=[0, 0]))
    # columns 0 to 9 in 0 to 19: half, and no more
    assert follower.follow(found_of(block(0, 20), block(20), classes=[0, 1])) == [2, 3]


def test_one_object_takes_up_one_number_the_better_fit_first():
    follower = ObjectFollower()
    follower.follow(found_of(block(10)))
    assert follower.follow(found_of(block(12), block(11))) == [1, 0]


def test_masks_decide_where_boxes_are_the_same():
    frame, inside = block(0, 30), block(0, 30)
    frame[7:13, 2:28] = False
    inside[5:15] = False
    inside[6:14, 1:29] = True
    follower = ObjectFollower()
    assert follower.follow(found_of(frame)) == [0]
    assert follower.follow(found_of(inside)) == [1]


def test_unseen_for_a_while_and_for_too_long():
    nothing = Detections.none(SIZE)
    for frames, number in ((MAX_FRAMES_UNSEEN, 1), (MAX_FRAMES_UNSEEN + 1, 0)):
        follower = ObjectFollower()
        follower.follow(found_of(block(0), block(20)))
        for _ in range(frames):
            assert follower.follow(nothing) == []
        assert follower.follow(found_of(block(20))) == [number]


def test_an_instance_without_a_pixel():
    follower = ObjectFollower()
    empty = found_of(np.zeros(SIZE))
    assert follower.follow(empty) == [0] and follower.follow(empty) == [1]
