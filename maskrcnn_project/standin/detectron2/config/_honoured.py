"""
Which keys of the tree this stand-in does not honour: a value other than the default is refused, never half
obeyed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from detectron2.config.config import CfgNode, get_cfg

__all__ = ["refuse_unhonoured"]

# Key, or group of keys (with a final dot) -> the feature that reads it.
_NOT_HONOURED = {
    "MODEL.LOAD_PROPOSALS": "precomputed proposals",
    "DATASETS.PROPOSAL_FILES_TRAIN": "precomputed proposals",
    "DATASETS.PROPOSAL_FILES_TEST": "precomputed proposals",
    "DATASETS.PRECOMPUTED_PROPOSAL_TOPK_TRAIN": "precomputed proposals",
    "DATASETS.PRECOMPUTED_PROPOSAL_TOPK_TEST": "precomputed proposals",
    "MODEL.KEYPOINT_ON": "keypoints",
    "MODEL.ROI_KEYPOINT_HEAD.": "keypoints",
    "TEST.KEYPOINT_OKS_SIGMAS": "keypoints",
    "MODEL.ANCHOR_GENERATOR.ANGLES": "rotated boxes",
    "MODEL.RESNETS.DEFORM_ON_PER_STAGE": "deformable convolutions",
    "MODEL.RESNETS.DEFORM_MODULATED": "deformable convolutions",
    "MODEL.RESNETS.DEFORM_NUM_GROUPS": "deformable convolutions",
    "MODEL.SEM_SEG_HEAD.": "semantic segmentation",
    "MODEL.PANOPTIC_FPN.": "panoptic segmentation",
    "MODEL.RETINANET.": "RetinaNet",
}

# Keys of left-out models that scripts for all models set as a matter of course (a demo's score threshold, a
# data set's number of classes). Detectron2's Mask R-CNN does not read them either, so that any value is
# obeyed.
_WITHOUT_EFFECT = {
    "MODEL.RETINANET.NUM_CLASSES",
    "MODEL.RETINANET.SCORE_THRESH_TEST",
    "MODEL.PANOPTIC_FPN.COMBINE.INSTANCES_CONFIDENCE_THRESH",
    "MODEL.SEM_SEG_HEAD.NUM_CLASSES",
}


def refuse_unhonoured(cfg: CfgNode) -> None:
    """
    Raises if ``cfg`` asks for something that this stand-in does not do.

    Keys that the default tree lacks (a project's own) are not looked at, nor are default keys that ``cfg``
    lacks.

    Raises:
        ValueError: one sentence with key, value and feature.
    """
    for key, (default, feature) in _watched_keys().items():
        value = _find(cfg, key)
        if value is not None and _comparable(value) != default:
            raise ValueError(
                f"{key} is {value!r}, but this stand-in leaves out {feature} and honours only the default, "
                f"{default!r}: install the real Detectron2 to use it, or take the key out of the config."
            )


@lru_cache(maxsize=1)
def _watched_keys() -> dict[str, tuple[Any, str]]:
    """Full name of each refused leaf -> (its default, the feature that reads it)."""
    defaults = get_cfg()
    watched: dict[str, tuple[Any, str]] = {}

    def add(key: str, value: Any, feature: str) -> None:
        if isinstance(value, Mapping):
            for name, child in value.items():
                add(f"{key}.{name}", child, feature)
        elif key not in _WITHOUT_EFFECT:
            watched[key] = (_comparable(value), feature)

    for name, feature in _NOT_HONOURED.items():
        key = name.rstrip(".")
        add(key, _find(defaults, key), feature)
    return watched


def _find(cfg: Any, key: str) -> Any:
    """The value at a dotted key, or None where there is none."""
    for part in key.split("."):
        if not isinstance(cfg, Mapping) or part not in cfg:
            return None
        cfg = cfg[part]
    return cfg


def _comparable(value: Any) -> Any:
    """Lists for tuples, which YAML does not tell apart."""
    return [_comparable(v) for v in value] if isinstance(value, (list, tuple)) else value
