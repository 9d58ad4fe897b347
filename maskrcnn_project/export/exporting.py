"""From a config and weights to a file that is known to find what the model finds."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from detectron2.config import CfgNode
from torch import nn

from maskrcnn_project.datasets.register import register_coco_dataset
from maskrcnn_project.export import onnx_file, torch_export_file, torchscript_file
from maskrcnn_project.export.deployed import Deployed
from maskrcnn_project.export.formats import Infer
from maskrcnn_project.export.metadata import metadata_of
from maskrcnn_project.export.parity import ParityResult, Tolerance, check, parity_table
from maskrcnn_project.export.refusals import refuse_what_no_graph_can_be
from maskrcnn_project.export.samples import sample_images, several_sizes
from maskrcnn_project.files import atomic_path
from maskrcnn_project.modeling.class_table import ClassTable
from maskrcnn_project.modeling.trained_model import load_trained_model

logger = logging.getLogger(__name__)

# (height, width) of the picture of noise that the graph is recorded on: each level has some anchors.
EXAMPLE_SIZE = (256, 320)
WRITERS = {"onnx": onnx_file, "torchscript": torchscript_file, "torch_export": torch_export_file}


@dataclass(frozen=True)
class Exported:
    """What was written, and how it was checked; ``run`` is the file as a function of an image."""

    path: Path
    run: Infer
    metadata: dict[str, str]
    comparisons: list[ParityResult]
    seconds: float  # to record and write

    def report(self) -> str:
        """The table of the check, and a line on the file."""
        size = self.path.stat().st_size / 1e6
        table = parity_table(self.comparisons, Tolerance())
        return f"{table}\n{self.path}: {size:.1f} MB, recorded in {self.seconds:.0f} s"


def model_to_export(cfg: CfgNode, annotations: Path | None = None) -> tuple[nn.Module, ClassTable]:
    """
    The model of ``cfg`` with MODEL.WEIGHTS in evaluation mode, and its class table; ``MODEL.WEIGHTS ""`` leaves it
    untrained.

    Args:
        annotations: a COCO file whose classes have to be the model's.

    Raises:
        ClassMismatchError: the table of the weights, the model and ``annotations`` are not of the same classes.
    """
    given = _table_of(annotations) if annotations is not None else None
    model, table = load_trained_model(cfg, given, source=str(annotations), untrained=True)
    # Nobody trains a file, which otherwise would keep all that gradients need.
    return model.requires_grad_(False), table


def _table_of(annotations: Path) -> ClassTable:
    """The classes of a COCO file as training on it would number them."""
    name = f"__export_{annotations.absolute()}"
    register_coco_dataset(name, annotations, annotations.absolute().parent)
    return ClassTable.from_dataset(name)


def export(
    cfg: CfgNode,
    format: str,
    output: Path,
    *,
    annotations: Path | None = None,
    samples: Sequence[Path] = (),
    paste: bool = True,
    opset: int | None = None,
    size: tuple[int, int] = EXAMPLE_SIZE,
) -> Exported:
    """
    Writes the model of ``cfg`` to ``output``, once the file has been found to agree with the model.

    Args:
        cfg: MODEL.ROI_HEADS.SCORE_THRESH_TEST is what the file drops scores below; MODEL.DEVICE is where TorchScript
            and torch.export files run.
        format: "onnx", "torchscript" or "torch_export".
        annotations: see :func:`model_to_export`.
        samples: images to check on; by default some of the config's test set.
        paste: see :class:`Deployed`.
        opset: of ONNX; default: PyTorch's choice.
        size: (height, width) of the picture that the graph is recorded on.

    Raises:
        ValueError: the model cannot be exported so, or the file does not agree; then ``output`` is as it was.
    """
    writer = WRITERS[format]
    if opset is not None and format != "onnx":
        raise ValueError(f"An opset goes with the format onnx, but the format is {format}: leave it out.")
    model, table = model_to_export(cfg, annotations)
    refuse_what_no_graph_can_be(cfg, model)
    deployed = Deployed(model, paste).eval()
    metadata = metadata_of(cfg, table, paste)
    pictures = sample_images(cfg, samples)
    example = torch.rand(3, *size, generator=torch.Generator().manual_seed(0)).to(cfg.MODEL.DEVICE) * 255
    write = partial(onnx_file.write, opset=opset) if format == "onnx" else writer.write
    # Beside its place until it has passed, so that a file of that name is one that agrees.
    with atomic_path(output.absolute()) as beside:
        start = time.perf_counter()
        write(deployed, example, beside, metadata)
        seconds = time.perf_counter() - start
        images = (image.to(cfg.MODEL.DEVICE) for image in several_sizes(pictures, cfg))
        run = writer.load(beside)
        comparisons = list(check(deployed, run, images, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST))
        require_agreement(comparisons)
    if not any(c.count for c in comparisons):
        logger.warning("The model found nothing in any sample, so only empty results were compared: name others.")
    return Exported(output, run, metadata, comparisons, seconds)


def require_agreement(comparisons: Sequence[ParityResult]) -> None:
    """Raises ValueError with the table unless all have passed."""
    failed = [c for c in comparisons if not c.passed]
    if failed:
        raise ValueError(
            f"The file does not find what the model finds in {len(failed)} of {len(comparisons)} images, so it was not "
            f"kept:\n{parity_table(comparisons, Tolerance())}"
        )
