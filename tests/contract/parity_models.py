"""Parity cases over whole models: state dicts, detections, losses, gradients. Public Detectron2 API only."""

import copy

import numpy as np
import torch

from tests.contract.parity_inputs import a, base_cfg, chw, fill, picture, target, text

MODEL_CASES = {}


def case(function):
    MODEL_CASES[function.__name__] = function
    return function


@case
def defaults():
    from detectron2.config import get_cfg

    def flat(c, p=""):
        for k, v in c.items():
            if hasattr(v, "items"):
                yield from flat(v, p + k + ".")
            else:
                yield p + k, (list(v) if isinstance(v, tuple) else v)

    d = dict(flat(get_cfg()))
    return {"keys": text(d)}


def _statedict(depth):
    from detectron2.modeling import build_model

    m = build_model(base_cfg(depth))
    return {
        "shapes": text({k: list(v.shape) for k, v in m.state_dict().items()}),
        "trainable": text(sorted(k for k, p in m.named_parameters() if p.requires_grad)),
    }


@case
def statedict_r50():
    return _statedict(50)


@case
def statedict_r101():
    return _statedict(101)


@case
def statedict_r18():
    return _statedict(18)


@case
def backbone_r50():
    from detectron2.modeling import build_model

    m = fill(build_model(base_cfg(50))).eval()
    x = chw(picture(128, 160, 3)).float()[None]
    with torch.no_grad():
        f = m.backbone(x)
    return {k: a(v[0, ::16, ::2, ::2]) for k, v in f.items()}


def _infer(depth, classes, sizes, size=320, **kw):
    from detectron2.modeling import build_model

    c = base_cfg(depth, classes, size)
    for k, v in kw.items():
        node, key = c, k.split("__")
        for s in key[:-1]:
            node = node[s]
        node[key[-1]] = v
    m = fill(build_model(c), cls=8.0 if depth > 34 else 2.4).eval()
    batch = [
        {"image": chw(picture(h, w, 7 + i)), "height": int(1.7 * h), "width": int(1.7 * w)}
        for i, (h, w) in enumerate(sizes)
    ]
    with torch.no_grad():
        out = m(batch)
    res = {}
    for i, o in enumerate(out):
        o = o["instances"]
        res[f"{i}/n"] = np.array(len(o))
        area = o.pred_masks.flatten(1).sum(1).float()
        res[f"{i}/dets"] = a(
            torch.cat([o.pred_boxes.tensor, o.scores[:, None], o.pred_classes[:, None].float(), area[:, None]], 1)
        )
        res[f"{i}/size"] = np.array(o.image_size)
    return res


@case
def infer_r50():
    return _infer(50, 80, [(240, 320), (200, 300)])


@case
def infer_r101():
    return _infer(101, 3, [(224, 288)])


@case
def infer_r18_agnostic():
    return _infer(
        18,
        5,
        [(160, 224)],
        MODEL__ROI_MASK_HEAD__CLS_AGNOSTIC_MASK=True,
        MODEL__ROI_BOX_HEAD__CLS_AGNOSTIC_BBOX_REG=True,
    )


@case
def infer_r50_torchvision_stride():
    return _infer(
        50,
        7,
        [(192, 256)],
        MODEL__RESNETS__STRIDE_IN_1X1=False,
        INPUT__FORMAT="RGB",
        MODEL__PIXEL_STD=[57.375, 57.12, 58.395],
    )


def _losses(fmt, depth=50, steps=1, sample_all=True, seed=0):
    from detectron2.modeling import build_model
    from detectron2.utils.events import EventStorage

    c = base_cfg(depth, 5)
    if sample_all:  # no random subsampling: every anchor and proposal is used
        c.MODEL.RPN.BATCH_SIZE_PER_IMAGE = 10**7
        c.MODEL.RPN.POSITIVE_FRACTION = 1.0
        c.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 4000
        c.MODEL.ROI_HEADS.POSITIVE_FRACTION = 1.0
    m = fill(build_model(c), cls=1.0, mask=1.0)
    m.train()
    sizes = [(160, 224), (192, 176)]
    batch = [
        {"image": chw(picture(h, w, 20 + i)), "instances": target(h, w, 5, 5, 30 + i, fmt)}
        for i, (h, w) in enumerate(sizes)
    ]
    torch.manual_seed(seed)
    opt = torch.optim.SGD([p for p in m.parameters() if p.requires_grad], lr=1e-4, momentum=0.9)
    rows = []
    with EventStorage():
        for _ in range(steps):
            ls = m(copy.deepcopy(batch))
            opt.zero_grad()
            sum(ls.values()).backward()
            rows.append([float(ls[k]) for k in sorted(ls)])
            g = {k: float(p.grad.norm()) for k, p in m.named_parameters() if p.grad is not None}
            opt.step()
    pick = [
        k
        for k in sorted(g)
        if k.startswith(("proposal_generator", "roi_heads", "backbone.fpn_output", "backbone.bottom_up.res5.2"))
    ]
    return {
        "names": text(sorted(ls)),
        "losses": np.array(rows),
        "grad": np.array([g[k] for k in pick]),
        "grad_names": text(pick),
    }


@case
def losses_polygon():
    return _losses("polygon")


@case
def losses_bitmask():
    return _losses("bitmask")


@case
def losses_trajectory_r18():
    return _losses("polygon", 18, steps=8)


@case
def losses_sampled_seeded():
    return _losses("polygon", 18, steps=3, sample_all=False, seed=11)


@case
def tta():
    from detectron2.modeling import GeneralizedRCNNWithTTA, build_model

    c = base_cfg(18, 5, 160)
    c.TEST.AUG.MIN_SIZES, c.TEST.AUG.MAX_SIZE = (128, 160), 400
    m = fill(build_model(c), cls=2.4).eval()
    with torch.no_grad():
        o = GeneralizedRCNNWithTTA(c, m)([{"image": chw(picture(160, 200, 2)), "height": 160, "width": 200}])[0][
            "instances"
        ]
    area = o.pred_masks.flatten(1).sum(1).float()
    return {
        "dets": a(
            torch.cat([o.pred_boxes.tensor, o.scores[:, None], o.pred_classes[:, None].float(), area[:, None]], 1)
        )
    }
