"""A project that turns the switches of norms, precision, memory layout and device."""

import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.layers import FrozenBatchNorm2d, get_norm
from detectron2.modeling import build_model
from detectron2.solver import build_optimizer
from detectron2.utils.events import EventStorage
from torch import nn

from tests.contract.tiny import detect, tiny_batch, tiny_cfg, train_step

STEM = "backbone.bottom_up.stem.conv1.norm."
STATISTICS = {"running_mean", "running_var"}
NORMS = {
    "FrozenBN": (FrozenBatchNorm2d, {"weight", "bias", *STATISTICS}, 0),
    "BN": (nn.BatchNorm2d, {"weight", "bias", "num_batches_tracked", *STATISTICS}, 2),
    "SyncBN": (nn.SyncBatchNorm, {"weight", "bias", "num_batches_tracked", *STATISTICS}, 2),
    "GN": (nn.GroupNorm, {"weight", "bias"}, 2),
}


@pytest.mark.parametrize("norm", NORMS)
def test_norms_of_the_backbone(norm):
    kind, keys, parameters = NORMS[norm]
    cfg = tiny_cfg()
    cfg.MODEL.RESNETS.NORM, cfg.MODEL.BACKBONE.FREEZE_AT = norm, 0
    model = build_model(cfg)
    assert {k.removeprefix(STEM) for k in model.state_dict() if k.startswith(STEM)} == keys
    assert sum(name.startswith(STEM) for name, _ in model.named_parameters()) == parameters
    assert type(model.backbone.bottom_up.stem.conv1.norm) is kind
    train_step(cfg, model)
    detect(model)


def test_freezing_turns_norms_of_the_first_stages_into_frozen_ones():
    cfg = tiny_cfg()
    cfg.MODEL.RESNETS.NORM, cfg.MODEL.BACKBONE.FREEZE_AT = "BN", 2
    model = build_model(cfg)
    frozen = {name.split(".")[2] for name, p in model.named_parameters() if "bottom_up" in name and not p.requires_grad}
    assert frozen == {"stem", "res2"}
    kinds = {name.split(".")[2] for name, m in model.named_modules() if isinstance(m, FrozenBatchNorm2d)}
    assert kinds == {"stem", "res2"}
    whole = FrozenBatchNorm2d.convert_frozen_batchnorm(build_model(cfg))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in whole.modules())


def test_norms_of_pyramid_and_heads():
    cfg = tiny_cfg()
    cfg.MODEL.FPN.OUT_CHANNELS = 32
    cfg.MODEL.FPN.NORM = cfg.MODEL.ROI_MASK_HEAD.NORM = cfg.MODEL.ROI_BOX_HEAD.NORM = "GN"
    cfg.MODEL.ROI_BOX_HEAD.NUM_CONV, cfg.MODEL.ROI_BOX_HEAD.CONV_DIM, cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 1, 32, 32
    model = build_model(cfg)
    for key in (
        "backbone.fpn_lateral2",
        "backbone.fpn_output5",
        "roi_heads.box_head.conv1",
        "roi_heads.mask_head.mask_fcn1",
    ):
        assert {f"{key}.weight", f"{key}.norm.weight", f"{key}.norm.bias"} <= model.state_dict().keys()
        assert f"{key}.bias" not in model.state_dict()
    train_step(cfg, model)
    detect(model)


def test_norms_by_name():
    assert get_norm("", 32) is None
    assert isinstance(get_norm("GN", 64), nn.GroupNorm)
    assert isinstance(get_norm(lambda channels: nn.InstanceNorm2d(channels), 8), nn.InstanceNorm2d)


def test_weights_with_batch_norms_load_into_frozen_ones(tmp_path):
    cfg = tiny_cfg()
    cfg.MODEL.BACKBONE.FREEZE_AT, cfg.MODEL.RESNETS.NORM = 0, "BN"
    trained = build_model(cfg)
    train_step(cfg, trained)
    DetectionCheckpointer(trained, str(tmp_path)).save("bn")
    cfg.MODEL.RESNETS.NORM = "FrozenBN"
    frozen = build_model(cfg)
    DetectionCheckpointer(frozen).load(str(tmp_path / "bn.pth"))
    key = STEM + "running_mean"
    assert torch.equal(frozen.state_dict()[key], trained.state_dict()[key])
    for one, other in zip(detect(trained), detect(frozen), strict=True):
        torch.testing.assert_close(one.scores, other.scores, rtol=1e-4, atol=1e-5)


def test_a_step_in_bfloat16():
    cfg = tiny_cfg()
    cfg.MODEL.RESNETS.NORM = "FrozenBN"
    model = build_model(cfg)
    optimizer = build_optimizer(cfg, model)
    with EventStorage(), torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model(tiny_batch())
    total = sum(losses.values())
    assert total.dtype == torch.float32 and torch.isfinite(total)
    total.backward()
    optimizer.step()
    assert all(p.grad.dtype == p.dtype == torch.float32 for p in model.parameters() if p.grad is not None)


def test_detections_in_bfloat16():
    torch.manual_seed(0)
    model = build_model(tiny_cfg())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = detect(model)
    for one, other in zip(low, detect(model), strict=True):
        assert one.pred_boxes.tensor.dtype == torch.float32
        assert abs(one.scores.max() - other.scores.max()) < 0.02


def test_channels_last():
    cfg = tiny_cfg()
    torch.manual_seed(0)
    model = build_model(cfg)
    picture = tiny_batch()[0]["image"][None, :, :64, :64].float()
    with torch.no_grad():
        plain = model.backbone(picture)
    model.to(memory_format=torch.channels_last)
    assert model.backbone.bottom_up.stem.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        for name, feature in model.backbone(picture.contiguous(memory_format=torch.channels_last)).items():
            torch.testing.assert_close(feature, plain[name], rtol=1e-3, atol=1e-3 * float(plain[name].abs().max()))
    train_step(cfg, model)
    detect(model)


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")),
        pytest.param(
            "mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="there is no MPS device")
        ),
    ],
)
def test_devices(device):
    cfg = tiny_cfg()
    cfg.MODEL.DEVICE = device
    model = build_model(cfg)
    assert model.device.type == device
    assert {p.device.type for p in model.parameters()} == {device}
    train_step(cfg, model)
    assert {x.pred_boxes.device.type for x in detect(model)} == {device}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="float16 needs a CUDA device")
def test_float16():
    cfg = tiny_cfg()
    cfg.MODEL.DEVICE = "cuda"
    model = build_model(cfg)
    optimizer, scaler = build_optimizer(cfg, model), torch.amp.GradScaler("cuda")
    with EventStorage(), torch.autocast("cuda", dtype=torch.float16):
        losses = model(tiny_batch())
    scaler.scale(sum(losses.values())).backward()
    scaler.step(optimizer)
    scaler.update()
    with torch.autocast("cuda", dtype=torch.float16):
        detect(model)
