"""
Weights of torchvision's ResNet and of its ``maskrcnn_resnet50_fpn`` under our names.

The tensors carry over one to one, the order of classes aside. What surrounds them does not lie in a state
dict: ``DIFFERENCES`` says which config keys make the rest equal, and what cannot be made equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from detectron2.checkpoint.c2_model_loading import background_last

DIFFERENCES = (
    "These weights expect RGB pixels scaled to [0, 1] and a stride in the 3x3 convolution; set "
    "INPUT.FORMAT RGB, MODEL.PIXEL_MEAN [123.675, 116.28, 103.53], MODEL.PIXEL_STD [58.395, 57.12, 57.375] "
    "and MODEL.RESNETS.STRIDE_IN_1X1 False."
)
DETECTION_DIFFERENCES = (
    "For equal detections set also POOLER_TYPE ROIAlign and POOLER_SAMPLING_RATIO 2 of both RoI heads. What "
    "cannot be made equal: torchvision rounds its anchors to whole pixels, and its first COCO weights were "
    "trained with an epsilon of 0 in the frozen batch norms (1e-5 here)."
)
SECOND_GENERATION = (
    "This is a second generation (_v2) detector: it fits a model with MODEL.FPN.NORM BN, MODEL.RPN.CONV_DIMS "
    "[-1, -1], MODEL.ROI_BOX_HEAD.NUM_CONV 4, NUM_FC 1, NORM BN and MODEL.ROI_MASK_HEAD.NORM BN."
)

# COCO numbers its 80 categories from 1 to 90; torchvision keeps a class for each of these numbers that is
# not used.
COCO_UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_COCO_ROWS = [number - 1 for number in range(1, 91) if number not in COCO_UNUSED_IDS]

_NAMES = (
    # ResNet, alone or as the body of a detector
    (r"(?:backbone\.body\.)?bn1\.", "stem.conv1.norm."),
    (r"(?:backbone\.body\.)?conv1\.", "stem.conv1."),
    (
        r"(?:backbone\.body\.)?layer(?P<n>\d)\.(?P<block>\d+)\.downsample\.0\.",
        r"res{n+1}.\g<block>.shortcut.",
    ),
    (
        r"(?:backbone\.body\.)?layer(?P<n>\d)\.(?P<block>\d+)\.downsample\.1\.",
        r"res{n+1}.\g<block>.shortcut.norm.",
    ),
    (
        r"(?:backbone\.body\.)?layer(?P<n>\d)\.(?P<block>\d+)\.bn(?P<k>\d)\.",
        r"res{n+1}.\g<block>.conv\g<k>.norm.",
    ),
    (
        r"(?:backbone\.body\.)?layer(?P<n>\d)\.(?P<block>\d+)\.conv(?P<k>\d)\.",
        r"res{n+1}.\g<block>.conv\g<k>.",
    ),
    (r"fc\.", "linear."),
    # Feature pyramid: entry 0 is the level of stride 4. Since 0.13 every convolution sits in a block of its
    # own.
    (r"backbone\.fpn\.inner_blocks\.(?P<n>\d)\.1\.", "backbone.fpn_lateral{n+2}.norm."),
    (r"backbone\.fpn\.layer_blocks\.(?P<n>\d)\.1\.", "backbone.fpn_output{n+2}.norm."),
    (r"backbone\.fpn\.inner_blocks\.(?P<n>\d)\.(?:0\.)?", "backbone.fpn_lateral{n+2}."),
    (r"backbone\.fpn\.layer_blocks\.(?P<n>\d)\.(?:0\.)?", "backbone.fpn_output{n+2}."),
    (r"rpn\.head\.conv\.(?:0\.0\.)?(?=weight|bias)", "proposal_generator.rpn_head.conv."),
    (r"rpn\.head\.cls_logits\.", "proposal_generator.rpn_head.objectness_logits."),
    (r"rpn\.head\.bbox_pred\.", "proposal_generator.rpn_head.anchor_deltas."),
    (r"roi_heads\.box_head\.fc6\.", "roi_heads.box_head.fc1."),
    (r"roi_heads\.box_head\.fc7\.", "roi_heads.box_head.fc2."),
    # the second generation's box head: four normalised convolutions, a flattening, one linear layer
    (r"roi_heads\.box_head\.(?P<n>[0-3])\.0\.", "roi_heads.box_head.conv{n+1}."),
    (r"roi_heads\.box_head\.(?P<n>[0-3])\.1\.", "roi_heads.box_head.conv{n+1}.norm."),
    (r"roi_heads\.box_head\.5\.", "roi_heads.box_head.fc1."),
    (r"roi_heads\.mask_head\.(?P<n>\d)\.1\.", "roi_heads.mask_head.mask_fcn{n+1}.norm."),
    (r"roi_heads\.mask_head\.(?P<n>\d)\.0\.", "roi_heads.mask_head.mask_fcn{n+1}."),
    (r"roi_heads\.mask_head\.mask_fcn(?P<n>\d)\.", "roi_heads.mask_head.mask_fcn{n+0}."),
    (r"roi_heads\.mask_predictor\.conv5_mask\.", "roi_heads.mask_head.deconv."),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.", "roi_heads.mask_head.predictor."),
)


def is_resnet(names: Mapping[str, Any]) -> bool:
    """Whether these are the names of torchvision's ResNet classifier, with or without its last layer."""
    return {"conv1.weight", "bn1.weight", "layer1.0.conv1.weight"} <= names.keys()


def is_detector(names: Mapping[str, Any]) -> bool:
    """Whether these are the names of torchvision's Faster or Mask R-CNN over a ResNet-FPN."""
    return {"backbone.body.conv1.weight", "rpn.head.cls_logits.weight"} <= names.keys()


def second_generation(names: Mapping[str, Any]) -> bool:
    """Whether it is a ``_v2`` detector: two convolutions in the RPN, normalised pyramid and heads."""
    return "rpn.head.conv.1.0.weight" in names


def from_torchvision(weights: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """
    torchvision's tensors under our names and with our order of classes.

    Args:
        weights: torchvision's name -> tensor.
        model: our name -> tensor; only the number of scores is looked at: where it has 81 and the checkpoint
            91, the 80 real categories of COCO are picked out of the 90 numbers.

    Returns:
        Our name -> tensor. A tensor without a counterpart keeps torchvision's name.
    """
    scores = "roi_heads.box_predictor.cls_score.weight"
    pick_coco = scores in model and scores in weights and (len(model[scores]), len(weights[scores])) == (81, 91)
    two_convolutions = second_generation(weights)
    result = {}
    for name, value in weights.items():
        if two_convolutions:
            name = re.sub(r"^rpn\.head\.conv\.(\d)\.0\.", r"proposal_generator.rpn_head.conv.conv\1.", name)
        ours = our_name(name)
        value = background_last(ours, value)
        result[ours] = _pick_coco(ours, value) if pick_coco else value
    return result


def our_name(name: str) -> str:
    """Our name of one torchvision tensor; the same name if there is none."""
    for pattern, template in _NAMES:
        found = re.match(pattern, name)
        if found:
            for shift in range(3):  # the two sides count stages and levels from different numbers
                if f"{{n+{shift}}}" in template:
                    template = template.replace(f"{{n+{shift}}}", str(int(found["n"]) + shift))
            return found.expand(template) + name[found.end() :]
    return name


def _pick_coco(name: str, value: Any) -> Any:
    """The rows of the 80 categories (and of the background, last among scores) out of those of 90."""
    module = name.rpartition(".")[0]
    if module.endswith("cls_score"):
        return value[[*_COCO_ROWS, 90]]
    if module.endswith("bbox_pred"):
        return value.reshape(90, 4, *value.shape[1:])[_COCO_ROWS].reshape(-1, *value.shape[1:])
    if module.endswith("mask_head.predictor"):
        return value[_COCO_ROWS]
    return value
