"""The RPN's labels and losses, by hand."""

import math

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.proposal_generator import RPN, StandardRPNHead, build_proposal_generator
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import EventStorage

ANCHORS = Boxes(
    torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [30, 30, 40, 40], [-5, 0, 5, 10]])
)  # IoU with (0, 0, 10, 10): 1, 0.5, 0, 1 / 3


def make_rpn(**kwargs):
    arguments = {
        "in_features": ["p2"],
        "head": StandardRPNHead(in_channels=4, num_anchors=1),
        "anchor_generator": DefaultAnchorGenerator(sizes=[[8]], aspect_ratios=[[1.0]], strides=[4], offset=0.0),
        "anchor_matcher": Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True),
        "box2box_transform": Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0)),
        "batch_size_per_image": 8,
        "positive_fraction": 0.5,
        "pre_nms_topk": (100, 50),
        "post_nms_topk": (20, 10),
    }
    return RPN(**{**arguments, **kwargs})


def ground_truth(boxes, size=(64, 64)):
    return Instances(size, gt_boxes=Boxes(torch.tensor(boxes).reshape(-1, 4)))


def test_labels_of_anchors():
    labels, boxes = make_rpn().label_and_sample_anchors([ANCHORS], [ground_truth([[0.0, 0.0, 10.0, 10.0]])])
    assert labels[0].tolist() == [1, -1, 0, -1]
    assert boxes[0].tolist() == [[0, 0, 10, 10]] * 4


def test_an_image_without_objects_is_all_background():
    labels, boxes = make_rpn().label_and_sample_anchors([ANCHORS], [ground_truth([])])
    assert labels[0].tolist() == [0, 0, 0, 0]
    assert boxes[0].tolist() == [[0, 0, 0, 0]] * 4


def test_anchors_far_outside_can_be_left_out():
    rpn = make_rpn(anchor_boundary_thresh=0)
    labels, _ = rpn.label_and_sample_anchors([ANCHORS], [ground_truth([])])
    assert labels[0].tolist() == [0, 0, 0, -1]


def test_the_sample_is_limited():
    labels, _ = make_rpn(batch_size_per_image=2).label_and_sample_anchors([ANCHORS], [ground_truth([])])
    assert sorted(labels[0].tolist()) == [-1, -1, 0, 0]


def test_losses_by_hand():
    rpn = make_rpn(loss_weight={"loss_rpn_cls": 1.0, "loss_rpn_loc": 2.0})
    logits = torch.tensor([[0.0, 0.0, 0.0, 50.0]], requires_grad=True)
    deltas = torch.zeros(1, 4, 4, requires_grad=True)
    gt_boxes = torch.tensor([[1.0, 0, 11, 10], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    with EventStorage() as storage:
        losses = rpn.losses([ANCHORS], [logits], [torch.tensor([1, 0, 0, -1])], [deltas], [gt_boxes])
        assert float(storage.latest()["rpn/num_pos_anchors"][0]) == 1
        assert float(storage.latest()["rpn/num_neg_anchors"][0]) == 2
    assert losses["loss_rpn_cls"].item() == pytest.approx(3 * math.log(2) / 8)
    assert losses["loss_rpn_loc"].item() == pytest.approx(2 * 0.1 / 8)  # dx = 1 / 10, and the weight 2
    sum(losses.values()).backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[-0.5, 0.5, 0.5, 0.0]]) / 8)
    assert deltas.grad[0, 1:].abs().sum() == 0


def test_forward_in_training_and_testing():
    torch.manual_seed(0)
    rpn = make_rpn()
    images = ImageList(torch.zeros(2, 3, 32, 48), [(32, 48), (30, 40)])
    features = {"p2": torch.randn(2, 4, 8, 12, requires_grad=True)}
    gt = [ground_truth([[4.0, 4.0, 14.0, 12.0]], (32, 48)), ground_truth([], (30, 40))]
    with EventStorage():
        proposals, losses = rpn(images, features, gt)
    assert set(losses) == {"loss_rpn_cls", "loss_rpn_loc"}
    assert all(0 < len(p) <= 20 and not p.proposal_boxes.tensor.requires_grad for p in proposals)
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in rpn.parameters())

    proposals, losses = rpn.eval()(images, features)
    assert losses == {}
    for found, (height, width) in zip(proposals, images.image_sizes, strict=True):
        assert 0 < len(found) <= 10
        assert torch.equal(found.objectness_logits, found.objectness_logits.sort(descending=True)[0])
        assert bool(found.proposal_boxes.inside_box((height + 1, width + 1)).all())


def test_training_without_ground_truth_is_named():
    images = ImageList(torch.zeros(1, 3, 32, 32), [(32, 32)])
    with pytest.raises(ValueError, match="'instances'"):
        make_rpn()(images, {"p2": torch.zeros(1, 4, 8, 8)})


class FirstChannelIsLogit(torch.nn.Module):
    def forward(self, maps):
        return [m[:, :1] for m in maps], [torch.zeros(1, 4, *m.shape[-2:]) for m in maps]


def test_outputs_lie_as_the_anchors_do():
    # Logits count up over the map, so that the best proposal must be the anchor of the last cell.
    rpn = make_rpn(head=FirstChannelIsLogit()).eval()
    features = {"p2": torch.arange(6.0).reshape(1, 1, 2, 3)}
    (found,), _ = rpn(ImageList(torch.zeros(1, 3, 40, 40), [(40, 40)]), features)
    assert found.proposal_boxes.tensor[0].tolist() == [4, 0, 12, 8]  # centre (8, 4): column 2, row 1
    assert found.objectness_logits[0] == 5


@pytest.mark.parametrize(("conv_dims", "names"), [([-1], ["conv"]), ([6, -1], ["conv.conv0", "conv.conv1"])])
def test_convolutions_of_the_head(conv_dims, names):
    head = StandardRPNHead(in_channels=4, num_anchors=3, conv_dims=conv_dims)
    assert {k.removesuffix(".weight") for k in head.state_dict() if k.startswith("conv") and "weight" in k} == set(
        names
    )
    (logits,), (deltas,) = head([torch.zeros(2, 4, 5, 7)])
    assert (logits.shape, deltas.shape) == ((2, 3, 5, 7), (2, 12, 5, 7))


def test_weights_start_small():
    head = StandardRPNHead(in_channels=64, num_anchors=3)
    assert head.conv.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert all(p.abs().sum() == 0 for n, p in head.named_parameters() if n.endswith("bias"))


def test_precomputed_proposals_need_no_generator(cfg):
    cfg.MODEL.PROPOSAL_GENERATOR.NAME = "PrecomputedProposals"
    assert build_proposal_generator(cfg, {}) is None


def test_levels_must_agree(cfg):
    shapes = {f"p{k}": ShapeSpec(channels=k, stride=2**k) for k in (2, 3, 4, 5, 6)}
    with pytest.raises(ValueError, match="same channels"):
        build_proposal_generator(cfg, shapes)
