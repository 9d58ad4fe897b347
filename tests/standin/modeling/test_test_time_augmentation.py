"""Test-time augmentation: its inputs, and that it leads back to the plain model's results."""

import pytest
import torch
from detectron2.modeling import DatasetMapperTTA, GeneralizedRCNNWithTTA, build_model
from fvcore.transforms import HFlipTransform


@pytest.fixture
def model(cfg):
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    torch.manual_seed(0)
    return build_model(cfg).eval()


def picture():
    return {"image": torch.arange(3 * 32 * 48).reshape(3, 32, 48).to(torch.uint8), "height": 64, "width": 96}


def test_inputs_of_every_size_and_their_mirror_images():
    augmented = DatasetMapperTTA(min_sizes=[16, 32], max_size=40, flip=True)(picture())
    # 32 x 48 would be longer than 40: its longer side stops there.
    assert [tuple(x["image"].shape) for x in augmented] == [(3, 16, 24)] * 2 + [(3, 27, 40)] * 2
    mirrored = [any(isinstance(t, HFlipTransform) for t in x["transforms"].transforms) for x in augmented]
    assert mirrored == [False, True, False, True]
    assert torch.equal(augmented[1]["image"], augmented[0]["image"].flip(2))
    # The transforms lead from the picture's own size (64 x 96), not from the input's.
    corner = augmented[1]["transforms"].apply_box([[0.0, 0.0, 96.0, 64.0]])
    assert corner.tolist() == [[0.0, 0.0, 24.0, 16.0]]


def test_without_mirror_images():
    assert len(DatasetMapperTTA(min_sizes=[16, 32], max_size=400, flip=False)(picture())) == 2


def test_one_augmentation_that_changes_nothing(cfg, model):
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.FLIP = (32,), False
    with torch.no_grad():
        plain = model([picture()])[0]["instances"]
        augmented = GeneralizedRCNNWithTTA(cfg, model)([picture()])[0]["instances"]
    assert len(plain) > 0
    torch.testing.assert_close(augmented.pred_boxes.tensor, plain.pred_boxes.tensor, rtol=1e-4, atol=1e-2)
    assert torch.equal(augmented.pred_classes, plain.pred_classes)
    assert (augmented.pred_masks != plain.pred_masks).float().mean() < 1e-3


def test_several_at_once_and_masks_come_back(cfg, model):
    cfg.TEST.AUG.MIN_SIZES = (24, 32)
    with torch.no_grad():
        found = GeneralizedRCNNWithTTA(cfg, model, batch_size=3)([picture()])[0]["instances"]
    assert found.image_size == (64, 96)
    assert found.pred_masks.shape == (len(found), 64, 96)
    assert model.roi_heads.mask_on


def test_no_detections(cfg, model):
    cfg.TEST.AUG.MIN_SIZES = (32,)
    model.roi_heads.box_predictor.test_score_thresh = 0.999
    with torch.no_grad():
        found = GeneralizedRCNNWithTTA(cfg, model)([picture()])[0]["instances"]
    assert found.pred_masks.shape == (0, 64, 96)
    assert found.pred_masks.dtype == torch.bool


def test_without_masks(cfg, model):
    cfg.MODEL.MASK_ON = False
    cfg.TEST.AUG.MIN_SIZES = (32,)
    bare = build_model(cfg).eval()
    with torch.no_grad():
        found = GeneralizedRCNNWithTTA(cfg, bare)([{"image": picture()["image"]}])[0]["instances"]
    assert found.image_size == (32, 48)
    assert not found.has("pred_masks")


def test_a_model_of_another_kind_is_named(cfg):
    with pytest.raises(TypeError, match="needs a GeneralizedRCNN, but got a Identity"):
        GeneralizedRCNNWithTTA(cfg, torch.nn.Identity())
