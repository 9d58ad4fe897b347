import json
import math

import numpy as np
import pytest

from maskrcnn_project.evaluation.evaluation_result import as_metrics, evaluate
from maskrcnn_project.evaluation.metrics.average_precision import METRICS
from maskrcnn_project.evaluation.metrics.error_breakdown import KINDS
from tests.plugin.evaluation.small_pairs import image, together

A, B, FAR = (0, 0, 8, 8), (10, 0, 18, 8), (0, 12, 4, 16)


def test_a_model_that_finds_everything():
    pairs = together(
        image([(0, *A), (1, *B)], [(0, 0.9, *A), (1, 0.8, *B)]), image([(0, *FAR)], [(0, 0.7, *FAR)], image_id=2)
    )
    evaluation = evaluate(pairs, 0.5)
    for part in (evaluation.box, evaluation.mask, evaluation.boundary):
        assert list(part) == list(METRICS)
        assert (part["AP"], part["AP50"], part["APs"], part["AR"]) == pytest.approx((100, 100, 100, 100))
        assert math.isnan(part["APm"]) and math.isnan(part["APl"])
    assert (evaluation.num_images, evaluation.num_objects, evaluation.num_found) == (2, 3, 3)
    assert evaluation.confusion.tolist() == [[2, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert evaluation.errors == {**dict.fromkeys(KINDS, 0), "correct": 3}
    assert evaluation.error_cost == pytest.approx(dict.fromkeys(KINDS, 0))
    assert [scores.name for scores in evaluation.classes] == ["cell", "dirt"]
    assert [scores.f1 for scores in evaluation.classes] == [100, 100]
    assert evaluation.merges_and_splits == [] and [scores.f1 for scores in evaluation.per_image] == [1, 1]


def test_the_parts_agree_with_each_other():
    found = [(0, 0.9, *A), (0, 0.85, 0, 0, 8, 7), (0, 0.8, *B), (1, 0.7, *FAR), (1, 0.2, *B)]
    evaluation = evaluate(together(image([(0, *A), (1, *B), (1, *FAR)], found), image([(0, *A)], image_id=2)), 0.5)
    right = int(np.trace(evaluation.confusion))
    assert right == evaluation.errors["correct"] == sum(scores.correct for scores in evaluation.per_image) == 2
    assert evaluation.confusion[:2].sum() == evaluation.num_objects == 4
    assert evaluation.confusion[:, :2].sum() == evaluation.num_found == 4
    wrong = sum(evaluation.errors[kind] for kind in KINDS if kind != "missed")
    assert right + wrong == evaluation.num_found
    assert evaluation.calibration.count.sum() == 5


@pytest.mark.parametrize(
    "pairs, reason",
    [
        (together(), "no images"),
        (together(image()), "an image of nothing"),
        (together(image([(0, *A)])), "nothing found"),
        (together(image(found=[(0, 0.9, *A)])), "nothing there"),
        (together(image([(0, *A)], crowd=[0])), "crowds only"),
        (together(image(), names=()), "no classes"),
        (together(image(masks=False), image(masks=False)), "boxes only, none found"),
    ],
)
def test_nothing_is_a_normal_input(pairs, reason):
    evaluation = evaluate(pairs, 0.5)
    objects = sum(int((~pair.truth.crowd).sum()) for pair in pairs.pairs)
    assert evaluation.num_objects == objects, reason
    assert math.isnan(evaluation.box["AP"]) == (objects == 0)
    assert evaluation.confusion.shape == (len(pairs.class_names) + 1,) * 2
    json.dumps(as_metrics(evaluation), allow_nan=False)


def test_crowds_count_nowhere():
    crowded = image([(0, 0, 0, 20, 20)], [(0, 0.9, *A)], crowd=[0])
    evaluation = evaluate(together(crowded, image([(0, *A)], [(0, 0.5, *A)], image_id=2)), 0.1)
    cell = evaluation.classes[0]
    assert (cell.objects, cell.found, cell.precision) == (evaluation.num_objects, 1, 100) == (1, 1, 100)
    assert evaluation.num_found == 2 and evaluation.confusion.sum() == evaluation.calibration.count.sum() == 1


def test_boxes_stand_in_where_there_are_no_masks():
    evaluation = evaluate(together(image([(0, *A)], [(0, 0.9, *A)], masks=False)), 0.5)
    assert evaluation.box["AP"] == pytest.approx(100)
    assert math.isnan(evaluation.mask["AP"]) and math.isnan(evaluation.boundary["AP"])
    assert evaluation.errors["correct"] == 1 and evaluation.classes[0].f1 == 100


def test_found_masks_but_truth_of_boxes_only():
    boxed, masked = image([(0, *A)], masks=False), image(found=[(0, 0.9, *A), (0, 0.8, *B)])
    pair = type(boxed)(1, "1.png", boxed.truth, masked.found)
    evaluation = evaluate(together(pair), 0.5)
    assert (
        evaluation.errors["correct"] == 1 and math.isnan(evaluation.mask["AP"]) and evaluation.merges_and_splits == []
    )


@pytest.mark.parametrize("threshold", [-0.1, 50, float("nan")])
def test_a_threshold_that_is_none(threshold):
    with pytest.raises(ValueError, match="between 0 and 1"):
        evaluate(together(), threshold)


def test_plain_metrics():
    pairs = together(*(image([(0, *A)], [(0, 1 / n, *A)], image_id=n) for n in range(1, 130)))
    metrics = as_metrics(evaluate(pairs, 0.5))
    assert metrics["mask"]["AP"] == pytest.approx(100) and metrics["mask"]["APl"] is None
    assert len(metrics["per_image"]) == 100 and metrics["per_image"][0]["f1"] == 0
    assert len(metrics["classes"][0]["curve"]) <= 50 and metrics["classes"][1]["ap"] is None
    assert metrics["confusion"][0][0] == 2
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_cases_are_left_as_they_were():
    pair = image([(0, *A), (1, *B)], [(0, 0.9, *A), (0, 0.8, *A)])
    before = [pair.found.boxes.copy(), list(pair.found.masks), pair.truth.boxes.copy(), list(pair.truth.masks)]
    evaluate(together(pair), 0.5)
    np.testing.assert_equal([pair.found.boxes, pair.found.masks, pair.truth.boxes, pair.truth.masks], before)
