"""TorchScript: a traced graph, run by PyTorch (also from C++) with torchvision's operators."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
from torch import nn

from maskrcnn_project.export.formats import Infer, record_graph
from maskrcnn_project.export.metadata import METADATA_FILE


def write(module: nn.Module, example: torch.Tensor, path: Path, metadata: dict[str, str]) -> None:
    """Writes the graph with the metadata beside it in the archive (``_extra_files`` of ``torch.jit.load``)."""
    with record_graph("TorchScript"):
        graph = torch.jit.trace(module, example, check_trace=False)
        torch.jit.save(graph, str(path), _extra_files={METADATA_FILE: json.dumps(metadata)})


def load(path: Path) -> Infer:
    """The file as a function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(str(path), map_location="cpu")
