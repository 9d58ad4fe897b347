import math

import pytest

from maskrcnn_project.evaluation.metrics.image_scores import score_image, worst_first
from maskrcnn_project.evaluation.metrics.matching import mask_overlaps, match_objects
from tests.plugin.evaluation.small_pairs import image

A, B, FAR = (0, 0, 8, 8), (10, 0, 18, 8), (0, 12, 4, 16)


def score(pair, threshold=0.5):
    return score_image(match_objects(pair, mask_overlaps(pair.truth, pair.found)), threshold)


def test_an_image_by_hand():
    scores = score(image([(0, *A), (0, *B)], [(0, 0.9, 0, 0, 8, 6), (0, 0.8, *FAR), (0, 0.3, *B)]))
    assert (scores.objects, scores.found, scores.correct, scores.missed, scores.false) == (2, 2, 1, 1, 1)
    assert scores.f1 == pytest.approx(0.5) and scores.mean_iou == pytest.approx(0.75)


def test_nothing_there_and_nothing_found_is_right():
    scores = score(image())
    assert scores.f1 == 1 and math.isnan(scores.mean_iou)
    assert score(image(found=[(0, 0.9, *A)])).f1 == score(image([(0, *A)])).f1 == 0


def test_crowds_do_not_count():
    scores = score(image([(0, 0, 0, 20, 20)], [(0, 0.9, *A)], crowd=[0]))
    assert (scores.objects, scores.found, scores.f1) == (0, 0, 1)


def test_the_worst_image_comes_first():
    images = [
        image([(0, *A)], [(0, 0.9, *A)], image_id=1),
        image([(0, *A)], [(0, 0.9, 0, 0, 8, 6)], image_id=2),
        image([(0, *A)], image_id=3),
        image([(0, *A), (0, *B)], image_id=4),
    ]
    assert [scores.image_id for scores in worst_first([score(pair) for pair in images])] == [4, 3, 2, 1]
