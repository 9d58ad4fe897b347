"""
From the names of the first Detectron (Caffe2 blobs) to ours, and the matching of names by their endings.

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
        converted[name] = background_last(name, value)
    return converted, origin


def background_last(name: str, value: Any) -> Any:
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
    return renamed(ckpt_state_dict, matched)


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


def renamed(checkpoint: Mapping[str, Any], new_names: Mapping[str, str]) -> dict[str, Any]:
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
