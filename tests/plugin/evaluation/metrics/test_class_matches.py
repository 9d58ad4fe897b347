import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.evaluation.metrics.average_precision import accumulate
from maskrcnn_project.evaluation.metrics.class_matches import IOUS, ClassMatches, matches_by_class
from maskrcnn_project.evaluation.metrics.matching import mask_overlaps
from tests.plugin.evaluation.small_pairs import image, together


def by_class(pairs):
    overlaps = [mask_overlaps(pair.truth, pair.found) for pair in pairs.pairs]
    return matches_by_class(pairs.pairs, overlaps, len(pairs.class_names))


def test_a_class_is_ranked_over_all_images():
    pairs = together(
        image([(0, 0, 0, 4, 4)], [(0, 0.6, 0, 0, 4, 4), (1, 0.5, 9, 9, 12, 12)], image_id=1),
        image([(0, 0, 0, 4, 4), (0, 8, 8, 12, 12)], [(0, 0.9, 0, 0, 4, 2)], image_id=2),
    )
    cell, dirt = by_class(pairs)
    assert cell.images.tolist() == [1, 0]  # 0.9 before 0.6
    assert cell.right[0].tolist() == [True, True]  # half of 4 x 4 is IoU 0.5
    assert cell.right[1].tolist() == [False, True]
    assert cell.objects.tolist() == [1, 2] and dirt.objects.tolist() == [0, 0]
    assert len(IOUS) == len(cell.right) == 10


def test_average_precision_by_hand():
    # right, wrong, right of 2 objects: precision 1 to recall 0.5 (51 of 101 recalls), then 2/3 (50)
    matches = ClassMatches(
        np.array([0, 0, 1]), np.array([[True, False, True]]), np.zeros((1, 3), bool), np.array([1, 1])
    )
    whole, first_only, second_only, none = matches.average_precisions(np.array([[1, 1], [1, 0], [0, 3], [0, 0]]))[:, 0]
    assert whole == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert first_only == pytest.approx(1) and second_only == pytest.approx(
        1
    )  # what is wrong comes last, or is not there
    assert np.isnan(none)


def test_what_lies_on_crowds_is_neither_right_nor_wrong():
    matches = ClassMatches(
        np.array([0, 0]), np.array([[False, True]]), np.array([[True, False]]), np.array([1], dtype=np.int64)
    )
    assert matches.average_precisions(np.array([[1]])).tolist() == [[1.0]]


def test_nothing_found_scores_nothing():
    [matches, absent] = by_class(together(image([(0, 0, 0, 4, 4)])))
    assert matches.average_precisions(np.ones((2, 1), int)).tolist() == [[0.0] * 10] * 2
    assert np.isnan(absent.average_precisions(np.ones((2, 1), int))).all()


boxes = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(2, 8), st.integers(2, 8)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
objects = st.lists(st.tuples(st.integers(0, 1), boxes).map(lambda o: (o[0], *o[1])), max_size=4)
detections = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 99).map(lambda s: s / 100), boxes).map(lambda d: (d[0], d[1], *d[2])),
    max_size=6,
).map(lambda rows: sorted(rows, key=lambda row: -row[1]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(objects, detections), min_size=1, max_size=4))
def test_with_equal_weights_it_is_the_ap_of_the_evaluator(drawn):
    pairs = together(*(image(*one, crowd=[0], image_id=number) for number, one in enumerate(drawn, start=5)))
    ones = np.ones((1, len(drawn)), dtype=int)
    own = [100 * matches.average_precisions(ones).mean() for matches in by_class(pairs)]
    overlaps = [mask_overlaps(pair.truth, pair.found) for pair in pairs.pairs]
    areas = [np.ones(len(pair.found)) for pair in pairs.pairs]  # sizes do not matter to AP over all sizes
    evaluated = accumulate(pairs.pairs, overlaps, areas, 2, 100)
    assert own == pytest.approx([evaluated.of_class(number)["AP"] for number in range(2)], nan_ok=True)


def test_a_weight_of_two_is_the_image_twice():
    first = [(0, 0, 0, 4, 4), (0, 8, 8, 12, 12)], [(0, 0.9, 0, 0, 4, 4), (0, 0.3, 8, 8, 12, 12)]
    second = [(0, 0, 0, 6, 6)], [(0, 0.8, 9, 9, 12, 12), (0, 0.5, 0, 0, 6, 6)]
    [once, _] = by_class(together(image(*first, image_id=1), image(*second, image_id=2)))
    copies = [image(*first, image_id=1), image(*first, image_id=2), image(*second, image_id=3)]
    [twice, _] = by_class(together(*copies))
    assert once.average_precisions(np.array([[2, 1]])) == pytest.approx(twice.average_precisions(np.ones((1, 3), int)))
