"""The settings that training would choose for a dataset, beside those of a config: to compare, and to paste."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from detectron2.config import CfgNode

from maskrcnn_project.config import get_config, value_of
from maskrcnn_project.datasets.statistics import DatasetStatistics
from maskrcnn_project.training.recommend import BASE_CONFIG, apply_settings, recommend
from maskrcnn_project.training.user_options import UserOptions

# What follows from the sizes, shapes and number of the objects.
COMPARED = (
    "INPUT.MIN_SIZE_TEST",
    "INPUT.MIN_SIZE_TRAIN",
    "INPUT.MAX_SIZE_TEST",
    "INPUT.MAX_SIZE_TRAIN",
    "MODEL.ANCHOR_GENERATOR.SIZES",
    "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS",
    "TEST.DETECTIONS_PER_IMAGE",
)


@dataclass(frozen=True)
class ComparedSetting:
    """One key of the config, as it is and as it would be chosen."""

    key: str
    present: Any
    suggested: Any
    reason: str


def compare_settings(data: DatasetStatistics, cfg: CfgNode, options: UserOptions) -> list[ComparedSetting]:
    """Each key of COMPARED in ``cfg``, and as ``recommend`` chooses it; none where there are no images."""
    if not data.num_images:
        return []
    choices = recommend(data, options)
    chosen = get_config(BASE_CONFIG)
    apply_settings(chosen, choices)
    reasons = {choice.key: choice.reason for choice in choices}
    settings = []
    for key in COMPARED:
        suggested = value_of(chosen, key)
        if key == "MODEL.ANCHOR_GENERATOR.SIZES" and len(suggested) != len(cfg.MODEL.RPN.IN_FEATURES):
            suggested = [[size for level in suggested for size in level]]  # another number of feature maps: all on each
        settings.append(ComparedSetting(key, value_of(cfg, key), suggested, reasons.get(key, "the default fits")))
    return settings


def with_settings(cfg: CfgNode, settings: Sequence[ComparedSetting]) -> CfgNode:
    """A copy of ``cfg`` with the suggested values."""
    copy = cfg.clone()
    copy.defrost()
    for setting in settings:
        copy.merge_from_list([setting.key, setting.suggested])
    return copy


def as_yaml(settings: Sequence[ComparedSetting]) -> str:
    """The suggested values as a part of a config file."""
    tree: dict[str, Any] = {}
    for setting in settings:
        *path, name = setting.key.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[name] = setting.suggested
    return "".join(f"{line}\n" for line in _yaml_lines(tree))


def _yaml_lines(tree: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Branches on lines of their own; a value, even a list of lists, on one line."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _yaml_lines(value, indent + "  ")
        else:
            yield f"{indent}{name}: {json.dumps(value)}"  # JSON's numbers and lists are YAML's too


def user_options_of(cfg: CfgNode) -> UserOptions:
    """What ``cfg`` has decided that the data cannot tell: the depth of the network, and weights to start from."""
    return UserOptions(backbone=f"resnet{cfg.MODEL.RESNETS.DEPTH}", weights=cfg.MODEL.WEIGHTS or "none")
