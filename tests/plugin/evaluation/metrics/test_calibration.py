import math

import numpy as np
import pytest

from maskrcnn_project.evaluation.metrics.calibration import calibrate


def test_two_bins_by_hand():
    result = calibrate(np.array([0.2, 0.4, 0.9]), np.array([True, False, True]), bins=2)
    assert result.edges.tolist() == [0, 0.5, 1]
    assert result.count.tolist() == [2, 1]
    assert result.mean_score == pytest.approx([0.3, 0.9])
    assert result.precision == pytest.approx([0.5, 1.0])
    assert result.ece == pytest.approx((2 * 0.2 + 1 * 0.1) / 3)


@pytest.mark.parametrize("score, place", [(0.0, 0), (0.1, 1), (0.95, 9), (1.0, 9)])
def test_where_a_score_falls(score, place):
    assert calibrate(np.array([score]), np.array([True])).count.argmax() == place


def test_empty_bins_are_nan_and_count_nothing():
    result = calibrate(np.array([0.05, 0.05]), np.array([False, False]))
    assert result.precision[0] == 0 and np.isnan(result.precision[1:]).all() and np.isnan(result.mean_score[1:]).all()
    assert result.ece == pytest.approx(0.05)


def test_scores_that_tell_the_truth():
    scores, right = np.full(10, 0.8), np.arange(10) < 8
    assert calibrate(scores, right).ece == pytest.approx(0)


def test_nothing_found():
    result = calibrate(np.zeros(0), np.zeros(0, dtype=bool))
    assert math.isnan(result.ece) and result.count.sum() == 0 and len(result.edges) == 11
