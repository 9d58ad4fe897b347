"""
From the names of the first Detectron (Caffe2 blobs) and of torchvision to ours, and the matching of names by their
endings.

A Caffe2 blob is named by parts joined by underscores, ``res2_0_branch2a_bn_s``; ours, by modules joined
by dots.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from detectron2.checkpoint._report import group_names, table

logger = logging.getLogger(__name__)

# What ends a dotted Caffe2 name -> what ends ours. "bn" and "gn" are Caffe2's batch and group normalisation;
# "s" is a scale, "rm" and "riv" are the running mean and (despite its name) the running variance.
_ENDINGS = {
    ".b": ".bias",
    ".w": ".weight",
    "bn.s": "norm.weight",
    "bn.b": "norm.bias",
    "bn.gamma": "norm.weight",
    "bn.beta": "norm.bias",
    "bn.rm": "norm.running_mean",
    "bn.running.mean": "norm.running_mean",
    "bn.riv": "norm.running_var",
    "bn.running.var": "norm.running_var",
    "gn.s": "norm.weight",
    "gn.b": "norm.bias",
}
_ENDING = re.compile("(" + "|".join(re.escape(e) for e in sorted(_ENDINGS, key=len, reverse=True)) + ")$")
# The convolutions of a residual block: branch 1 is the projection, branch 2 the three (or two) in a row.
_BRANCHES = {"branch1": "shortcut", "branch2a": "conv1", "branch2b": "conv2", "branch2c": "conv3"}

_RPN = "proposal_generator.rpn_head."
# Beginning of a dotted Caffe2 name outside the backbone -> of ours. "fpn2" is the level whose blob all
# levels share.
_HEADS = (
    (r"conv\.rpn(\.fpn2)?(?=\.)", _RPN + "conv"),
    (r"rpn\.bbox\.pred(\.fpn2)?(?=\.)", _RPN + "anchor_deltas"),
    (r"rpn\.cls\.logits(\.fpn2)?(?=\.)", _RPN + "objectness_logits"),
    (r"bbox\.pred(?=\.)", "bbox_pred"),
    (r"cls\.score(?=\.)", "cls_score"),
    (r"fc6(?=\.)", "box_head.fc1"),
    (r"fc7(?=\.)", "box_head.fc2"),
    (r"head\.conv(?=\d)", "box_head.conv"),
    (r"\.\[mask\]\.fcn(?=\d)", "mask_head.mask_fcn"),
    (r"conv5\.mask(?=\.)", "mask_head.deconv"),
    (r"mask\.fcn\.logits(?=\.)", "mask_head.predictor"),
    # "fpn.inner.res5.2.sum" and "fpn.inner.res4.5.sum.lateral": the block whose sum is tapped varies with
    # depth
    (r"fpn\.inner\.res(?P<stage>\d)\.\d+\.sum(\.lateral)?(?=\.)", r"fpn_lateral\g<stage>"),
    (r"fpn\.res(?P<stage>\d)\.\d+\.sum(?=\.)", r"fpn_output\g<stage>"),
)

# torchvision's weights: what a config must say for them, and which names they have.
TORCHVISION_DIFFERENCES = (
    "These weights expect RGB pixels scaled to [0, 1] and a stride in the 3x3 convolution; set "
    "INPUT.FORMAT RGB, MODEL.PIXEL_MEAN [123.675, 116.28, 103.53], MODEL.PIXEL_STD [58.395, 57.12, 57.375] "
    "and MODEL.RESNETS.STRIDE_IN_1X1 False."
)
TORCHVISION_DETECTOR_DIFFERENCES = (
    "For equal detections set also POOLER_TYPE ROIAlign and POOLER_SAMPLING_RATIO 2 of both RoI heads. What "
    "cannot be made equal: torchvision rounds its anchors to whole pixels, and its first COCO weights were "
    "trained with an epsilon of 0 in the frozen batch norms (1e-5 here)."
)
TORCHVISION_SECOND_GENERATION = (
    "This is a second generation (_v2) detector: it fits a model with MODEL.FPN.NORM BN, MODEL.RPN.CONV_DIMS "
    "[-1, -1], MODEL.ROI_BOX_HEAD.NUM_CONV 4, NUM_FC 1, NORM BN and MODEL.ROI_MASK_HEAD.NORM BN."
)
# COCO numbers its 80 categories from 1 to 90; torchvision keeps a class for each of these numbers that is
# not used.
COCO_UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_COCO_ROWS = [number - 1 for number in range(1, 91) if number not in COCO_UNUSED_IDS]
_TORCHVISION_NAMES = (
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


def convert_basic_c2_names(original_keys: list[str]) -> list[str]:
    """
    Our names of a backbone's Caffe2 blobs, in the same order; names of other parts only get dots and endings.

    Example: ``res2_0_branch2a_bn_s`` becomes ``res2.0.conv1.norm.weight``.
    """
    return [_basic_name(key) for key in original_keys]


def convert_c2_detectron_names(weights: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """
    A Caffe2 Detectron model under our names and with our order of classes.

    Args:
        weights: blob name -> array or tensor. Class 0 is the background, as in all of Caffe2 Detectron.

    Returns:
        Our name -> tensor, the background moved last in ``cls_score`` and dropped from ``bbox_pred`` (four
        rows) and ``mask_head.predictor`` (one row); and our name -> blob name.
    """
    converted: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for blob, value in weights.items():
        name = _head_name(_basic_name(blob))
        if name in origin:
            raise ValueError(f"Blobs {origin[name]!r} and {blob!r} of the checkpoint both mean {name!r}.")
        origin[name] = blob
        converted[name] = move_background_last(name, value)
    return converted, origin


def move_background_last(name: str, value: Any) -> Any:
    """
    One tensor of a predictor whose class 0 is the background, in our order: the background is last
    among scores and absent elsewhere. Tensors of other names are returned as they are.
    """
    module = name.rpartition(".")[0]
    if module.endswith("cls_score"):
        order = [*range(1, len(value)), 0]
        return value[order]
    if module.endswith("bbox_pred"):
        return value[4:]  # four rows a class; a class-agnostic predictor also has a row set for the background
    if module.endswith("mask_head.predictor"):
        return value[1:]
    return value


def align_and_update_state_dicts(
    model_state_dict: dict[str, Any], ckpt_state_dict: dict[str, Any], c2_conversion: bool = True
) -> dict[str, Any]:
    """
    Finds for each tensor of a model the one of a checkpoint whose name is the longest ending of its own.

    Args:
        model_state_dict: the model's names and tensors.
        ckpt_state_dict: the checkpoint's names and tensors (or arrays).
        c2_conversion: whether the names are those of Caffe2 Detectron.

    Returns:
        Model name -> checkpoint tensor where name and shape agree, and the rest of the checkpoint under its
        own (converted) names. Shapes that disagree are logged.

    Raises:
        ValueError: one tensor of the checkpoint would fit two of the model.
    """
    origin = {name: name for name in ckpt_state_dict}
    if c2_conversion:
        ckpt_state_dict, origin = convert_c2_detectron_names(ckpt_state_dict)
    matched, misshaped = match_by_ending(model_state_dict, ckpt_state_dict)
    for name, other in misshaped.items():
        logger.warning(
            "%s of the checkpoint has shape %s, but %s of the model has %s: it is not loaded.",
            origin[other],
            tuple(ckpt_state_dict[other].shape),
            name,
            tuple(model_state_dict[name].shape),
        )
    log_matches(matched, origin)
    return rename_tensors(ckpt_state_dict, matched)


def match_by_ending(model: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """
    For each name of the model, the longest name of the checkpoint that equals it or is what follows one of
    its dots.

    Args:
        model, checkpoint: name -> anything with a ``shape``.

    Returns:
        Model name -> checkpoint name where the shapes agree; and where they do not. Names without a match
        are absent.

    Raises:
        ValueError: two model names would take the same tensor of the checkpoint.
    """
    matched: dict[str, str] = {}
    misshaped: dict[str, str] = {}
    takers: dict[str, str] = {}
    for name, tensor in model.items():
        ending = name
        while ending and ending not in checkpoint:
            ending = ending.partition(".")[2]
        if not ending:
            continue
        if tuple(checkpoint[ending].shape) != tuple(tensor.shape):
            misshaped[name] = ending
            continue
        if ending in takers:
            raise ValueError(
                f"{ending!r} of the checkpoint fits both {takers[ending]!r} and {name!r} of the model: "
                "rename it in the checkpoint to more of the name that is meant."
            )
        takers[ending] = name
        matched[name] = ending
    return matched, {name: ending for name, ending in misshaped.items() if ending not in takers}


def rename_tensors(checkpoint: Mapping[str, Any], new_names: Mapping[str, str]) -> dict[str, Any]:
    """The checkpoint's tensors under their ``new_names`` (new -> old); those not mentioned keep their own."""
    moved = set(new_names.values())
    result = {new: checkpoint[old] for new, old in new_names.items()}
    result.update({name: value for name, value in checkpoint.items() if name not in moved})
    return result


def log_matches(matched: dict[str, str], origin: dict[str, str]) -> None:
    """Logs which module took which names, where the two differ."""
    moved = {name: origin[other] for name, other in matched.items() if name != origin[other]}
    if not moved:
        return
    rows = [(group, ", ".join(moved[name] for name in names)) for group, names in group_names(moved).items()]
    logger.info("Renamed while loading:\n%s", table(("model", "checkpoint"), rows))


def _basic_name(blob: str) -> str:
    # the classifier of ImageNet models, whose blob names have no layer part
    name = {"pred_b": "linear_b", "pred_w": "linear_w"}.get(blob, blob).replace("_", ".")
    name = _ENDING.sub(lambda found: _ENDINGS[found[0]], name)
    # "res.conv1.bn" is the stem's normalisation, "conv1" its convolution; every other conv1 is inside a block
    name = re.sub(r"^(res\.)?conv1\.", "stem.conv1.", name)
    return ".".join(_BRANCHES.get(part, part) for part in name.split("."))


def _head_name(name: str) -> str:
    for pattern, ours in _HEADS:
        renamed, found = re.subn("^" + pattern, ours, name)
        if found:
            return renamed
    return name


def is_torchvision_resnet(names: Mapping[str, Any]) -> bool:
    """Whether these are the names of torchvision's ResNet classifier, with or without its last layer."""
    return {"conv1.weight", "bn1.weight", "layer1.0.conv1.weight"} <= names.keys()


def is_torchvision_detector(names: Mapping[str, Any]) -> bool:
    """Whether these are the names of torchvision's Faster or Mask R-CNN over a ResNet-FPN."""
    return {"backbone.body.conv1.weight", "rpn.head.cls_logits.weight"} <= names.keys()


def is_second_generation(names: Mapping[str, Any]) -> bool:
    """Whether it is a ``_v2`` detector: two convolutions in the RPN, normalised pyramid and heads."""
    return "rpn.head.conv.1.0.weight" in names


def convert_torchvision_names(weights: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
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
    two_convolutions = is_second_generation(weights)
    result = {}
    for name, value in weights.items():
        if two_convolutions:
            name = re.sub(r"^rpn\.head\.conv\.(\d)\.0\.", r"proposal_generator.rpn_head.conv.conv\1.", name)
        ours = from_torchvision_name(name)
        value = move_background_last(ours, value)
        result[ours] = _pick_coco(ours, value) if pick_coco else value
    return result


def from_torchvision_name(name: str) -> str:
    """Our name of one torchvision tensor; the same name if there is none."""
    for pattern, template in _TORCHVISION_NAMES:
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
