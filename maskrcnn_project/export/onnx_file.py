"""ONNX: a graph of standard operators, run by onnxruntime and others without PyTorch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from maskrcnn_project.export.deployed import INPUT_NAME, OUTPUT_NAMES
from maskrcnn_project.export.formats import Infer, record_graph
from maskrcnn_project.export.group_norm import with_group_norms_by_means
from maskrcnn_project.export.torch_export_file import record

# The first that PyTorch's exporter of today writes; half-pixel RoiAlign came with 16.
OLDEST_OPSET = 18
NEEDED = ("onnx", "onnxscript", "onnxruntime")


def write(
    module: nn.Module, example: torch.Tensor, path: Path, metadata: dict[str, str], opset: int | None = None
) -> None:
    """
    Writes the graph with the metadata as ``metadata_props``.

    Args:
        opset: of ONNX's standard operators, at least 18; default: PyTorch's choice.
    """
    require_onnx()
    if opset is not None and opset < OLDEST_OPSET:
        raise ValueError(f"The opset must be at least {OLDEST_OPSET} (half-pixel RoiAlign, sizes), but is {opset}.")
    program = record(with_group_norms_by_means(module, below="roi_heads"), example)
    names = OUTPUT_NAMES[: len(program.graph_signature.user_outputs)]
    with record_graph("ONNX"):
        exported = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            opset_version=opset,
            input_names=[INPUT_NAME],
            output_names=names,
        )
    assert exported is not None
    model = exported.model
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces: they name files of this machine
    model.metadata_props.update(metadata)
    exported.save(path, external_data=False)


def load(path: Path) -> Infer:
    """The file as a function of tensors, run by onnxruntime on the CPU."""
    require_onnx()
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(torch.from_numpy(output) for output in session.run(None, {INPUT_NAME: image.cpu().numpy()}))

    return run


def require_onnx() -> None:
    """Raises ImportError, one sentence, where a package for ONNX is missing."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"ONNX files need the package{'s' if len(missing) > 1 else ''} {', '.join(missing)}: "
            f"pip install {' '.join(missing)}."
        )
