"""
Conversion between versions of the configuration tree: 2 is today's, 0 and 1 are those of Detectron2's first
months.
"""

from __future__ import annotations

import copy
from collections.abc import MutableMapping
from typing import Any, TypeVar

from fvcore.common.config import CfgNode

__all__ = ["downgrade_config", "upgrade_config"]

Node = TypeVar("Node", bound=CfgNode)

CURRENT_VERSION = 2

# Renamed keys of the Mask R-CNN family: version -> (name in it, name in the next).
_RENAMED: dict[int, tuple[tuple[str, str], ...]] = {
    0: (("MODEL.RPN_HEAD.NAME", "MODEL.RPN.HEAD_NAME"),),
    1: (
        ("MODEL.WEIGHT", "MODEL.WEIGHTS"),
        ("MODEL.ROI_HEADS.SCORE_THRESH", "MODEL.ROI_HEADS.SCORE_THRESH_TEST"),
        ("MODEL.ROI_HEADS.NMS", "MODEL.ROI_HEADS.NMS_THRESH_TEST"),
        ("TEST.DETECTIONS_PER_IMG", "TEST.DETECTIONS_PER_IMAGE"),
        ("TEST.AUG_ON", "TEST.AUG.ENABLED"),
        ("TEST.AUG_MIN_SIZES", "TEST.AUG.MIN_SIZES"),
        ("TEST.AUG_MAX_SIZE", "TEST.AUG.MAX_SIZE"),
        ("TEST.AUG_FLIP", "TEST.AUG.FLIP"),
    ),
}


def upgrade_config(cfg: Node, to_version: int | None = None) -> Node:
    """
    A copy of ``cfg`` with the keys of a later version (default: today's). ValueError if it is newer than that.
    """
    target = CURRENT_VERSION if to_version is None else to_version
    _check_range(cfg.VERSION, target)
    cfg = cfg.clone()
    for version in range(cfg.VERSION, target):
        for old, new in _RENAMED[version]:
            _move(cfg, old, new)
    cfg.VERSION = target
    return cfg


def downgrade_config(cfg: Node, to_version: int) -> Node:
    """A copy of ``cfg`` with the keys of an earlier version. ValueError if it is older than that."""
    _check_range(to_version, cfg.VERSION)
    cfg = cfg.clone()
    for version in reversed(range(to_version, cfg.VERSION)):
        for old, new in _RENAMED[version]:
            _move(cfg, new, old)
    cfg.VERSION = to_version
    return cfg


def modernize(tree: dict[str, Any], version: int | None, filename: str) -> dict[str, Any]:
    """
    A file's tree with the keys of the tree it is merged into.

    Args:
        tree: what the file holds; not changed.
        version: ``VERSION`` of the tree it goes into; None (a tree of the user's own) converts nothing.
        filename: for the error.
    """
    if version is None:
        return tree
    own = tree.get("VERSION", _guess_version(tree))
    if not isinstance(own, int) or not 0 <= own <= version:
        raise ValueError(
            f"{filename} is of config version {own!r}, but this is version {version}, and only older files can be read."
        )
    tree = copy.deepcopy(tree)
    for step in range(own, version):
        for old, new in _RENAMED[step]:
            _move(tree, old, new)
    if "VERSION" in tree:
        tree["VERSION"] = version
    return tree


def _guess_version(tree: dict[str, Any]) -> int:
    """Files seldom give their version. One that holds a renamed key is as old as that name."""
    return next((v for v, names in _RENAMED.items() if any(_has(tree, old) for old, _ in names)), CURRENT_VERSION)


def _check_range(low: int, high: int) -> None:
    if not 0 <= low <= high <= CURRENT_VERSION:
        raise ValueError(
            f"Config versions are 0 .. {CURRENT_VERSION}, upgrade_config goes up and downgrade_config down, "
            f"but the step asked for lies between {low} (lower) and {high} (higher)."
        )


def _has(tree: Any, name: str) -> bool:
    for part in name.split("."):
        if not isinstance(tree, MutableMapping) or part not in tree:
            return False
        tree = tree[part]
    return True


def _move(tree: MutableMapping[str, Any], source: str, target: str) -> None:
    """Moves a value, makes the groups on its way, and removes groups that become empty."""
    if not _has(tree, source):
        return
    *groups, last = source.split(".")
    node: Any = tree
    path = []
    for group in groups:
        path.append((node, group))
        node = node[group]
    value = node.pop(last)
    for parent, group in reversed(path):
        if not parent[group]:
            del parent[group]
    *groups, last = target.split(".")
    node = tree
    for group in groups:
        node = node.setdefault(group, type(tree)())
    node[last] = value
