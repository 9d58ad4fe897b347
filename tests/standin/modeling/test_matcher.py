"""Matching on a matrix small enough to check by eye."""

import pytest
import torch
from detectron2.modeling.matcher import Matcher

# 3 ground truths (rows), 4 predictions (columns).
QUALITY = torch.tensor(
    [
        [0.90, 0.60, 0.40, 0.10],
        [0.20, 0.65, 0.50, 0.00],
        [0.10, 0.20, 0.25, 0.05],
    ]
)


def test_each_prediction_gets_its_best_ground_truth_and_a_grade():
    matches, labels = Matcher([0.3, 0.7], [0, -1, 1])(QUALITY)
    assert matches.tolist() == [0, 1, 1, 0]
    assert labels.tolist() == [1, -1, -1, 0]  # 0.90, 0.65, 0.50, 0.10
    assert (matches.dtype, labels.dtype) == (torch.int64, torch.int8)


def test_low_quality_matches_give_every_ground_truth_its_best_prediction():
    matches, labels = Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True)(QUALITY)
    # Column 1 is the best of row 1, column 2 that of row 2, although it keeps its match with row 1.
    assert labels.tolist() == [1, 1, 1, 0]
    assert matches.tolist() == [0, 1, 1, 0]


def test_all_ties_of_a_low_quality_match_become_foreground():
    _, labels = Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True)(torch.tensor([[0.2, 0.2, 0.1]]))
    assert labels.tolist() == [1, 1, 0]


def test_a_threshold_belongs_to_the_better_grade():
    _, labels = Matcher([0.25, 0.75], [0, -1, 1])(torch.tensor([[0.24, 0.25, 0.74, 0.75]]))
    assert labels.tolist() == [0, -1, -1, 1]


@pytest.mark.parametrize(
    ("shape", "first_label"),
    [((0, 4), 0), ((0, 4), -1), ((3, 0), 0)],
    ids=["no ground truth: background", "no ground truth: the worst grade's label", "no predictions"],
)
def test_nothing_to_match(shape, first_label):
    matches, labels = Matcher([0.5], [first_label, 1], allow_low_quality_matches=True)(torch.zeros(shape))
    assert matches.tolist() == [0] * shape[1]
    assert labels.tolist() == [first_label] * shape[1]
    assert (matches.dtype, labels.dtype) == (torch.int64, torch.int8)


@pytest.mark.parametrize(
    ("thresholds", "labels", "sentence"),
    [
        ([0.7, 0.3], [0, -1, 1], "must rise"),
        ([0.0], [0, 1], "must rise from above 0"),
        ([0.5], [0, -1, 1], "needs 2 labels"),
        ([0.5], [0, 2], "out of -1, 0 and 1"),
    ],
)
def test_wrong_thresholds_and_labels_are_named(thresholds, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        Matcher(thresholds, labels)


def test_a_matrix_of_another_rank_is_named():
    with pytest.raises(ValueError, match=r"ground truths, predictions.*\(4,\)"):
        Matcher([0.5], [0, 1])(torch.zeros(4))
