"""Weights for use, beside the checkpoints: without optimizer, and never what ``--resume`` goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from detectron2.checkpoint import Checkpointer

from maskrcnn_project.files import atomic_path


def save_weights(path: Path, weights: Mapping[str, torch.Tensor], checkpointer: Checkpointer, iteration: int) -> None:
    """
    Writes ``weights`` with what travels in every checkpoint (the class table), beside the place, then renames it.

    The checkpointer's own ``save`` would write the optimizer too, and make ``last_checkpoint`` name the file.
    """
    parts = {name: part.state_dict() for name, part in checkpointer.checkpointables.items() if name != "trainer"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, durable=True) as beside:
        torch.save({"model": dict(weights), **parts, "iteration": iteration}, beside)
