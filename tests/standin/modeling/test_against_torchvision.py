"""
The models of the family that have no golden values here, against an independent witness: torchvision's residual
networks and operators, composed by the papers. ResNeXt, DC5, C4 and the cascade.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_backbone, build_roi_heads
from detectron2.structures import Boxes, ImageList, Instances
from torchvision.ops import roi_align

SIZE = (64, 96)
IMAGE = torch.rand((1, 3, *SIZE), generator=torch.Generator().manual_seed(0))
BOXES = torch.tensor([[3.0, 5.0, 40.0, 50.0], [20.0, 0.0, 96.0, 64.0], [50.5, 10.25, 70.0, 41.0]])


def witness(**arguments):
    """A torchvision ResNet-50 whose norms are not the identity, so that each of their numbers counts."""
    torch.manual_seed(1)
    net = torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, [3, 4, 6, 3], **arguments).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.6)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.8, 1.2)
    return net


def features_of(net, image, last=4):
    x = net.maxpool(net.relu(net.bn1(net.conv1(image))))
    maps = {}
    for stage in range(1, last + 1):
        x = getattr(net, f"layer{stage}")(x)
        maps[f"res{stage + 1}"] = x
    return maps


def resnet_cfg(out_features):
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.MASK_ON = True
    cfg.MODEL.BACKBONE.NAME = "build_resnet_backbone"
    cfg.MODEL.RESNETS.STRIDE_IN_1X1 = False  # torchvision's networks stride in the 3x3 convolution
    cfg.MODEL.RESNETS.OUT_FEATURES = out_features
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 3
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST = 1.0  # nothing is suppressed: every region and class can be compared
    return cfg


def backbone_with(net, cfg, tmp_path):
    torch.save(net.state_dict(), tmp_path / "resnet.pth")
    backbone = build_backbone(cfg).eval()
    DetectionCheckpointer(backbone).load(str(tmp_path / "resnet.pth"))
    return backbone


def assert_same_maps(found, expected):
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("groups", "width"), [(1, 64), (32, 4)])
@torch.no_grad()
def test_resnet_and_resnext(tmp_path, groups, width):
    net = witness(groups=groups, width_per_group=width)
    cfg = resnet_cfg(["res2", "res3", "res4", "res5"])
    cfg.MODEL.RESNETS.NUM_GROUPS, cfg.MODEL.RESNETS.WIDTH_PER_GROUP = groups, width
    assert_same_maps(backbone_with(net, cfg, tmp_path)(IMAGE), features_of(net, IMAGE))


@torch.no_grad()
def test_dc5_looks_two_pixels_apart_instead_of_striding(tmp_path):
    net = witness()
    cfg = resnet_cfg(["res4", "res5"])
    cfg.MODEL.RESNETS.RES5_DILATION = 2
    backbone = backbone_with(net, cfg, tmp_path)
    net.layer4[0].downsample[0].stride = (1, 1)
    for block in net.layer4:  # every block, the first one too
        block.conv2.stride, block.conv2.dilation, block.conv2.padding = (1, 1), (2, 2), (2, 2)
    found = backbone(IMAGE)
    assert found["res5"].shape[-2:] == found["res4"].shape[-2:]
    assert_same_maps(found, features_of(net, IMAGE))


def proposals_of(boxes):
    return [Instances(SIZE, proposal_boxes=Boxes(boxes), objectness_logits=torch.zeros(len(boxes)))]


def all_scores_and_boxes(detections):
    """Rows (class, score, box) of one image's detections, in an order that does not depend on near ties."""
    rows = torch.cat([detections.pred_classes[:, None], detections.scores[:, None], detections.pred_boxes.tensor], 1)
    return rows[torch.argsort(rows[:, 0] * 10 + rows[:, 1])]


@torch.no_grad()
def test_c4_heads_share_res5(tmp_path):
    net = witness()
    cfg = resnet_cfg(["res4"])
    cfg.MODEL.ROI_HEADS.NAME = "Res5ROIHeads"
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 14
    cfg.MODEL.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = 0
    backbone = backbone_with(net, cfg, tmp_path)
    torch.manual_seed(2)
    heads = build_roi_heads(cfg, backbone.output_shape()).eval()
    names = {"conv1": "conv1", "conv2": "conv2", "conv3": "conv3", "shortcut": "downsample.0"}
    norms = {"conv1": "bn1", "conv2": "bn2", "conv3": "bn3", "shortcut": "downsample.1"}
    for ours, theirs in zip(heads.res5, net.layer4, strict=True):
        for name in names if ours.shortcut is not None else list(names)[:3]:
            convolution = getattr(ours, name)
            convolution.weight.copy_(theirs.get_submodule(names[name]).weight)
            state = theirs.get_submodule(norms[name]).state_dict()
            state.pop("num_batches_tracked")
            convolution.norm.load_state_dict(state, strict=False)
    predictor, mask_head = heads.box_predictor, heads.mask_head
    for layer in (predictor.cls_score, predictor.bbox_pred):
        torch.nn.init.normal_(layer.weight, std=0.05)

    features = backbone(IMAGE)
    images = ImageList(IMAGE, [SIZE])
    (found,), _ = heads(images, features, proposals_of(BOXES))

    def region(boxes):
        pooled = roi_align(features_of(net, IMAGE, 3)["res4"], [boxes], 14, 1 / 16, sampling_ratio=-1, aligned=True)
        return net.layer4(pooled)

    vectors = region(BOXES).mean(dim=(2, 3))
    scores = F.softmax(predictor.cls_score(vectors), dim=1)[:, :3]
    assert len(found) == scores.numel()
    for label in range(3):
        torch.testing.assert_close(
            found.scores[found.pred_classes == label].sort().values,
            scores[:, label].sort().values,
            rtol=1e-4,
            atol=1e-5,
        )
    logits = mask_head.predictor(F.relu(mask_head.deconv(region(found.pred_boxes.tensor))))
    expected = logits[torch.arange(len(found)), found.pred_classes].sigmoid()
    torch.testing.assert_close(found.pred_masks[:, 0], expected, rtol=1e-4, atol=1e-5)
    assert found.pred_masks.shape[-2:] == (14, 14)


@torch.no_grad()
def test_the_cascade_refines_boxes_and_averages_scores():
    cfg = resnet_cfg(["res4"])
    cfg.MODEL.MASK_ON = False
    cfg.MODEL.ROI_HEADS.NAME = "CascadeROIHeads"
    cfg.MODEL.ROI_HEADS.IN_FEATURES = ["p2"]
    cfg.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    cfg.MODEL.ROI_BOX_HEAD.NUM_FC, cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 1, 16
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = True
    torch.manual_seed(3)
    heads = build_roi_heads(cfg, {"p2": ShapeSpec(channels=8, stride=4)}).eval()
    for parameter in heads.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    features = {"p2": torch.randn((1, 8, 16, 24), generator=torch.Generator().manual_seed(4))}
    (found,), _ = heads(ImageList(IMAGE, [SIZE]), copy.copy(features), proposals_of(BOXES))

    boxes, probabilities = BOXES, []
    weights = [
        (10.0, 10.0, 5.0, 5.0),
        (20.0, 20.0, 10.0, 10.0),
        (30.0, 30.0, 15.0, 15.0),
    ]  # table 8 of the paper: / std
    for stage in range(3):
        pooled = roi_align(features["p2"], [boxes], 7, 1 / 4, sampling_ratio=-1, aligned=True)
        vectors = F.relu(heads.box_head[stage].fc1(pooled.flatten(1)))
        probabilities.append(F.softmax(heads.box_predictor[stage].cls_score(vectors), dim=1))
        deltas = heads.box_predictor[stage].bbox_pred(vectors) / torch.tensor(weights[stage])
        sizes = boxes[:, 2:] - boxes[:, :2]
        centers = boxes[:, :2] + sizes / 2 + deltas[:, :2] * sizes
        sizes = sizes * deltas[:, 2:].exp()
        boxes = torch.cat([centers - sizes / 2, centers + sizes / 2], dim=1)
        boxes = torch.stack([boxes[:, 0::2].clamp(0, SIZE[1]), boxes[:, 1::2].clamp(0, SIZE[0])], dim=2).flatten(1)
    scores = torch.stack(probabilities).mean(dim=0)[:, :3]
    expected = Instances(
        SIZE,
        pred_boxes=Boxes(boxes.repeat_interleave(3, dim=0)),
        scores=scores.flatten(),
        pred_classes=torch.arange(3).repeat(3),
    )
    torch.testing.assert_close(all_scores_and_boxes(found), all_scores_and_boxes(expected), rtol=1e-4, atol=1e-4)
