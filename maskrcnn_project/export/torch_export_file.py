"""torch.export: a graph of PyTorch's own operators, run by PyTorch and torchvision without the model's code."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from maskrcnn_project.export.formats import Infer, record_graph
from maskrcnn_project.export.metadata import METADATA_FILE


def record(module: nn.Module, example: torch.Tensor) -> torch.export.ExportedProgram:
    """The graph of ``module`` for an image (3, H, W) of any height and width."""
    sides = {1: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    with record_graph("torch.export"), torch.no_grad():
        return torch.export.export(module, (example,), dynamic_shapes=(sides,))


def write(module: nn.Module, example: torch.Tensor, path: Path, metadata: dict[str, str]) -> None:
    """Writes the graph with the metadata beside it in the archive."""
    program = record(module, example)
    for node in program.graph_module.graph.nodes:
        node.meta.pop("stack_trace", None)  # names files of this machine
    torch.export.save(program, path, extra_files={METADATA_FILE: json.dumps(metadata)})


def load(path: Path) -> Infer:
    """The file as a function."""
    return torch.export.load(path).module()
