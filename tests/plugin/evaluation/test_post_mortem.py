"""Why an evaluation found nothing: the sentence that fits the evidence comes first."""

import json
from dataclasses import replace

import pytest

from maskrcnn_project.evaluation.post_mortem import (
    RunEvidence,
    found_nothing,
    histogram,
    likely_causes,
    post_mortem,
    read_scores,
)

RUN = RunEvidence(
    iterations=600,
    images_per_step=2,
    training_images=100,
    learning_rate=0.005,
    weights="model.pkl",
    num_objects=50,
    scores=[0.1, 0.12, 0.3],
    score_floor=0.05,
    box_ap50=0.0,
    mask_ap50=0.0,
)


@pytest.mark.parametrize(
    ("results", "nothing"),
    [
        ({"bbox": {"AP50": 0.2}, "segm": {"AP50": 0.0}}, True),
        ({"bbox": {"AP50": 30.0}, "segm": {"AP50": 0.0}}, False),
        ({"bbox": {"AP50": float("nan")}}, False),  # no objects: nothing to find
        ({}, False),
    ],
)
def test_next_to_nothing(results, nothing):
    assert found_nothing(results) is nothing


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"iterations": 50}, "too short: 1.0 passes"),
        ({"scores": [0.9] * 40}, "40 detections are sure of themselves"),
        ({"box_ap50": 40.0}, "Boxes are right and masks are not"),
        ({"scores": []}, "below SCORE_THRESH_TEST 0.05"),
        ({}, "The best score is 0.30"),
    ],
)
def test_the_evidence_decides(changes, first):
    assert first in likely_causes(replace(RUN, **changes))[0]


def test_from_nothing_is_named_and_the_data_are_always_suspect():
    causes = likely_causes(replace(RUN, weights=""))
    assert any("began from nothing" in cause for cause in causes)
    assert "--overfit 4" in causes[-1]


def test_the_histogram_counts_by_tenths():
    assert histogram([0.05, 0.12, 0.18, 1.0]) == [
        "score 0.9-1.0 #################### 1",
        "score 0.1-0.2 ######################################## 2",
        "score 0.0-0.1 #################### 1",
    ]
    assert histogram([]) == []


def test_the_text_holds_the_figures():
    text = post_mortem(RUN)
    assert "600 iterations of 2 images: 12.0 passes over 100 images" in text
    assert "3 detections for 50 objects" in text and "  1. " in text


def test_scores_are_read_from_a_results_file(tmp_path):
    file = tmp_path / "coco_instances_results.json"
    assert read_scores(file) == []
    file.write_text(json.dumps([{"score": 0.5, "image_id": 1}, {"score": 0.25, "image_id": 2}]))
    assert read_scores(file) == [0.5, 0.25]
