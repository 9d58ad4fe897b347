"""Losses of classes and boxes, and the final selection, by hand."""

import math

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import FastRCNNOutputLayers
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference, fast_rcnn_inference_single_image
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

BOX, SHIFTED = [0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0]


def make_layers(num_classes=2, **kwargs):
    coder = Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0))
    return FastRCNNOutputLayers(ShapeSpec(channels=4), box2box_transform=coder, num_classes=num_classes, **kwargs)


def make_sample(classes, with_gt=True):
    proposals = Instances((50, 50), proposal_boxes=Boxes(torch.tensor([BOX] * len(classes)).reshape(-1, 4)))
    proposals.gt_classes = torch.tensor(classes, dtype=torch.int64)
    if with_gt:
        proposals.gt_boxes = Boxes(torch.tensor([SHIFTED] * len(classes)).reshape(-1, 4))
    return proposals


def losses_of(layers, scores, deltas, proposals):
    with EventStorage() as storage:
        losses = layers.losses((scores, deltas), proposals)
        return losses, {name: float(value) for name, (value, _) in storage.latest().items()}


def test_losses_by_hand():
    scores = torch.tensor([[9.0, 0.0, 0.0], [0.0, 0.0, 9.0], [0.0, 0.0, 9.0], [0.0, 0.0, 9.0]])
    deltas = torch.zeros(4, 8)
    deltas[1, 4] = 0.3  # dx of class 1; it should be 0.1
    deltas[0, 4] = 7.0  # dx of class 1, where class 0 is true: not looked at
    losses, logged = losses_of(make_layers(), scores, deltas, [make_sample([0, 1]), make_sample([2, 2], with_gt=False)])
    right, wrong = math.log(1 + 2 * math.exp(-9)), math.log(1 + 2 * math.exp(-9)) + 9
    assert losses["loss_cls"].item() == pytest.approx((3 * right + wrong) / 4, rel=1e-5)
    assert losses["loss_box_reg"].item() == pytest.approx((0.1 + 0.2) / 4)  # by 4 regions, not by 2 objects
    assert logged["fast_rcnn/cls_accuracy"] == 0.75
    assert logged["fast_rcnn/fg_cls_accuracy"] == 0.5
    assert logged["fast_rcnn/false_negative"] == 0.5


def test_one_box_for_all_classes():
    layers = make_layers(cls_agnostic_bbox_reg=True)
    assert layers.bbox_pred.out_features == 4
    losses, _ = losses_of(layers, torch.zeros(2, 3), torch.zeros(2, 4), [make_sample([1, 2])])
    assert losses["loss_box_reg"].item() == pytest.approx(0.1 / 2)


def test_loss_weights():
    proposals, scores, deltas = [make_sample([1])], torch.zeros(1, 3), torch.zeros(1, 8)
    plain, _ = losses_of(make_layers(), scores, deltas, proposals)
    weighted, _ = losses_of(make_layers(loss_weight={"loss_box_reg": 3.0}), scores, deltas, proposals)
    assert weighted["loss_box_reg"] == 3 * plain["loss_box_reg"]
    assert weighted["loss_cls"] == plain["loss_cls"]


@pytest.mark.parametrize("sigmoid", [False, True])
@pytest.mark.parametrize("proposals", [[], [make_sample([])], [make_sample([2, 2], with_gt=False)]])
def test_nothing_to_learn_boxes_from(proposals, sigmoid):
    layers = make_layers(use_sigmoid_ce=sigmoid)
    features = torch.randn(sum(len(p) for p in proposals), 4)
    with EventStorage():
        losses = layers.losses(layers(features), proposals)
    sum(losses.values()).backward()
    assert losses["loss_box_reg"].item() == 0
    assert math.isfinite(losses["loss_cls"].item())
    assert layers.bbox_pred.weight.grad.abs().sum() == 0


def test_sigmoid_loss_by_hand():
    # Two classes at logit 0: each costs ln 2, whatever is true; the background's logit does not count.
    scores = torch.tensor([[0.0, 0.0, 99.0], [0.0, 0.0, -99.0]])
    loss = make_layers(use_sigmoid_ce=True).sigmoid_cross_entropy_loss(scores, torch.tensor([1, 2]))
    assert loss.item() == pytest.approx(2 * math.log(2))


def test_federated_loss_trains_present_and_drawn_classes_only():
    weights = torch.tensor([0.0, 1.0, 0.0, 0.0])  # only class 1 can be drawn
    layers = make_layers(
        num_classes=4,
        use_fed_loss=True,
        use_sigmoid_ce=True,
        get_fed_loss_cls_weights=lambda: weights,
        fed_loss_num_classes=3,
    )
    gt = torch.tensor([0, 4, 0])  # class 0, and background
    assert layers.get_fed_loss_classes(gt, 3, 4, weights).tolist() == [0, 4, 1]
    scores = torch.zeros(3, 5, requires_grad=True)
    loss = layers.sigmoid_cross_entropy_loss(scores, gt)
    loss.backward()
    assert loss.item() == pytest.approx(2 * math.log(2))  # classes 0 and 1, of 4
    assert (scores.grad.abs().sum(0) > 0).tolist() == [True, True, False, False, False]
    assert "fed_loss_cls_weights" not in layers.state_dict()


def test_federated_loss_names_what_it_needs():
    with pytest.raises(ValueError, match="use_sigmoid_ce=True and get_fed_loss_cls_weights"):
        make_layers(use_fed_loss=True)


def test_initial_weights():
    layers = FastRCNNOutputLayers(256, box2box_transform=Box2BoxTransform((1.0, 1, 1, 1)), num_classes=80)
    assert layers.cls_score.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert layers.bbox_pred.weight.std().item() == pytest.approx(0.001, rel=0.02)


def test_predictions_for_the_true_class():
    deltas = torch.zeros(2, 8)
    deltas[0, 4] = 1.0  # class 1 of the first region: one width to the right
    boxes = make_layers().predict_boxes_for_gt_classes(
        (torch.zeros(2, 3), deltas), [make_sample([1]), make_sample([2])]
    )
    assert [b.tolist() for b in boxes] == [[[10, 0, 20, 10]], [[10 * 0.0, 0, 10, 10]]]


# Two regions, two classes; both regions see class 0 in nearly the same place.
BOXES = torch.tensor([[0.0, 0, 10, 10, 20, 20, 30, 30], [0.0, 0, 10, 9, 20, 20, 30, 60]])
SCORES = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1]])


def test_selection_by_hand():
    result, regions = fast_rcnn_inference_single_image(BOXES, SCORES, (40, 40), 0.05, 0.5, 100)
    # Class 0: IoU 0.9, the second is removed. Class 1: clipped to 10 x 20, IoU 0.5 is not more than 0.5, both stay.
    assert result.pred_classes.tolist() == [0, 1, 1]
    assert result.scores.tolist() == pytest.approx([0.6, 0.4, 0.3])
    assert result.pred_boxes.tensor.tolist() == [[0, 0, 10, 10], [20, 20, 30, 40], [20, 20, 30, 30]]
    assert regions.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("score_thresh", "topk", "count"), [(0.35, 100, 2), (0.05, 1, 1), (0.05, -1, 3), (0.7, 100, 0)]
)
def test_thresholds(score_thresh, topk, count):
    result, regions = fast_rcnn_inference_single_image(BOXES, SCORES, (40, 40), score_thresh, 0.5, topk)
    assert len(result) == len(regions) == count
    assert result.pred_boxes.tensor.shape == (count, 4)
    assert result.pred_classes.dtype == torch.int64


def test_regions_that_are_not_finite_are_dropped():
    boxes = BOXES.clone()
    boxes[0, 5] = math.nan
    result, regions = fast_rcnn_inference_single_image(boxes, SCORES, (40, 40), 0.05, 0.5, 100)
    assert regions.tolist() == [1, 1]
    assert bool(result.pred_boxes.tensor.isfinite().all())


def test_several_images_and_no_regions():
    boxes, scores = [BOXES[:, :4], torch.zeros(0, 4)], [SCORES, torch.zeros(0, 3)]
    results, _ = fast_rcnn_inference(boxes, scores, [(40, 40), (7, 8)], 0.05, 0.5, 100)
    assert results[0].pred_classes.tolist() == [0, 1]  # the shared box serves both classes
    assert len(results[1]) == 0
    assert results[1].image_size == (7, 8)


def test_inference_splits_by_image():
    torch.manual_seed(0)
    layers = make_layers(test_score_thresh=0.0)
    results, _ = layers.inference(layers(torch.randn(3, 4)), [make_sample([0, 1]), make_sample([2])])
    assert len(results) == 2
    assert layers.predict_boxes((torch.zeros(0, 3), torch.zeros(0, 8)), []) == []
