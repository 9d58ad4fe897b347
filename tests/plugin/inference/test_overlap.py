"""Each pixel to the most confident instance."""

import numpy as np
import pytest

from maskrcnn_project.inference.overlap import remove_overlap
from maskrcnn_project.masks.coding import decode
from maskrcnn_project.masks.detections import Detections
from tests.plugin.masks.found_of import found_of, pixels_of

ROW = [pixels_of("##...."), pixels_of(".###.."), pixels_of("...##."), pixels_of("#.....")]


def rows_of(found):
    return ["".join(".#"[value] for value in decode(mask, *found.size)[0].astype(int)) for mask in found.masks]


def test_the_surest_keeps_its_pixels_and_the_emptied_is_dropped():
    found = remove_overlap(found_of(*ROW), "highest")
    assert rows_of(found) == ["##....", "..##..", "....#."]
    assert found.boxes.tolist() == [[0, 0, 2, 1], [2, 0, 4, 1], [4, 0, 5, 1]]
    assert found.boxes.dtype == np.float32


def test_the_score_decides_and_not_the_order():
    found = remove_overlap(found_of(*ROW, scores=[0.5, 0.9, 0.6, 0.7]), "highest")
    assert rows_of(found) == [".###..", "....#.", "#....."]
    np.testing.assert_array_equal(found.scores, np.float32([0.9, 0.6, 0.7]))


def test_of_equal_scores_the_first_wins():
    assert rows_of(remove_overlap(found_of(*ROW[:2], scores=[0.5, 0.5]), "highest")) == ["##....", "..##.."]


def test_what_loses_nothing_keeps_its_own_box():
    found = found_of(ROW[0], pixels_of("...##."))
    found.boxes[:] = [[0.2, 0, 1.9, 1], [3.3, 0, 4.8, 1]]
    np.testing.assert_array_equal(remove_overlap(found, "highest").boxes, found.boxes)


def test_no_pixel_is_left_with_two_and_none_is_lost():
    generator = np.random.default_rng(0)
    masks = generator.random((12, 9, 7)) < 0.3
    found = remove_overlap(found_of(*masks, scores=generator.random(12).tolist()), "highest")
    stacked = np.stack([decode(mask, 9, 7) for mask in found.masks])
    np.testing.assert_array_equal(stacked.sum(axis=0), masks.any(axis=0).astype(int))


def test_what_came_is_left_as_it_was():
    found = found_of(*ROW)
    masks, boxes = list(found.masks), found.boxes.copy()
    remove_overlap(found, "highest")
    assert found.masks == masks
    np.testing.assert_array_equal(found.boxes, boxes)


def test_keeping_boxes_alone_and_nothing():
    found = found_of(*ROW)
    assert remove_overlap(found, "keep") is found
    boxes = Detections(found.size, found.boxes, found.scores, found.classes, None)
    assert remove_overlap(boxes, "highest") is boxes
    assert len(remove_overlap(Detections.none((4, 5)), "highest")) == 0


def test_another_policy_is_refused():
    with pytest.raises(ValueError, match="one of keep, highest, but is 'lowest'"):
        remove_overlap(Detections.none((4, 5)), "lowest")
