"""The mask loss by hand, and masks of predicted classes."""

import math

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import BaseMaskRCNNHead, MaskRCNNConvUpsampleHead, build_mask_head
from detectron2.modeling.roi_heads.mask_head import mask_rcnn_inference, mask_rcnn_loss
from detectron2.structures import BitMasks, Boxes, Instances
from detectron2.utils.events import EventStorage

FULL, LEFT_HALF = [0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 4.0, 8.0]


def foreground(boxes, classes):
    """Objects that fill the left half of an 8 x 8 image."""
    masks = torch.zeros(len(boxes), 8, 8, dtype=torch.bool)
    masks[:, :, :4] = True
    return Instances(
        (8, 8),
        proposal_boxes=Boxes(torch.tensor(boxes).reshape(-1, 4)),
        gt_classes=torch.tensor(classes, dtype=torch.int64),
        gt_masks=BitMasks(masks),
    )


def loss_of(logits, instances, **kwargs):
    with EventStorage() as storage:
        loss = mask_rcnn_loss(logits, instances, **kwargs)
        return loss, storage.latest(), storage


def test_only_the_true_class_counts():
    logits = torch.zeros(2, 3, 4, 4)
    logits[0, 1, :, :2] = 2.0  # right on the left half, undecided on the right one
    logits[1, 2] = -2.0  # wrong everywhere: this box holds nothing but object
    logits[0, 0] = logits[1, 0] = 50.0  # another class
    loss, logged, _ = loss_of(logits, [foreground([FULL], [1]), foreground([LEFT_HALF], [2])])
    near, far = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert loss.item() == pytest.approx((8 * near + 8 * math.log(2) + 16 * far) / 32)
    # 24 pixels are object: 16 of them are missed. None of the other 8 is taken for object.
    assert float(logged["mask_rcnn/accuracy"][0]) == pytest.approx(0.5)
    assert float(logged["mask_rcnn/false_negative"][0]) == pytest.approx(16 / 24)
    assert float(logged["mask_rcnn/false_positive"][0]) == 0


def test_a_class_agnostic_mask():
    loss, _, _ = loss_of(torch.zeros(1, 1, 4, 4), [foreground([FULL], [2])])
    assert loss.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("instances", [[], [foreground([], [])]], ids=["no images", "no regions"])
def test_no_regions_cost_nothing_and_have_a_gradient(instances):
    logits = torch.zeros(0, 3, 4, 4, requires_grad=True)
    loss, _, _ = loss_of(logits, instances)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.shape == (0, 3, 4, 4)


def test_pictures_of_masks():
    _, _, storage = loss_of(torch.zeros(1, 1, 4, 4), [foreground([FULL], [0])], vis_period=1)
    assert len(storage._vis_data) == 1


def test_inference_takes_the_predicted_class():
    logits = torch.arange(3.0).reshape(1, 3, 1, 1).expand(2, 3, 2, 2)
    one = Instances((8, 8), pred_classes=torch.tensor([2]))
    other = Instances((8, 8), pred_classes=torch.tensor([0]))
    mask_rcnn_inference(logits, [one, other])
    assert one.pred_masks.shape == (1, 1, 2, 2)
    assert one.pred_masks.unique().tolist() == pytest.approx([1 / (1 + math.exp(-2))])
    assert other.pred_masks.unique().tolist() == [0.5]


def test_inference_of_nothing():
    none = Instances((8, 8), pred_classes=torch.zeros(0, dtype=torch.int64))
    mask_rcnn_inference(torch.zeros(0, 3, 2, 2), [none])
    assert none.pred_masks.shape == (0, 1, 2, 2)


@pytest.mark.parametrize(("agnostic", "masks"), [(False, 3), (True, 1)])
def test_layers(cfg, agnostic, masks):
    cfg.MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK = agnostic
    head = build_mask_head(cfg, ShapeSpec(channels=5, height=4, width=4))
    assert head.layers(torch.zeros(2, 5, 4, 4)).shape == (2, masks, 8, 8)
    assert {k.split(".")[0] for k in head.state_dict()} == {"mask_fcn1", "deconv", "predictor"}


def test_norms_and_weight():
    head = MaskRCNNConvUpsampleHead(
        ShapeSpec(channels=4), num_classes=2, conv_dims=[32, 8], conv_norm="GN", loss_weight=2.0
    )
    assert head.mask_fcn1.bias is None
    with EventStorage():
        loss = head(torch.zeros(0, 4, 2, 2), [foreground([], [])])["loss_mask"]
    assert loss.item() == 0
    assert head.loss_weight == 2.0


def test_a_head_without_layers_says_so():
    with pytest.raises(NotImplementedError, match="BaseMaskRCNNHead must write layers"):
        BaseMaskRCNNHead()(torch.zeros(0), [])


def test_logits_must_be_square():
    with pytest.raises(ValueError, match="must be square"):
        mask_rcnn_loss(torch.zeros(1, 1, 4, 5), [])
