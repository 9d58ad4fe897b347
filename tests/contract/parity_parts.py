"""Parity cases over parts: boxes, masks, schedules, data, evaluation, weights. Public Detectron2 API only."""

import copy
import json
import os
import tempfile
import zlib

import numpy as np
import torch

from tests.contract.parity_inputs import a, base_cfg, picture, polygons, rng, text

PART_CASES = {}


def case(function):
    PART_CASES[function.__name__] = function
    return function


@case
def anchors():
    from detectron2.layers import ShapeSpec
    from detectron2.modeling.anchor_generator import build_anchor_generator

    g = build_anchor_generator(base_cfg(), [ShapeSpec(stride=s) for s in (4, 8, 16, 32, 64)])
    out = g([torch.zeros(1, 2, 20 // 2**i + 1, 28 // 2**i + 1) for i in range(5)])
    return {str(i): a(o.tensor) for i, o in enumerate(out)}


@case
def box_transform():
    from detectron2.modeling.box_regression import Box2BoxTransform

    r = rng(5)
    s = np.sort(r.uniform(0, 300, (40, 2, 2)), 1).reshape(40, 4).astype("float32") + np.array([0, 0, 5, 5], "float32")
    t = np.sort(r.uniform(0, 300, (40, 2, 2)), 1).reshape(40, 4).astype("float32") + np.array([0, 0, 5, 5], "float32")
    b = Box2BoxTransform(weights=(10.0, 10.0, 5.0, 5.0))
    d = b.get_deltas(torch.from_numpy(s), torch.from_numpy(t))
    big = torch.from_numpy(r.standard_normal((40, 12)).astype("float32") * 30)
    return {
        "d": a(d),
        "back": a(b.apply_deltas(d, torch.from_numpy(s))),
        "big": a(b.apply_deltas(big, torch.from_numpy(s))),
    }


@case
def matcher():
    from detectron2.modeling.matcher import Matcher

    q = torch.from_numpy(rng(8).uniform(0, 1, (7, 300)).astype("float32"))
    res = {}
    for low in (False, True):
        matches, labels = Matcher([0.5, 0.9], [0, -1, 1], allow_low_quality_matches=low)(q)
        res[f"i{low}"], res[f"l{low}"] = a(matches), a(labels)
    return res


@case
def masks_rasterized():
    from detectron2.structures import BitMasks, PolygonMasks

    ps = PolygonMasks([[p] for p in polygons(200, 260, 12, 2)] + [[*polygons(200, 260, 2, 9)]])
    bx = ps.get_bounding_boxes().tensor
    bits = BitMasks.from_polygon_masks(ps, 200, 260)
    jit = bx + torch.from_numpy(rng(1).uniform(-6, 6, bx.shape).astype("float32"))
    return {
        "boxes": a(bx),
        "area": np.array([float(x) for x in ps.area()]),
        "crop": np.packbits(a(ps.crop_and_resize(jit, 28))),
        "bcrop": np.packbits(a(bits.crop_and_resize(jit, 28))),
        "bits": np.packbits(a(bits.tensor)),
        "bboxes": a(bits.get_bounding_boxes().tensor),
    }


@case
def paste():
    from detectron2.layers import paste_masks_in_image

    r = rng(4)
    m = torch.from_numpy(r.uniform(0, 1, (20, 28, 28)).astype("float32"))
    b = torch.from_numpy((np.sort(r.uniform(-20, 180, (20, 2, 2)), 1).reshape(20, 4)).astype("float32"))
    out = paste_masks_in_image(m, b, (150, 170), threshold=0.5)
    soft = paste_masks_in_image(m[:3], b[:3], (150, 170), threshold=-1)
    return {
        "hard": np.packbits(a(out)),
        "area": a(out.flatten(1).sum(1)).astype("float64"),
        "soft": a(soft).astype("float32"),
    }


@case
def pooler():
    from detectron2.modeling.poolers import ROIPooler, assign_boxes_to_levels
    from detectron2.structures import Boxes

    r = rng(6)
    b = [
        Boxes(torch.from_numpy((np.sort(r.uniform(0, 512, (30, 2, 2)), 1).reshape(30, 4)).astype("float32")))
        for _ in range(2)
    ]
    feats = [torch.from_numpy(r.standard_normal((2, 3, 512 // s, 512 // s)).astype("float32")) for s in (4, 8, 16, 32)]
    p = ROIPooler(7, (1 / 4, 1 / 8, 1 / 16, 1 / 32), 0, "ROIAlignV2")
    return {"out": a(p(feats, b)), "lvl": a(assign_boxes_to_levels(b, 2, 5, 224, 4))}


@case
def schedule():
    from detectron2.solver import build_lr_scheduler, build_optimizer

    res = {}
    for name in ("WarmupMultiStepLR", "WarmupCosineLR"):
        c = base_cfg()
        c.SOLVER.BASE_LR, c.SOLVER.MAX_ITER, c.SOLVER.STEPS = 0.02, 900, (600, 800)
        c.SOLVER.WARMUP_ITERS, c.SOLVER.LR_SCHEDULER_NAME = 100, name
        m = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
        o = build_optimizer(c, m)
        s = build_lr_scheduler(c, o)
        v = []
        for _ in range(900):
            v.append(o.param_groups[0]["lr"])
            o.step()
            s.step()
        res[name] = np.array(v)
        res[name + "wd"] = np.array(sorted({float(g["weight_decay"]) for g in o.param_groups}))
    return res


def _coco(tmp, n=6, rle=False):
    from pycocotools import mask as mu

    imgs, anns = [], []
    k = 1
    for i in range(n):
        h, w = 120 + 10 * i, 160
        imgs.append({"id": 100 + i, "file_name": f"{i}.png", "height": h, "width": w})
        import cv2

        cv2.imwrite(os.path.join(tmp, f"{i}.png"), picture(h, w, i))
        for j, p in enumerate(polygons(h, w, 4, 50 + i)):
            seg = [[round(float(v), 2) for v in p]]
            r = mu.merge(mu.frPyObjects(seg, h, w))
            anns.append(
                {
                    "id": k,
                    "image_id": 100 + i,
                    "category_id": [3, 7, 9][j % 3],
                    "iscrowd": int(j == 3 and i == 2),
                    "bbox": [float(v) for v in mu.toBbox(r)],
                    "area": float(mu.area(r)),
                    "segmentation": {"size": r["size"], "counts": r["counts"].decode()}
                    if (rle or (j == 3 and i == 2))
                    else seg,
                }
            )
            k += 1
    d = {
        "info": {},
        "licenses": [],
        "images": imgs,
        "annotations": anns,
        "categories": [{"id": c, "name": f"c{c}"} for c in (3, 7, 9)],
    }
    f = os.path.join(tmp, "gt.json")
    with open(f, "w") as file:
        json.dump(d, file)
    return f, d


@case
def coco_load():
    from detectron2.data import MetadataCatalog
    from detectron2.data.datasets import load_coco_json

    with tempfile.TemporaryDirectory() as t:
        f, _ = _coco(t)
        ds = load_coco_json(f, t, "parity_load")
        for r in ds:
            r["file_name"] = os.path.basename(r["file_name"])
            for x in r["annotations"]:
                x["bbox_mode"] = int(x["bbox_mode"])
        md = MetadataCatalog.get("parity_load")
        return {
            "ds": text(ds),
            "classes": text(md.thing_classes),
            "map": text({str(k): v for k, v in md.thing_dataset_id_to_contiguous_id.items()}),
        }


@case
def mapper():
    from detectron2.data import DatasetMapper
    from detectron2.data.datasets import load_coco_json

    res = {}
    for fmt in ("polygon", "bitmask"):
        with tempfile.TemporaryDirectory() as t:
            f, _ = _coco(t, rle=(fmt == "bitmask"))
            ds = load_coco_json(f, t, "parity_map_" + fmt)
            c = base_cfg()
            c.INPUT.MIN_SIZE_TRAIN, c.INPUT.MAX_SIZE_TRAIN, c.INPUT.MASK_FORMAT = (200,), 300, fmt
            for flip in ("none", "horizontal"):
                c.INPUT.RANDOM_FLIP = flip
                np.random.seed(3)
                mp = DatasetMapper(c, is_train=True)
                for i, r in enumerate(ds[:3]):
                    o = mp(copy.deepcopy(r))
                    res[f"{fmt}/{flip}/{i}/img"] = a(o["image"][:, ::3, ::3])
                    res[f"{fmt}/{flip}/{i}/boxes"] = a(o["instances"].gt_boxes.tensor)
                    res[f"{fmt}/{flip}/{i}/cls"] = a(o["instances"].gt_classes)
                    if fmt == "bitmask":
                        res[f"{fmt}/{flip}/{i}/area"] = a(o["instances"].gt_masks.tensor.flatten(1).sum(1)).astype(
                            "float64"
                        )
                    else:
                        res[f"{fmt}/{flip}/{i}/area"] = np.array([float(v) for v in o["instances"].gt_masks.area()])
    return res


@case
def evaluator():
    from detectron2.data import DatasetCatalog, MetadataCatalog
    from detectron2.data.datasets import register_coco_instances
    from detectron2.evaluation import COCOEvaluator
    from detectron2.structures import Boxes, Instances

    with tempfile.TemporaryDirectory() as t:
        f, d = _coco(t)
        register_coco_instances("parity_eval", {}, f, t)
        ds = DatasetCatalog.get("parity_eval")
        ev = COCOEvaluator("parity_eval", output_dir=os.path.join(t, "out"))
        ev.reset()
        from pycocotools import mask as mu

        r = rng(12)
        for rec in ds:
            h, w = rec["height"], rec["width"]
            inst = Instances((h, w))
            bx, ms, sc, cl = [], [], [], []
            for x in rec["annotations"]:
                if x.get("iscrowd"):
                    continue
                p = np.array(x["segmentation"][0]) + r.uniform(-4, 4)
                m = mu.decode(mu.merge(mu.frPyObjects([p.tolist()], h, w)))
                ms.append(m)
                bx.append([p[0::2].min(), p[1::2].min(), p[0::2].max(), p[1::2].max()])
                sc.append(r.uniform(0.2, 1))
                cl.append(x["category_id"] if r.uniform() < 0.8 else int(r.integers(0, 3)))
            inst.pred_boxes = Boxes(torch.tensor(np.array(bx), dtype=torch.float32))
            inst.scores = torch.tensor(sc)
            inst.pred_classes = torch.tensor(cl)
            inst.pred_masks = torch.from_numpy(np.stack(ms).astype(bool))
            ev.process([{"image_id": rec["image_id"], "file_name": rec["file_name"]}], [{"instances": inst}])
        out = ev.evaluate()
        DatasetCatalog.remove("parity_eval")
        MetadataCatalog.remove("parity_eval")
        return {
            "keys": text({k: sorted(v) for k, v in out.items()}),
            "vals": np.array([[out[t_][k] for k in sorted(out[t_])] for t_ in sorted(out)], dtype="float64"),
        }


@case
def c2_weights():
    """A pickle with the names of the zoo's MSRA/R-50.pkl: each tensor must find its place."""
    import pickle

    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.modeling import build_model

    m = build_model(base_cfg(50))
    names = {}
    for k, v in m.backbone.bottom_up.state_dict().items():
        n = k
        for old, new in (
            ("stem.conv1.norm", "res_conv1_bn"),
            ("stem.conv1", "conv1"),
            (".shortcut.norm", "_branch1_bn"),
            (".shortcut", "_branch1"),
            (".conv1.norm", "_branch2a_bn"),
            (".conv1", "_branch2a"),
            (".conv2.norm", "_branch2b_bn"),
            (".conv2", "_branch2b"),
            (".conv3.norm", "_branch2c_bn"),
            (".conv3", "_branch2c"),
        ):
            if old in n:
                n = n.replace(old, new)
                break
        isbn = "bn" in n
        n = n.replace(".running_mean", "_rm" if not isbn else "_running_mean").replace(
            ".running_var", "_riv" if not isbn else "_running_var"
        )
        n = (
            n.replace(".weight", "_gamma" if isbn else "_w")
            .replace(".bias", "_beta" if isbn else "_b")
            .replace(".", "_")
        )
        names[n] = np.random.default_rng(zlib.crc32(n.encode())).standard_normal(tuple(v.shape)).astype("float32")
    with tempfile.TemporaryDirectory() as t:
        f = os.path.join(t, "R-50.pkl")
        with open(f, "wb") as file:
            pickle.dump({"model": names, "__author__": "Caffe2", "matching_heuristics": True}, file)
        torch.manual_seed(0)
        DetectionCheckpointer(m).load(f)
    sd = m.backbone.bottom_up.state_dict()
    return {"sum": np.array([float(sd[k].double().sum()) for k in sorted(sd)])}


@case
def structures():
    from detectron2.structures import Boxes, BoxMode, ImageList, Instances, pairwise_ioa, pairwise_iou

    r = rng(3)
    b = Boxes(torch.from_numpy(np.sort(r.uniform(-20, 120, (20, 2, 2)), 1).reshape(20, 4).astype("float32")))
    c = b.clone()
    c.clip((90, 100))
    i = Instances((90, 100), pred_boxes=b, scores=torch.arange(20.0))
    j = Instances.cat([i[i.scores > 4], i[:3]])
    images = ImageList.from_tensors([torch.ones(3, 30, 40), torch.ones(3, 50, 20)], 32, 7.0)
    return {
        "iou": a(pairwise_iou(b, c)),
        "ioa": a(pairwise_ioa(b, c)),
        "area": a(c.area()),
        "centers": a(b.get_centers()),
        "inside": a(b.inside_box((90, 100), 5)),
        "nonempty": a(c.nonempty(3)),
        "cat": a(j.scores),
        "len": np.array(len(j)),
        "pad": a(images.tensor.sum((1, 2, 3))),
        "shape": np.array(images.tensor.shape),
        "sizes": np.array(images.image_sizes),
        "mode": np.array(BoxMode.convert([1.0, 2.0, 3.0, 4.0], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)),
    }
