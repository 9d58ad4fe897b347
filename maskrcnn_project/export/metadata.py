"""What a file has to say of its model, so that it can be used without the config: the metadata of every format."""

from __future__ import annotations

import json

import torch
from detectron2.config import CfgNode

import maskrcnn_project
from maskrcnn_project.export.deployed import MASK_THRESHOLD
from maskrcnn_project.modeling.class_table import ClassTable

# Of these keys; one that is left out or means something else makes it 2.
METADATA_VERSION = 1
# Name of the file in TorchScript's and torch.export's archives that holds them, as one JSON object.
METADATA_FILE = "metadata.json"


def metadata_of(cfg: CfgNode, classes: ClassTable, paste: bool) -> dict[str, str]:
    """
    The metadata: values are texts, as ONNX takes nothing else; lists and numbers are JSON.

    Keys:
        metadata_version: 1.
        class_names, class_ids: lists by class number; the ids are those of the COCO file that the model learnt from.
        channel_order: "BGR" or "RGB".
        short_edge, max_size: pixels: a picture is resized so that its shorter edge has ``short_edge``, or less, so that
            the longer one has no more than ``max_size``; bilinear, by Pillow. A ``short_edge`` of 0: not at all.
        value_range, page: of images of more than 8 bits: [low, high], which become 0 and 255, or [], the full range of
            their type; the page of a stack, from 0.
        score_threshold: what is found at less is not returned.
        nms_threshold, max_instances: as in testing.
        masks: "image" (bool, of the input's size), "box" (probabilities that fill the box) or "none".
        mask_threshold: the probability from which on a pixel belongs to a mask.
        input, outputs: shapes and units in words.
        made_by: versions.
    """
    masks = ("image" if paste else "box") if cfg.MODEL.MASK_ON else "none"
    return {
        "metadata_version": str(METADATA_VERSION),
        "class_names": json.dumps(list(classes.names), ensure_ascii=False),
        "class_ids": json.dumps(list(classes.ids)),
        "channel_order": cfg.INPUT.FORMAT,
        "short_edge": str(cfg.INPUT.MIN_SIZE_TEST),
        "max_size": str(cfg.INPUT.MAX_SIZE_TEST),
        "value_range": json.dumps(list(cfg.INPUT.RANGE)),
        "page": str(cfg.INPUT.PAGE),
        "score_threshold": str(cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST),
        "nms_threshold": str(cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST),
        "max_instances": str(cfg.TEST.DETECTIONS_PER_IMAGE),
        "masks": masks,
        "mask_threshold": str(MASK_THRESHOLD),
        "input": f"image: float32 (3, height, width), {cfg.INPUT.FORMAT}, 0 to 255, resized by short_edge and max_size",
        "outputs": outputs_in_words(masks),
        "made_by": f"maskrcnn_project {maskrcnn_project.__version__}, torch {torch.__version__}",
    }


def outputs_in_words(masks: str) -> str:
    """Of N instances, the most confident first; ``masks`` as in the metadata."""
    words = "boxes: float32 (N, 4), x1 y1 x2 y2 in pixels of the input; classes: int64 (N,), from 0; "
    words += "scores: float32 (N,), 0 to 1"
    return (
        words
        + {
            "image": "; masks: bool (N, height, width)",
            "box": "; masks: float32 (N, S, S), probabilities that fill the box",
            "none": "",
        }[masks]
    )
