"""Results in the frame of the user's picture."""

import pytest
import torch
from detectron2.modeling import detector_postprocess
from detectron2.modeling.postprocessing import sem_seg_postprocess
from detectron2.structures import Boxes, Instances


def detections(boxes):
    results = Instances((50, 100))
    results.pred_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
    results.scores = torch.linspace(0.9, 0.5, len(boxes))
    results.pred_classes = torch.arange(len(boxes))
    results.pred_masks = torch.ones(len(boxes), 1, 28, 28)
    return results


def test_boxes_are_scaled_and_clipped_and_the_empty_dropped():
    results = detections([[10.0, 5.0, 20.0, 15.0], [90.0, 40.0, 120.0, 60.0], [101.0, 0.0, 110.0, 10.0]])
    out = detector_postprocess(results, 100, 300)  # twice as high, three times as wide
    assert out.image_size == (100, 300)
    assert out.pred_boxes.tensor.tolist() == [[30, 10, 60, 30], [270, 80, 300, 100]]
    assert out.pred_classes.tolist() == [0, 1]


def test_masks_fill_their_boxes():
    out = detector_postprocess(detections([[10.0, 5.0, 20.0, 15.0]]), 50, 100)
    expected = torch.zeros(1, 50, 100, dtype=torch.bool)
    expected[0, 5:15, 10:20] = True
    assert torch.equal(out.pred_masks, expected)


def test_the_input_is_not_changed():
    results = detections([[10.0, 5.0, 20.0, 15.0]])
    detector_postprocess(results, 100, 300)
    assert results.pred_boxes.tensor.tolist() == [[10, 5, 20, 15]]
    assert results.pred_masks.shape == (1, 1, 28, 28)


@pytest.mark.parametrize("boxes", [[], [[101.0, 0.0, 110.0, 10.0]]], ids=["none", "one that is empty"])
def test_no_detections_keep_their_types(boxes):
    out = detector_postprocess(detections(boxes), 30, 40)
    assert len(out) == 0
    assert out.pred_masks.shape == (0, 30, 40)
    assert out.pred_masks.dtype == torch.bool
    assert out.pred_boxes.tensor.shape == (0, 4)
    assert out.pred_classes.dtype == torch.int64


def test_proposals_are_scaled_too():
    proposals = Instances((50, 100), proposal_boxes=Boxes(torch.tensor([[10.0, 5.0, 20.0, 15.0]])))
    assert detector_postprocess(proposals, 25, 50).proposal_boxes.tensor.tolist() == [[5, 2.5, 10, 7.5]]


def test_results_without_boxes_are_named():
    with pytest.raises(ValueError, match=r"pred_boxes or proposal_boxes, but have \['scores'\]"):
        detector_postprocess(Instances((5, 5), scores=torch.ones(1)), 5, 5)


def test_semantic_scores_lose_their_padding():
    result = torch.zeros(2, 8, 8)
    result[0, :4, :6] = 1.0  # the image; what lies outside is padding
    out = sem_seg_postprocess(result, (4, 6), 8, 12)
    assert out.shape == (2, 8, 12)
    assert torch.equal(out[0], torch.ones(8, 12))
