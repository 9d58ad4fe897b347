"""What a checkpoint and a model did not have in common, told so that a person can read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Shape = tuple[int, ...]

# Made from the config or counted for their own sake: no weights that a checkpoint ought to bring.
REBUILT_BUFFERS = re.compile(r"(^|\.)(pixel_mean|pixel_std|num_batches_tracked)$|anchor_generator\.cell_anchors")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of text under a header, columns aligned by spaces."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def group_names(names: Iterable[str]) -> dict[str, list[str]]:
    """
    Names by their module, as ``module.{bias, weight}`` -> full names; a module of one name stands for itself.

    Example: ``a.b.weight, a.b.bias, c`` -> ``{"a.b.{bias, weight}": [...], "c": ["c"]}``.
    """
    modules: dict[str, list[str]] = {}
    for name in names:
        modules.setdefault(name.rpartition(".")[0], []).append(name)
    groups: dict[str, list[str]] = {}
    for module, members in sorted(modules.items()):
        members.sort()
        if len(members) == 1 or not module:
            groups.update({name: [name] for name in members})
        else:
            leaves = ", ".join(name[len(module) + 1 :] for name in members)
            groups[f"{module}.{{{leaves}}}"] = members
    return groups


def names_table(title: str, names: Iterable[str]) -> str:
    """
    A heading and the names by module; modules that differ in one index alone (repeated blocks) share a line.
    """
    blocks: dict[str, list[str]] = {}
    for group in group_names(names):
        blocks.setdefault(re.sub(r"\.\d+\.", ".*.", group), []).append(group)
    rows = [
        (groups[0], "") if len(groups) == 1 else (pattern, f"{len(groups)} modules")
        for pattern, groups in blocks.items()
    ]
    return title + "\n" + "\n".join(f"  {name}  {note}".rstrip() for name, note in rows)


def shapes_table(mismatched: Sequence[tuple[str, Shape, Shape]]) -> str:
    """
    Tensors whose shapes disagree, with the class counts behind them where these can be told.

    Args:
        mismatched: (name, shape in the checkpoint, shape in the model).
    """
    rows = [(name, _describe(name, ours), _describe(name, wanted)) for name, ours, wanted in mismatched]
    text = "Left as initialised, because the shapes disagree:\n" + table(("name", "checkpoint", "model"), rows)
    counts = {(class_count(name, ours), class_count(name, wanted)) for name, ours, wanted in mismatched}
    counts = {(ours, wanted) for ours, wanted in counts if ours != wanted and None not in (ours, wanted)}
    if len(counts) == 1:
        ours, wanted = counts.pop()
        text += (
            f"\nThe checkpoint was trained for {ours} classes and the model has {wanted} "
            "(MODEL.ROI_HEADS.NUM_CLASSES): fine for training on, useless for inference."
        )
    return text


def class_count(name: str, shape: Shape) -> int | None:
    """
    Classes (background not counted) that a predictor's tensor of this shape serves; None for other tensors.
    """
    module = name.rpartition(".")[0]
    if not shape:
        return None
    if module.endswith("box_predictor.cls_score"):
        return shape[0] - 1
    if module.endswith("box_predictor.bbox_pred"):
        return shape[0] // 4
    if module.endswith("mask_head.predictor"):
        return shape[0]
    return None


def _describe(name: str, shape: Shape) -> str:
    classes = class_count(name, shape)
    text = " x ".join(map(str, shape)) or "a scalar"
    return text if classes is None else f"{text} ({classes} class{'es' if classes != 1 else ''})"
