"""Whole models, small: a training and a testing step of every kind, and inputs with nothing in them."""

import copy

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Instances
from detectron2.utils.events import EventStorage

LOSSES = {"loss_cls", "loss_box_reg", "loss_mask", "loss_rpn_cls", "loss_rpn_loc"}


def build(cfg, seed=0):
    torch.manual_seed(seed)
    return build_model(cfg)


def training_step(model, inputs):
    """Losses as numbers, after a backward pass that must reach every trainable parameter with finite numbers."""
    with EventStorage() as storage:
        losses = model.train()(inputs)
        sum(losses.values()).backward()
        assert all(value is not None for value in storage.latest().values())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all()), name
    return {name: loss.item() for name, loss in losses.items()}


def detect(model, inputs):
    with torch.no_grad():
        return [x["instances"] for x in model.eval()(inputs)]


def feature_pyramid(cfg, one_level):
    return cfg


def resnext_pyramid(cfg, one_level):
    cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 50, 16
    cfg.MODEL.RESNETS.NUM_GROUPS, cfg.MODEL.RESNETS.WIDTH_PER_GROUP = 4, 2
    cfg.MODEL.RESNETS.STRIDE_IN_1X1 = False
    return cfg


def c4(cfg, one_level):
    one_level(cfg, "res4")
    cfg.MODEL.ROI_HEADS.NAME = "Res5ROIHeads"
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 4
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = 0
    return cfg


def dc5(cfg, one_level):
    one_level(cfg, "res5")
    cfg.MODEL.RESNETS.RES5_DILATION = 2
    return cfg


@pytest.mark.parametrize("kind", [feature_pyramid, resnext_pyramid, c4, dc5], ids=lambda f: f.__name__)
def test_a_training_and_a_testing_step(kind, cfg, one_level, inputs):
    model = build(kind(cfg, one_level))
    losses = training_step(model, inputs)
    assert set(losses) == LOSSES
    model.roi_heads.box_predictor.test_score_thresh = 0.0  # an untrained model is sure of nothing
    wide, square = detect(model, [{"image": inputs[0]["image"], "height": 32, "width": 48}, inputs[1]])
    assert wide.image_size == (32, 48)
    assert square.image_size == (64, 64)
    assert len(wide) > 0
    assert wide.pred_masks.shape == (len(wide), 32, 48)
    assert wide.pred_masks.dtype == torch.bool
    assert bool(wide.pred_boxes.inside_box((33, 49)).all())
    assert torch.equal(wide.scores, wide.scores.sort(descending=True)[0])


def test_only_images_without_objects(cfg, inputs):
    losses = training_step(build(cfg), [inputs[1], copy.deepcopy(inputs[1])])
    assert losses["loss_mask"] == losses["loss_box_reg"] == losses["loss_rpn_loc"] == 0
    assert losses["loss_cls"] > 0


def test_no_detections_keep_their_types(cfg, inputs):
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.999
    for found, size in zip(detect(build(cfg), inputs), [(64, 96), (64, 64)], strict=True):
        assert len(found) == 0
        assert found.pred_masks.shape == (0, *size)
        assert found.pred_masks.dtype == torch.bool


def test_detections_do_not_depend_on_the_batch(cfg, inputs):
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    model = build(cfg)
    alone = detect(model, inputs[1:])[0]
    same_size = detect(model, [inputs[1], inputs[1]])
    for found in same_size:
        torch.testing.assert_close(found.pred_boxes.tensor, alone.pred_boxes.tensor, rtol=1e-4, atol=1e-2)


def test_images_are_normalised_and_padded(cfg):
    cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = [1.0, 2.0, 3.0], [1.0, 2.0, 4.0]
    images = build(cfg).preprocess_image([{"image": torch.full((3, 40, 33), 7, dtype=torch.uint8)}])
    assert images.image_sizes == [(40, 33)]
    assert images.tensor.shape == (1, 3, 64, 64)
    assert images.tensor[0, :, 39, 32].tolist() == [6, 2.5, 1]
    assert images.tensor[0, :, 40:].abs().sum() == images.tensor[0, :, :, 33:].abs().sum() == 0


def test_given_detections_get_masks_only(cfg, inputs):
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    model = build(cfg).eval()
    with torch.no_grad():
        searched = model.inference(inputs[:1], do_postprocess=False)
        boxes_only = Instances(searched[0].image_size, **searched[0].get_fields())
        boxes_only.remove("pred_masks")
        given = model.inference(inputs[:1], [boxes_only], do_postprocess=False)
    torch.testing.assert_close(given[0].pred_masks, searched[0].pred_masks)
    assert torch.equal(given[0].pred_boxes.tensor, searched[0].pred_boxes.tensor)


def test_channels_last(cfg, inputs):
    model = build(cfg)
    torch.manual_seed(1)
    losses = training_step(model, copy.deepcopy(inputs))
    model.zero_grad()
    torch.manual_seed(1)
    transposed = training_step(model.to(memory_format=torch.channels_last), inputs)
    assert transposed == pytest.approx(losses, rel=1e-3)


def test_bfloat16_autocast(cfg, inputs):
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    model = build(cfg)
    torch.manual_seed(1)
    exact = training_step(model, copy.deepcopy(inputs))
    model.zero_grad()
    torch.manual_seed(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = training_step(model, inputs)
        found = detect(model, inputs)[0]
    assert rounded["loss_rpn_cls"] == pytest.approx(exact["loss_rpn_cls"], rel=0.05)
    assert found.pred_boxes.tensor.dtype == torch.float32
    assert len(found) > 0


def test_pictures_of_training(cfg, inputs):
    cfg.VIS_PERIOD = 1
    model = build(cfg)
    with EventStorage() as storage:
        model(inputs)
        names = {name for name, _, _ in storage._vis_data}
    assert "Left: GT bounding boxes;  Right: Predicted proposals" in names


def test_given_proposals(cfg, inputs):
    proposals = detect(build(cfg), inputs)
    cfg.MODEL.PROPOSAL_GENERATOR.NAME = "PrecomputedProposals"
    model = build(cfg)
    with pytest.raises(ValueError, match="'proposals'"):
        detect(model, inputs)
    for x, boxes in zip(inputs, proposals, strict=True):
        x["proposals"] = Instances(boxes.image_size, proposal_boxes=boxes.pred_boxes, objectness_logits=boxes.scores)
    assert len(detect(model, inputs)) == 2
    with EventStorage():
        assert set(model.train()(inputs)) == LOSSES - {"loss_rpn_cls", "loss_rpn_loc"}


def test_a_proposal_network(cfg, inputs):
    cfg.MODEL.META_ARCHITECTURE = "ProposalNetwork"
    model = build(cfg)
    with EventStorage():
        assert set(model(inputs)) == {"loss_rpn_cls", "loss_rpn_loc"}
    found = model.eval()([{"image": inputs[0]["image"], "height": 128, "width": 192}])[0]["proposals"]
    assert found.image_size == (128, 192)
    assert found.proposal_boxes.tensor[:, 2].max() > 96


def test_what_is_saved(cfg):
    model = build(cfg)
    assert {k.split(".")[0] for k in model.state_dict()} == {"backbone", "proposal_generator", "roi_heads"}


def test_wrong_images_are_named(cfg):
    with pytest.raises(ValueError, match=r"shape \(3, H, W\), but cat.png has \(1, 8, 8\)"):
        build(cfg).eval()([{"image": torch.zeros(1, 8, 8), "file_name": "cat.png"}])


def test_what_is_not_honoured_is_refused(cfg):
    cfg.MODEL.KEYPOINT_ON = True
    with pytest.raises(ValueError, match="MODEL.KEYPOINT_ON"):
        build_model(cfg)


def test_semantic_segmentation_is_refused(cfg):
    from detectron2.modeling import build_sem_seg_head

    with pytest.raises(NotImplementedError, match="semantic segmentation"):
        build_sem_seg_head(cfg, {})
