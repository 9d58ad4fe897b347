"""Labelling and sampling of proposals, by hand, and the switches of the heads."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import ROIHeads, build_roi_heads
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.roi_heads import select_foreground_proposals
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

SHAPES = {f"p{k}": ShapeSpec(channels=16, stride=2**k) for k in (2, 3, 4, 5)}
NEAR, FAR = [0.0, 0.0, 10.0, 8.0], [30.0, 30.0, 40.0, 40.0]
OBJECTS = [[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]]


def heads(**kwargs):
    arguments = {"num_classes": 5, "batch_size_per_image": 8, "positive_fraction": 0.5}
    return ROIHeads(proposal_matcher=Matcher([0.5], [0, 1]), **{**arguments, **kwargs})


def proposals(*boxes):
    boxes = torch.tensor(boxes).reshape(-1, 4)
    return Instances((64, 64), proposal_boxes=Boxes(boxes), objectness_logits=torch.zeros(len(boxes)))


def objects(boxes, classes):
    gt = Instances((64, 64), gt_boxes=Boxes(torch.tensor(boxes).reshape(-1, 4)))
    gt.gt_classes = torch.tensor(classes, dtype=torch.int64)
    gt.gt_names = [f"object {i}" for i in range(len(classes))]
    return gt


def sample(given, targets, **kwargs):
    with EventStorage() as storage:
        sampled = heads(**kwargs).label_and_sample_proposals(given, targets)
        return sampled, {k.split("/")[1]: v for k, (v, _) in storage.latest().items()}


def test_labels_by_hand():
    (chosen,), logged = sample([proposals(NEAR, FAR)], [objects(OBJECTS, [3, 1])])
    # Foreground first: the near proposal and both appended objects; the far proposal is background.
    assert sorted(chosen.gt_classes[:3].tolist()) == [1, 3, 3]
    assert chosen.gt_classes[3:].tolist() == [5]
    assert chosen.proposal_boxes.tensor[3].tolist() == FAR
    assert logged == {"num_fg_samples": 3, "num_bg_samples": 1}
    for box, gt, name in zip(
        chosen.proposal_boxes.tensor.tolist()[:3],
        chosen.gt_boxes.tensor.tolist(),
        chosen.gt_names,
        strict=False,
    ):
        assert gt == (OBJECTS[0] if box == NEAR else box)
        assert name == f"object {OBJECTS.index(gt)}"


def test_without_the_ground_truth_among_them():
    (chosen,), _ = sample([proposals(NEAR, FAR)], [objects(OBJECTS, [3, 1])], proposal_append_gt=False)
    assert chosen.gt_classes.tolist() == [3, 5]


def test_an_image_without_objects():
    (chosen,), logged = sample([proposals(NEAR, FAR)], [objects([], [])])
    assert chosen.gt_classes.tolist() == [5, 5]
    assert not chosen.has("gt_boxes")
    assert logged == {"num_fg_samples": 0, "num_bg_samples": 2}


def test_the_sample_is_limited():
    (chosen,), _ = sample([proposals(*[FAR] * 20)], [objects(OBJECTS, [3, 1])], batch_size_per_image=4)
    assert sorted(chosen.gt_classes.tolist()) == [1, 3, 5, 5]


def test_ignored_proposals_are_not_sampled():
    roi_heads = heads()
    roi_heads.proposal_matcher = Matcher([0.3, 0.9], [0, -1, 1])  # the near one has an IoU of 0.8
    with EventStorage():
        (chosen,) = roi_heads.label_and_sample_proposals([proposals(NEAR, FAR)], [objects(OBJECTS, [3, 1])])
    assert NEAR not in chosen.proposal_boxes.tensor.tolist()


def test_foreground_is_selected():
    mixed = Instances((8, 8), gt_classes=torch.tensor([5, 0, -1, 4]))
    none = Instances((8, 8), gt_classes=torch.zeros(0, dtype=torch.int64))
    kept, masks = select_foreground_proposals([mixed, none], bg_label=5)
    assert [k.gt_classes.tolist() for k in kept] == [[0, 4], []]
    assert masks[0].tolist() == [False, True, False, True]
    with pytest.raises(ValueError, match="gt_classes"):
        select_foreground_proposals([proposals(FAR)], bg_label=5)


def test_masks_can_be_left_out(cfg):
    cfg.MODEL.MASK_ON = False
    built = build_roi_heads(cfg, SHAPES)
    assert not built.mask_on
    assert not any(k.startswith("mask") for k in built.state_dict())


def test_given_boxes_get_masks(cfg):
    built = build_roi_heads(cfg, SHAPES).eval()
    features = {f"p{k}": torch.zeros(1, 16, 64 // 2**k, 64 // 2**k) for k in (2, 3, 4, 5)}
    given = Instances((64, 64), pred_boxes=Boxes(torch.tensor([NEAR])), pred_classes=torch.tensor([1]))
    (found,) = built.forward_with_given_boxes(features, [given])
    assert found.pred_masks.shape == (1, 1, 8, 8)
    with pytest.raises(ValueError, match="pred_boxes and pred_classes"):
        built.forward_with_given_boxes(features, [proposals(NEAR)])


def test_training_on_predicted_boxes(cfg):
    cfg.MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES = True
    built = build_roi_heads(cfg, SHAPES)
    torch.nn.init.zeros_(built.box_predictor.bbox_pred.weight)
    with torch.no_grad():
        built.box_predictor.bbox_pred.bias[0] = 10.0  # class 0: dx = 10 / 10, one width to the right
    features = {f"p{k}": torch.zeros(1, 16, 64 // 2**k, 64 // 2**k) for k in (2, 3, 4, 5)}
    labelled = proposals(NEAR)
    labelled.gt_classes, labelled.gt_boxes = torch.tensor([0]), Boxes(torch.tensor(OBJECTS[:1]))
    with EventStorage():
        built._forward_box(features, [labelled])
    torch.testing.assert_close(labelled.proposal_boxes.tensor, torch.tensor([[10.0, 0.0, 20.0, 8.0]]))


def test_a_subclass_builds_its_own_heads(cfg):
    from detectron2.modeling import StandardROIHeads

    class BoxesOnly(StandardROIHeads):
        @classmethod
        def _init_mask_head(cls, cfg, input_shape):
            return {}

    assert not BoxesOnly(cfg, SHAPES).mask_on


def test_features_must_agree_and_exist(cfg):
    with pytest.raises(ValueError, match="same channels"):
        build_roi_heads(cfg, {**SHAPES, "p5": ShapeSpec(channels=8, stride=32)})
    built = build_roi_heads(cfg, SHAPES).eval()
    with pytest.raises(ValueError, match=r"need the features \['p2', 'p3', 'p4', 'p5'\], but .* \['p2'\]"):
        built(None, {"p2": torch.zeros(1, 16, 8, 8)}, [proposals(NEAR)])


def test_training_without_ground_truth_is_named(cfg):
    with pytest.raises(ValueError, match="'instances'"):
        build_roi_heads(cfg, SHAPES)(None, {}, [proposals(NEAR)])
