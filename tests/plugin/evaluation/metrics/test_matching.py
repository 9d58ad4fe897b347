import numpy as np
import pytest

from maskrcnn_project.evaluation.metrics.matching import box_overlaps, greedy, mask_overlaps, match_objects
from tests.plugin.evaluation.small_pairs import image


def match(pair):
    return match_objects(pair, mask_overlaps(pair.truth, pair.found))


def test_overlaps_of_masks_and_boxes():
    pair = image(truth=[(0, 0, 0, 10, 10), (1, 0, 10, 10, 20)], found=[(0, 0.9, 0, 5, 10, 15)])
    assert mask_overlaps(pair.truth, pair.found) == pytest.approx(np.array([[1 / 3, 1 / 3]]))
    assert box_overlaps(pair.truth, pair.found) == pytest.approx(np.array([[1 / 3, 1 / 3]]))


def test_overlap_with_a_crowd_is_the_part_of_the_detection_in_it():
    pair = image(truth=[(0, 0, 0, 20, 20)], found=[(0, 0.9, 0, 0, 4, 4)], crowd=[0])
    assert mask_overlaps(pair.truth, pair.found).tolist() == [[1.0]]


@pytest.mark.parametrize("truth, found", [([], []), ([(0, 0, 0, 4, 4)], []), ([], [(0, 0.9, 0, 0, 4, 4)])])
def test_nothing_overlaps_nothing(truth, found):
    pair = image(truth, found)
    for overlaps in (mask_overlaps(pair.truth, pair.found), box_overlaps(pair.truth, pair.found)):
        assert overlaps.shape == (len(found), len(truth)) and overlaps.dtype == np.float64
    assert match(pair).truth_of.tolist() == [-1] * len(found)


def test_without_masks_boxes_stand_in():
    pair = image(truth=[(0, 0, 0, 4, 4)], found=[(0, 0.9, 0, 0, 4, 2)], masks=False)
    assert mask_overlaps(pair.truth, pair.found).tolist() == [[0.5]]


@pytest.mark.parametrize(
    "overlaps, taken, reason",
    [
        ([[0.6, 0.9], [0.5, 0.8]], [1, 0], "the second row takes what is left, though it overlaps less"),
        ([[0.9, -1], [0.8, -1]], [0, -1], "one column is taken once"),
        ([[0.7, 0.7]], [1], "of equals the last, as COCO does"),
        ([[-1, -1], [-1, 0.0]], [-1, 1], "zero is possible, what is negative is not"),
    ],
)
def test_greedy(overlaps, taken, reason):
    assert greedy(np.array(overlaps)).tolist() == taken, reason


def test_the_surest_detection_chooses_first_and_classes_do_not_mix():
    pair = image(
        truth=[(0, 0, 0, 10, 10), (1, 10, 0, 20, 10)],
        found=[(0, 0.9, 0, 0, 10, 6), (0, 0.8, 0, 0, 10, 10), (0, 0.7, 10, 0, 20, 10)],
    )
    assert match(pair).truth_of.tolist() == [0, -1, -1]


def test_half_is_enough():
    pair = image(truth=[(0, 0, 0, 10, 10)], found=[(0, 0.9, 0, 0, 10, 5)])
    assert match(pair).truth_of.tolist() == [0]


def test_a_crowd_excuses_any_number_of_its_class_but_takes_none_from_an_object():
    pair = image(
        truth=[(0, 0, 0, 20, 20), (0, 0, 0, 4, 4)],
        found=[(0, 0.9, 0, 0, 4, 4), (0, 0.8, 8, 8, 12, 12), (0, 0.7, 12, 8, 16, 12), (1, 0.6, 8, 8, 12, 12)],
        crowd=[0],
    )
    result = match(pair)
    assert result.truth_of.tolist() == [1, -1, -1, -1]
    assert result.on_crowd.tolist() == [False, True, True, False]
    assert result.sure(0.65).tolist() == [True, False, False, False]


def test_found_at_a_threshold():
    pair = image(truth=[(0, 0, 0, 4, 4), (0, 8, 8, 12, 12)], found=[(0, 0.9, 0, 0, 4, 4), (0, 0.3, 8, 8, 12, 12)])
    assert match(pair).is_found().tolist() == [True, True]
    assert match(pair).is_found(0.5).tolist() == [True, False]
