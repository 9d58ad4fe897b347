"""Loading weights for use, where every weight must come from the file (training may leave predictors untrained)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager
from torch import nn

from maskrcnn_project.modeling.class_table import ClassMismatchError, ClassTable

CLASS_PREDICTOR = "roi_heads.box_predictor.cls_score.weight"


def fetch_weights(cfg: CfgNode, without: str) -> None:
    """
    Makes sure that MODEL.WEIGHTS is there, before a run writes anything: downloads it into the cache if need be.

    Args:
        without: what to add to the command to train from nothing.

    Raises:
        FileNotFoundError, OSError: one sentence: what is missing, where to put it, how to do without.
    """
    if not cfg.MODEL.WEIGHTS:
        return
    try:
        local = PathManager.get_local_path(cfg.MODEL.WEIGHTS)
    except OSError as error:
        raise OSError(f"{str(error).rstrip('.')}. Here, that is: {without}") from error
    if not PathManager.isfile(local):
        raise FileNotFoundError(
            f"The weights {cfg.MODEL.WEIGHTS} do not exist: correct the path, or train from nothing ({without})."
        )


def load_for_inference(model: nn.Module, path: str, classes: ClassTable | None = None) -> ClassTable | None:
    """
    Loads ``path`` into ``model`` and makes sure that nothing of the model is left as initialised.

    Args:
        model: a model built from the config that the weights were trained with.
        path: anything that Detectron2's checkpointer takes.
        classes: the table that the weights must agree with, if they carry one.

    Returns:
        The class table of the weights, or None where they carry none.

    Raises:
        ClassMismatchError: other classes than ``classes``, or another number of them than the model has.
        ValueError: the weights lack parts of the model.
    """
    if not path:
        raise ValueError("No weights were given: set MODEL.WEIGHTS to a trained checkpoint (a model_final.pth).")
    table = ClassTable.from_checkpoint(path)
    if table is not None and classes is not None:
        table.require_same(classes, f"The weights {path}", "the data set")
    floating = {k: v for k, v in model.state_dict().items() if v.is_floating_point() and v.numel()}
    with torch.no_grad():
        for value in floating.values():
            value.fill_(torch.nan)  # what is still NaN after loading was not in the file
    DetectionCheckpointer(model).load(path)
    missing = [name for name, value in floating.items() if bool(torch.isnan(value).all())]
    if CLASS_PREDICTOR in missing:
        count = floating[CLASS_PREDICTOR].shape[0] - 1
        raise ClassMismatchError(
            f"The model has {count} classes, but the weights {path} were trained with another number"
            f"{f' ({len(table)})' if table else ''}: set MODEL.ROI_HEADS.NUM_CLASSES to theirs, or use the config.yaml "
            "of the run that wrote them."
        )
    if missing:
        raise ValueError(
            f"The weights {path} lack {len(missing)} of the model's {len(floating)} tensors "
            f"({', '.join(missing[:3])}, ...): "
            "use the config.yaml of the run that wrote them."
        )
    return table


def weights_of_run(folder: Path) -> str:
    """
    The weights to use of those in a training's output folder: the best (``HOOKS.NAMES`` with BestCheckpoint), else the
    final ones, else the last checkpoint. Raises FileNotFoundError where there is none.
    """
    for name in ("model_best.pth", "model_final.pth"):
        if (folder / name).is_file():
            return str(folder / name)
    return last_checkpoint(folder)


def chosen_weights(run: str | None, weights: str | None, options: Sequence[str]) -> str | None:
    """
    The weights of a tool's command: ``--weights``, else MODEL.WEIGHTS among its KEY VALUE pairs, else those of
    ``--run``; None: those of its config.

    Raises:
        ValueError: ``--weights`` and MODEL.WEIGHTS name different files.
        FileNotFoundError: the run has no weights.
    """
    given = dict(zip(options[::2], options[1::2], strict=False)).get("MODEL.WEIGHTS")
    if weights is not None and given is not None and weights != given:
        raise ValueError(f"--weights {weights} and MODEL.WEIGHTS {given} say two things: give one of them.")
    return weights or given or (None if run is None else weights_of_run(Path(run)))


def last_checkpoint(folder: Path) -> str:
    """The file that ``last_checkpoint`` in ``folder`` names. Raises FileNotFoundError where there is none."""
    pointer = folder / "last_checkpoint"
    if not pointer.is_file():
        raise FileNotFoundError(
            f"{folder} holds no checkpoint (no file last_checkpoint): train first, or name the weights."
        )
    return str(folder / pointer.read_text("utf-8").strip())
