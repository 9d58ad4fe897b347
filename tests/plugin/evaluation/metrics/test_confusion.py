import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.evaluation.metrics.confusion import assign_across_classes, confusion_matrix
from maskrcnn_project.evaluation.metrics.matching import mask_overlaps, match_objects
from tests.plugin.evaluation.small_pairs import image


def confusion(*pairs, threshold=0.5, num_classes=2):
    images = [match_objects(pair, mask_overlaps(pair.truth, pair.found)) for pair in pairs]
    assignments = [assign_across_classes(result, threshold) for result in images]
    return confusion_matrix(images, assignments, num_classes), images, assignments


A, B, C = (0, 0, 8, 8), (10, 0, 18, 8), (0, 10, 8, 18)


@pytest.mark.parametrize(
    "truth, found, wanted, reason",
    [
        ([(0, *A)], [(0, 0.9, *A)], [[1, 0, 0], [0, 0, 0], [0, 0, 0]], "right"),
        ([(0, *A)], [(1, 0.9, *A)], [[0, 1, 0], [0, 0, 0], [0, 0, 0]], "taken for the other class"),
        ([(1, *A)], [], [[0, 0, 0], [0, 0, 1], [0, 0, 0]], "missed"),
        ([], [(1, 0.9, *A)], [[0, 0, 0], [0, 0, 0], [0, 1, 0]], "on the background"),
        ([(0, *A)], [(0, 0.4, *A)], [[0, 0, 1], [0, 0, 0], [0, 0, 0]], "not sure enough"),
        ([(0, *A)], [(1, 0.9, *A), (0, 0.8, *A)], [[1, 0, 0], [0, 0, 0], [0, 1, 0]], "its own class comes first"),
        ([(0, *A)], [(0, 0.9, *A), (0, 0.8, *A)], [[1, 0, 0], [0, 0, 0], [1, 0, 0]], "a duplicate"),
        ([(0, *A)], [(1, 0.9, 0, 0, 8, 3)], [[0, 0, 1], [0, 0, 0], [0, 1, 0]], "too little overlap"),
        ([], [], np.zeros((3, 3)), "nothing"),
    ],
)
def test_by_hand(truth, found, wanted, reason):
    matrix, _, _ = confusion(image(truth, found))
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, wanted, err_msg=reason)


def test_across_classes_the_largest_overlap_is_paired_first():
    # both detections overlap the object by half or more; the less sure one does so better
    _, _, (assignments,) = confusion(image([(0, *A)], [(1, 0.9, 0, 0, 8, 5), (1, 0.8, 0, 0, 8, 7)]))
    assert assignments.truth_of.tolist() == [-1, 0]


def test_crowds_and_what_lies_on_them_are_left_out():
    matrix, _, _ = confusion(image([(0, 0, 0, 20, 20)], [(0, 0.9, *A), (1, 0.8, *A)], crowd=[0]))
    np.testing.assert_array_equal(matrix, [[0, 0, 0], [0, 0, 0], [0, 1, 0]])


def test_no_images_and_no_classes():
    assert confusion()[0].tolist() == [[0] * 3] * 3
    assert confusion(image(), num_classes=0)[0].tolist() == [[0]]


boxes = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(2, 8), st.integers(2, 8)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
objects = st.lists(st.tuples(st.integers(0, 1), boxes), max_size=6)
detections = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.3, 0.6, 0.9]), boxes), max_size=8)


@settings(max_examples=60, deadline=None)
@given(objects, detections, st.sets(st.integers(0, 5)))
def test_totals_can_be_rederived(objects, detections, crowd):
    found = sorted(((kind, score, *box) for kind, score, box in detections), key=lambda row: -row[1])
    pair = image([(kind, *box) for kind, box in objects], found, list(crowd))
    matrix, (result,), (assignments,) = confusion(pair)
    wanted = pair.truth.classes[~pair.truth.crowd]
    counted = pair.found.classes[result.sure(0.5)]
    np.testing.assert_array_equal(matrix.sum(axis=1)[:2], np.bincount(wanted, minlength=2))
    np.testing.assert_array_equal(matrix.sum(axis=0)[:2], np.bincount(counted, minlength=2))
    assert np.trace(matrix) == (result.truth_of[result.sure(0.5)] >= 0).sum()
    paired = assignments.truth_of[assignments.truth_of >= 0]
    assert len(set(paired.tolist())) == len(paired)
    assert not pair.truth.crowd[paired].any()
