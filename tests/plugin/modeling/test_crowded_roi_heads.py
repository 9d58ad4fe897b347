"""Class weights, suppression across classes and of masks, by hand."""

import pytest
import torch
import torch.nn.functional as F
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.modeling.crowded_roi_heads import CrowdedOutputLayers, mask_nms
from tests.contract.tiny import tiny_batch, tiny_cfg


@pytest.fixture
def cfg():
    cfg = tiny_cfg()  # two classes
    add_maskrcnn_config(cfg)
    cfg.MODEL.ROI_HEADS.NAME = "CrowdedROIHeads"
    return cfg


def proposals_of(classes):
    boxes = Boxes(torch.tensor([[0.0, 0, 10, 10]]).repeat(len(classes), 1))
    return [Instances((64, 64), proposal_boxes=boxes, gt_boxes=boxes, gt_classes=torch.tensor(classes))]


def test_the_loss_is_a_weighted_mean(cfg):
    layers = CrowdedOutputLayers(cfg, ShapeSpec(channels=4), class_weights=(3.0, 1.0))
    scores = torch.zeros(3, 3)
    scores[0, 0] = 1.0
    with EventStorage():
        losses = layers.losses((scores, torch.zeros(3, 8)), proposals_of([0, 1, 2]))
    each = F.cross_entropy(scores, torch.tensor([0, 1, 2]), reduction="none")
    assert losses["loss_cls"].item() == pytest.approx(((3 * each[0] + each[1] + each[2]) / 5).item(), rel=1e-6)


def test_without_weights_it_is_the_usual_loss(cfg):
    crowded = build_model(cfg)
    cfg.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    usual = build_model(cfg)
    crowded.load_state_dict(usual.state_dict())  # the same names
    losses = []
    for model in (usual, crowded):
        torch.manual_seed(2)
        with EventStorage():
            losses.append({key: value.item() for key, value in model(tiny_batch()).items()})
    assert losses[0] == losses[1]


@pytest.mark.parametrize(("across", "kept"), [(False, [0, 1]), (True, [0])])
def test_boxes_of_two_classes_on_one_object(cfg, across, kept):
    layers = CrowdedOutputLayers(cfg, ShapeSpec(channels=4), across_classes=across)
    layers.test_score_thresh = 0.2
    logits = torch.tensor([[2.0, 1.8, 0.0]])  # both classes above the threshold, on the same box
    proposals = [Instances((64, 64), proposal_boxes=Boxes(torch.tensor([[0.0, 0, 10, 10]])))]
    (found,), (rows,) = layers.inference((logits, torch.zeros(1, 8)), proposals)
    assert found.pred_classes.tolist() == kept and rows.tolist() == [0] * len(kept)


def crossing(classes=(0, 0, 0)):
    """A lying and a standing bar in the same box, and the lying one again, less sure."""
    lying = torch.zeros(4, 4)
    lying[1:3] = 1.0
    return Instances(
        (40, 40),
        pred_boxes=Boxes(torch.tensor([[0.0, 0.0, 40.0, 40.0]]).repeat(3, 1)),
        scores=torch.tensor([0.7, 0.8, 0.9]),
        pred_classes=torch.tensor(classes),
        pred_masks=torch.stack([lying, lying.T, lying])[:, None],
    )


@pytest.mark.parametrize(
    ("classes", "threshold", "stays"),
    [
        ((0, 0, 0), 0.5, [2, 1]),  # the bars share a third: both stay, the copy falls
        ((1, 0, 0), 0.5, [2, 1, 0]),  # a copy of another class is no copy
        ((0, 0, 0), 0.2, [2]),  # the bars' IoU is about 1/3
    ],
)
def test_masks_that_cross_stay_and_copies_fall(classes, threshold, stays):
    assert mask_nms(crossing(classes), threshold).tolist() == stays


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_to_compare(count):
    assert mask_nms(crossing()[list(range(count))] if count else crossing()[:0], 0.5).tolist() == list(range(count))


def test_the_heads_use_it(cfg):
    torch.manual_seed(0)
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    cfg.MODEL.ROI_HEADS.MASK_NMS_THRESH_TEST = 0.0  # no two masks of a class may touch
    model = build_model(cfg).eval()
    with torch.no_grad():
        (found, *_) = model.inference(tiny_batch(), do_postprocess=False)
    assert 0 < len(found) == len(mask_nms(found, 0.0))


@pytest.mark.parametrize(
    ("weights", "sigmoid", "sentence"),
    [((1.0,), False, "one factor for each of the 2 classes, but holds 1"), ((1.0, 2.0), True, "softmax")],
)
def test_impossible_weights_are_named(cfg, weights, sigmoid, sentence):
    cfg.MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE = sigmoid
    with pytest.raises(ValueError, match=sentence):
        CrowdedOutputLayers(cfg, ShapeSpec(channels=4), class_weights=weights)
