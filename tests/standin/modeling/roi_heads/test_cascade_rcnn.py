"""The cascade: rising overlaps, losses of each stage, averaged scores."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_model, build_roi_heads
from detectron2.modeling.roi_heads.cascade_rcnn import _ScaleGradient
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

SHAPES = {f"p{k}": ShapeSpec(channels=16, stride=2**k) for k in (2, 3, 4, 5)}


@pytest.fixture
def cascade_cfg(cfg):
    cfg.MODEL.ROI_HEADS.NAME = "CascadeROIHeads"
    cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = True
    return cfg


def test_a_training_and_a_testing_step(cascade_cfg, inputs):
    torch.manual_seed(0)
    model = build_model(cascade_cfg)
    with EventStorage() as storage:
        losses = model(inputs)
        logged = set(storage.latest())
    stages = {f"{name}_stage{i}" for name in ("loss_cls", "loss_box_reg") for i in range(3)}
    assert set(losses) == {*stages, "loss_mask", "loss_rpn_cls", "loss_rpn_loc"}
    assert {"stage0/fast_rcnn/cls_accuracy", "stage2/roi_head/num_fg_samples"} <= logged
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.roi_heads.parameters())

    found = model.eval()([{"image": x["image"]} for x in inputs])
    assert [x["instances"].image_size for x in found] == [(64, 96), (64, 64)]


def test_each_stage_asks_for_more_overlap(cascade_cfg):
    heads = build_roi_heads(cascade_cfg, SHAPES)
    object_ = Instances((64, 64), gt_boxes=Boxes(torch.tensor([[0.0, 0, 10, 10]])), gt_classes=torch.tensor([2]))
    ious = torch.tensor([0.55, 0.65, 0.75])
    boxes = torch.stack((ious * 0, ious * 0, ious * 10, ious * 0 + 10), dim=1)
    labels = []
    with EventStorage():
        for stage in range(3):
            (labelled,) = heads._match_and_label_boxes(
                [Instances((64, 64), proposal_boxes=Boxes(boxes))], stage, [object_]
            )
            labels.append(labelled.gt_classes.tolist())
    assert labels == [[2, 2, 2], [3, 2, 2], [3, 3, 2]]


def test_boxes_become_the_next_stages_proposals(cascade_cfg):
    heads = build_roi_heads(cascade_cfg, SHAPES)
    boxes = torch.tensor([[-5.0, 0, 10, 10], [70.0, 0, 80, 10]], requires_grad=True)
    (training,) = heads._create_proposals_from_boxes([boxes], [(64, 64)])
    assert training.proposal_boxes.tensor.tolist() == [[0, 0, 10, 10]]
    assert not training.proposal_boxes.tensor.requires_grad
    (testing,) = heads.eval()._create_proposals_from_boxes([boxes], [(64, 64)])
    assert testing.proposal_boxes.tensor.tolist() == [[0, 0, 10, 10], [64, 0, 64, 10]]


def test_gradients_are_shared_out():
    x = torch.ones(2, requires_grad=True)
    _ScaleGradient.apply(x, 0.25).sum().backward()
    assert x.grad.tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("group", "key", "value", "sentence"),
    [
        ("ROI_BOX_HEAD", "CLS_AGNOSTIC_BBOX_REG", False, "CLS_AGNOSTIC_BBOX_REG=True"),
        ("ROI_HEADS", "IOU_THRESHOLDS", [0.4], "must begin with MODEL.ROI_HEADS.IOU_THRESHOLDS, 0.4"),
        ("ROI_BOX_CASCADE_HEAD", "IOUS", (0.5, 0.6), "as many BBOX_REG_WEIGHTS as IOUS"),
    ],
)
def test_errors(cascade_cfg, group, key, value, sentence):
    cascade_cfg.MODEL[group][key] = value
    with pytest.raises(ValueError, match=sentence):
        build_roi_heads(cascade_cfg, SHAPES)
