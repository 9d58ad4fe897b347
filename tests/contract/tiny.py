"""
What the small projects of this folder share: a drawn COCO set of four pictures, the config of a narrow ResNet-18 with
a pyramid for pictures of 64 pixels, one step of training and one of detection. Public Detectron2 API only.

Shapes: N images, G objects of one image. Boxes are XYXY in absolute pixels.
"""

import contextlib
import json

import cv2
import numpy as np
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.solver import build_optimizer
from detectron2.structures import Boxes, BoxMode, Instances, PolygonMasks
from detectron2.utils.events import EventStorage

CLASSES = ["square", "disk"]
CATEGORY_IDS = [3, 7]  # in the COCO file: neither from 0 nor without a gap, as in COCO itself
SIZES = [(64, 80), (80, 64), (64, 64), (72, 96)]  # (height, width) of each picture


def tiny_cfg(output_dir="."):
    """A ResNet-18 with a pyramid of 16 channels on the CPU, for two classes."""
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(output_dir)
    model = cfg.MODEL
    model.DEVICE, model.MASK_ON = "cpu", True
    model.BACKBONE.NAME = "build_resnet_fpn_backbone"
    model.RESNETS.DEPTH, model.RESNETS.RES2_OUT_CHANNELS = 18, 64
    # Random weights behind frozen norms give features of thousands; group norms keep them at 1, also in testing.
    model.RESNETS.NORM = "GN"
    model.RESNETS.OUT_FEATURES = model.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    model.FPN.OUT_CHANNELS = 16
    model.ANCHOR_GENERATOR.SIZES = [[8], [16], [32], [64], [128]]
    model.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    model.RPN.POST_NMS_TOPK_TRAIN, model.RPN.POST_NMS_TOPK_TEST = 50, 20
    heads = model.ROI_HEADS
    heads.NAME, heads.IN_FEATURES = "StandardROIHeads", ["p2", "p3", "p4", "p5"]
    heads.NUM_CLASSES, heads.BATCH_SIZE_PER_IMAGE = len(CLASSES), 16
    model.ROI_BOX_HEAD.NAME, model.ROI_BOX_HEAD.NUM_FC, model.ROI_BOX_HEAD.FC_DIM = "FastRCNNConvFCHead", 1, 16
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = 3
    model.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    model.ROI_MASK_HEAD.NUM_CONV, model.ROI_MASK_HEAD.CONV_DIM, model.ROI_MASK_HEAD.POOLER_RESOLUTION = 1, 8, 4
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN = (64,), 128
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 64, 128
    cfg.DATALOADER.NUM_WORKERS = 0
    solver = cfg.SOLVER
    solver.IMS_PER_BATCH, solver.BASE_LR, solver.MAX_ITER, solver.STEPS, solver.WARMUP_ITERS = 2, 1e-4, 2, (), 1
    cfg.TEST.DETECTIONS_PER_IMAGE = 5
    cfg.SEED = 1
    return cfg


def one_level(cfg, feature):
    """``cfg`` with everything read from the single map ``feature`` of a backbone without a pyramid."""
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[8, 16, 32]]
    cfg.MODEL.RPN.IN_FEATURES = cfg.MODEL.ROI_HEADS.IN_FEATURES = [feature]
    return cfg


def outlines(index):
    """(class, corners [x0, y0, x1, y1, ...]) of the objects in picture ``index``: a square and a disk of 16 corners."""
    x, y, side, radius = 6 + 2 * index, 8 + index, 22, 11
    turn = np.arange(16) * np.pi / 8
    disk = np.stack([46 + radius * np.cos(turn), 44 + radius * np.sin(turn)], axis=1)
    return [(0, [x, y, x + side, y, x + side, y + side, x, y + side]), (1, np.round(disk, 2).ravel().tolist())]


def draw_set(folder):
    """Writes the four pictures and returns their records in Detectron2's dataset format."""
    records = []
    for index, (height, width) in enumerate(SIZES):
        picture = np.full((height, width, 3), 40 + 20 * index, np.uint8)
        annotations = []
        for category, corners in outlines(index):
            points = np.reshape(corners, (-1, 2))
            cv2.fillPoly(picture, [np.round(points).astype(np.int32)], [(0, 0, 255), (255, 200, 0)][category])
            box = [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]
            annotations.append(
                {"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": category, "segmentation": [list(corners)]}
            )
        file_name = str(folder / f"picture_{index}.png")
        assert cv2.imwrite(file_name, picture)
        records.append(
            {"file_name": file_name, "image_id": index, "height": height, "width": width, "annotations": annotations}
        )
    return records


def write_coco(records, json_file):
    """The records as a COCO file."""
    images = [{"id": r["image_id"], "file_name": r["file_name"], **_size(r)} for r in records]
    annotations = []
    for record in records:
        for a in record["annotations"]:
            x0, y0, x1, y1 = a["bbox"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": record["image_id"],
                    "category_id": CATEGORY_IDS[a["category_id"]],
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "segmentation": a["segmentation"],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": i, "name": name} for i, name in zip(CATEGORY_IDS, CLASSES, strict=True)]
    json_file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def _size(record):
    return {"height": record["height"], "width": record["width"]}


@contextlib.contextmanager
def coco_set(folder, name):
    """The drawn set as a COCO set registered under ``name``, for a while; its name."""
    write_coco(draw_set(folder), folder / "annotations.json")
    register_coco_instances(name, {}, str(folder / "annotations.json"), str(folder))
    try:
        yield name
    finally:
        forget(name)


def forget(*names):
    """Takes datasets out of both catalogs, so that each test registers its own."""
    for name in names:
        DatasetCatalog.remove(name)
        if name in MetadataCatalog:
            MetadataCatalog.remove(name)


def tiny_batch():
    """Model inputs with ground truth: the objects of the first two pictures on noise, each (3, H, W) uint8."""
    generator = torch.Generator().manual_seed(0)
    batch = []
    for index, (height, width) in enumerate(SIZES[:2]):
        truth = Instances((height, width))
        truth.gt_masks = PolygonMasks([[np.array(corners)] for _, corners in outlines(index)])
        truth.gt_boxes = truth.gt_masks.get_bounding_boxes()
        truth.gt_classes = torch.tensor([category for category, _ in outlines(index)])
        image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
        batch.append({"image": image, "instances": truth, "height": height, "width": width, "image_id": index})
    return batch


def train_step(cfg, model, batch=None):
    """One step of the config's optimizer; the losses as floats. All are finite, and the weights have moved."""
    model.train()
    optimizer = build_optimizer(cfg, model)
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    with EventStorage():
        losses = model(tiny_batch() if batch is None else batch)
        sum(losses.values()).backward()
    optimizer.step()
    values = {name: float(loss.detach()) for name, loss in losses.items()}
    assert all(np.isfinite(value) for value in values.values()), values
    assert any(not torch.equal(p, before[name]) for name, p in model.named_parameters() if p.requires_grad)
    return values


@torch.no_grad()
def detect(model, batch=None):
    """One inference on the batch without its ground truth: the Instances of each picture, at the size it asks for."""
    model.eval()
    inputs = [{k: v for k, v in x.items() if k != "instances"} for x in (tiny_batch() if batch is None else batch)]
    results = [output["instances"] for output in model(inputs)]
    for given, found in zip(inputs, results, strict=True):
        assert found.image_size == (given["height"], given["width"])
        assert isinstance(found.pred_boxes, Boxes)
        assert len(found) == len(found.scores) == len(found.pred_classes)
        if found.has("pred_masks"):
            assert found.pred_masks.shape == (len(found), *found.image_size)
            assert found.pred_masks.dtype == torch.bool
    return results
