import math

import numpy as np
import pytest

from maskrcnn_project.evaluation.metrics.class_scores import curve_of, score_class, thin_curve

AVERAGES = {
    "mask": {"AP": 1.0, "AP50": 2.0, "AP75": 3.0, "AR": 4.0},
    "box": {"AP": 5.0, "AP50": 6.0, "AP75": 0.0, "AR": 0.0},
    "boundary": {"AP": 7.0, "AP50": 0.0, "AP75": 0.0, "AR": 0.0},
}


def score(scores, right, objects):
    return score_class("cell", np.array(scores), np.array(right, dtype=bool), objects, AVERAGES)


def test_a_curve_by_hand():
    curve = curve_of(np.array([0.9, 0.8, 0.3]), np.array([True, False, True]), objects=4)
    assert curve == pytest.approx(np.array([[0.9, 1, 0.25, 2 / 5], [0.8, 0.5, 0.25, 2 / 6], [0.3, 2 / 3, 0.5, 4 / 7]]))


def test_equal_scores_stand_or_fall_together():
    curve = curve_of(np.array([0.5, 0.9, 0.5]), np.array([False, True, True]), objects=2)
    assert curve == pytest.approx(np.array([[0.9, 1, 0.5, 2 / 3], [0.5, 2 / 3, 1, 4 / 5]]))


@pytest.mark.parametrize("found, objects", [(0, 0), (0, 3), (2, 0)])
def test_curves_of_nothing(found, objects):
    assert curve_of(np.linspace(0.9, 0.5, found), np.ones(found, dtype=bool), objects).shape == (0, 4)


def test_thinning_keeps_both_ends_and_the_best():
    curve = np.stack([np.linspace(1, 0, 1000)] * 4, axis=1)
    curve[:, 3] = 0
    curve[350, 3] = 1
    short = thin_curve(curve, 20)
    assert len(short) == 20
    assert short[0, 0] == 1 and short[-1, 0] == 0 and short[:, 3].max() == 1
    assert (np.diff(short[:, 0]) < 0).all()
    np.testing.assert_array_equal(thin_curve(curve[:20], 20), curve[:20])


def test_the_threshold_with_the_best_f1():
    # at 0.9: 1 right of 1, F1 2/4; at 0.8: 2/5; at 0.6: 2 of 3, F1 4/6; at 0.4: 4/7
    scores = score([0.4, 0.9, 0.6, 0.8], [False, True, True, False], objects=3)
    assert (scores.name, scores.objects, scores.found, scores.threshold) == ("cell", 3, 3, 0.6)
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx((200 / 3, 200 / 3, 200 / 3))
    assert (scores.ap, scores.ap50, scores.ap75, scores.ar) == (1, 2, 3, 4)
    assert (scores.box_ap, scores.box_ap50, scores.boundary_ap) == (5, 6, 7)
    assert len(scores.curve) == 4


def test_of_equally_good_thresholds_the_highest():
    # at 0.9: 2 * 1 / (1 + 3); at 0.5: 2 * 2 / (5 + 3)
    scores = score([0.9, 0.8, 0.7, 0.6, 0.5], [True, False, False, False, True], objects=3)
    assert scores.threshold == 0.9 and scores.f1 == pytest.approx(50)


def test_objects_but_nothing_found():
    scores = score([], [], objects=1)
    assert (scores.objects, scores.found, scores.recall, scores.f1) == (1, 0, 0, 0)
    assert math.isnan(scores.threshold) and math.isnan(scores.precision)


def test_nothing_right_at_any_score_suggests_no_threshold():
    scores = score([0.9], [False], objects=1)
    assert (scores.found, scores.precision, scores.recall, scores.f1) == (0, 0, 0, 0)
    assert math.isnan(scores.threshold)


def test_a_class_without_objects():
    scores = score([0.9], [False], objects=0)
    assert (scores.objects, scores.found, len(scores.curve)) == (0, 0, 0)
    assert all(map(math.isnan, (scores.threshold, scores.precision, scores.recall, scores.f1)))
