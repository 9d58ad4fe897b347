"""The switch: with which models it works, its sizes, and what it refuses."""

import pytest
import torch

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.inference.detect import detect
from maskrcnn_project.inference.test_time_augmentation import AtFullSize, augmentation_of, with_test_time_augmentation
from maskrcnn_project.modeling import build_model
from tests.contract.tiny import tiny_cfg


@pytest.fixture
def cfg():
    cfg = tiny_cfg()  # of 64 pixels, two classes
    add_maskrcnn_config(cfg)
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.MAX_SIZE = (48, 64), 128
    return cfg


def built(cfg):
    torch.manual_seed(0)
    return build_model(cfg).eval()


def use_points(cfg):
    cfg.MODEL.ROI_MASK_HEAD.NAME, cfg.MODEL.ROI_MASK_HEAD.POOLER_TYPE = "PointRefinedMaskHead", ""
    cfg.MODEL.ROI_MASK_HEAD.POINTS.WIDTH = 8


def use_crowded(cfg):
    cfg.MODEL.ROI_HEADS.NAME, cfg.MODEL.ROI_HEADS.CLASS_WEIGHTS = "CrowdedROIHeads", (1.0, 2.0)


@pytest.mark.parametrize("change", [lambda cfg: None, use_crowded, use_points])
@torch.no_grad()
def test_one_size_that_changes_nothing_finds_what_the_model_finds(cfg, change):
    change(cfg)
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.FLIP = (64,), False
    model = built(cfg)
    batch = [{"image": (torch.rand(3, 64, 80) * 255).to(torch.uint8)}]
    [plain], [augmented] = detect(model, batch), detect(with_test_time_augmentation(cfg, model), batch)
    assert len(plain) > 0 and augmented.size == (64, 80)
    torch.testing.assert_close(augmented.boxes, plain.boxes, rtol=1e-4, atol=1e-2)
    assert augmented.classes.tolist() == plain.classes.tolist()
    pixels = [found.to_instances().pred_masks for found in (plain, augmented)]
    assert (pixels[0] != pixels[1]).float().mean() < 1e-3


@pytest.mark.parametrize("change", [use_crowded, use_points])
@torch.no_grad()
def test_sizes_and_mirror_images_are_merged(cfg, change):
    change(cfg)
    image = {"image": (torch.rand(3, 64, 80) * 255).to(torch.uint8), "height": 32, "width": 40}
    [found] = detect(with_test_time_augmentation(cfg, built(cfg)), [image])
    assert found.size == (32, 40)
    assert len(found) == len(found.masks) == cfg.TEST.DETECTIONS_PER_IMAGE


def test_default_sizes_follow_the_model(cfg):
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.MAX_SIZE = (400, 500, 600, 700, 800, 900, 1000, 1100, 1200), 4000
    cfg.INPUT.MIN_SIZE_TEST = 256
    scaled = augmentation_of(cfg).TEST.AUG
    assert (scaled.MIN_SIZES, scaled.MAX_SIZE) == ((128, 160, 192, 224, 256, 288, 320, 352, 384), 1280)
    assert cfg.TEST.AUG.MAX_SIZE == 4000


@pytest.mark.parametrize("size", [0, 256, 800])
def test_sizes_that_were_set_stay(cfg, size):
    cfg.INPUT.MIN_SIZE_TEST = size
    assert augmentation_of(cfg).TEST.AUG == cfg.TEST.AUG


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("ACROSS_CLASSES_NMS", True, "cannot heed MODEL.ROI_HEADS.ACROSS_CLASSES_NMS"),
        ("MASK_NMS_THRESH_TEST", 0.5, "cannot heed MODEL.ROI_HEADS.MASK_NMS_THRESH_TEST"),
    ],
)
def test_what_it_would_leave_out_is_refused(cfg, key, value, sentence):
    cfg.MODEL.ROI_HEADS.NAME = "CrowdedROIHeads"
    cfg.MODEL.ROI_HEADS[key] = value
    with pytest.raises(ValueError, match=sentence):
        with_test_time_augmentation(cfg, built(cfg))


def test_another_architecture_is_named(cfg):
    with pytest.raises(ValueError, match="but the model is a Identity"):
        with_test_time_augmentation(cfg, torch.nn.Identity())


def test_files_are_looked_at_again_at_their_own_size():
    seen = []
    looking = torch.nn.Module()
    looking.forward = seen.extend
    AtFullSize(looking)([{"file_name": "a.png", "image": "small", "height": 8, "width": 9}, {"image": "whole"}])
    assert seen == [{"file_name": "a.png", "height": 8, "width": 9}, {"image": "whole"}]
