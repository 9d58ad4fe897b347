"""Inputs of the parity cases: models, pictures, targets, all functions of names and seeds."""

import json
import zlib

import numpy as np
import torch


def rng(seed):
    return np.random.default_rng(seed)


def fill(model, gain=0.5, cls=8.0, mask=10.0):
    """Weights as a function of the parameter's name. cls, mask: gains of the two predictors."""
    sd = model.state_dict()
    new = {}
    for k, v in sd.items():
        if not v.is_floating_point():
            new[k] = v
            continue
        x = np.random.default_rng(zlib.crc32(k.encode())).standard_normal(tuple(v.shape)).astype("float32")
        if k.endswith("running_var"):
            x = 1 + 0.1 * np.abs(x)
        elif k.endswith("running_mean"):
            x = 0.1 * x
        elif ".norm." in k and k.endswith("weight"):
            x = 0.7 + 0.05 * x
        elif k.endswith("bias"):
            x = 0.05 * x
        else:
            fan = int(np.prod(v.shape[1:])) or 1
            x = gain * x * (2.0 / fan) ** 0.5
            x = x * (cls if "cls_score" in k else mask if "mask_head.predictor" in k else 1.0)
        new[k] = torch.from_numpy(x)
    model.load_state_dict(new)
    return model


def base_cfg(depth=50, classes=80, size=320):
    from detectron2.config import get_cfg

    c = get_cfg()
    c.MODEL.MASK_ON = True
    c.MODEL.DEVICE = "cpu"
    c.MODEL.META_ARCHITECTURE = "GeneralizedRCNN"
    c.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    c.MODEL.RESNETS.DEPTH = depth
    c.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    if depth in (18, 34):
        c.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    c.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    c.MODEL.ANCHOR_GENERATOR.SIZES = [[32], [64], [128], [256], [512]]
    c.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [[0.5, 1.0, 2.0]]
    c.MODEL.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    c.MODEL.RPN.PRE_NMS_TOPK_TRAIN = 2000
    c.MODEL.RPN.PRE_NMS_TOPK_TEST = 1000
    c.MODEL.RPN.POST_NMS_TOPK_TRAIN = 1000
    c.MODEL.RPN.POST_NMS_TOPK_TEST = 1000
    c.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    c.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    c.MODEL.ROI_HEADS.NUM_CLASSES = classes
    c.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    c.MODEL.ROI_BOX_HEAD.NUM_FC = 2
    c.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    c.MODEL.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    c.MODEL.ROI_MASK_HEAD.NUM_CONV = 4
    c.MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION = 14
    c.INPUT.MIN_SIZE_TEST = size
    c.INPUT.MAX_SIZE_TEST = 2 * size
    return c


def picture(h, w, seed):
    r = rng(seed)
    y, x = np.mgrid[0:h, 0:w]
    img = np.stack([127 + 90 * np.sin(x / (9 + 5 * i) + seed) * np.cos(y / (13 + 3 * i)) for i in range(3)], -1)
    for _ in range(6):
        cy, cx, rad = r.integers(0, h), r.integers(0, w), r.integers(8, h // 3)
        img[(y - cy) ** 2 + (x - cx) ** 2 < rad**2] = r.integers(0, 255, 3)
    return np.clip(img, 0, 255).astype("uint8")


def polygons(h, w, n, seed):
    r = rng(seed)
    out = []
    for _ in range(n):
        rad = r.uniform(12, min(h, w) / 4)
        cx, cy = r.uniform(rad, w - rad), r.uniform(rad, h - rad)
        a = np.sort(r.uniform(0, 2 * np.pi, 9))
        out.append(np.stack([cx + rad * np.cos(a), cy + rad * np.sin(a)], 1).reshape(-1))
    return out


def target(h, w, n, classes, seed, fmt="polygon"):
    from detectron2.structures import BitMasks, Boxes, Instances, PolygonMasks

    ps = polygons(h, w, n, seed)
    inst = Instances((h, w))
    bx = np.array([[p[0::2].min(), p[1::2].min(), p[0::2].max(), p[1::2].max()] for p in ps], "float32")
    inst.gt_boxes = Boxes(torch.from_numpy(bx))
    inst.gt_classes = torch.from_numpy(rng(seed + 1).integers(0, classes, n))
    masks = PolygonMasks([[p] for p in ps])
    inst.gt_masks = masks if fmt == "polygon" else BitMasks.from_polygon_masks(masks, h, w)
    return inst


def chw(img):
    return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))


def a(x):
    if isinstance(x, torch.Tensor):
        return x.detach().cpu().numpy()
    return np.asarray(x)


def text(x):
    return np.array(json.dumps(x, sort_keys=True, default=str))
