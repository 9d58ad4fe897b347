"""What a model costs: parameters, operations and activations of each part, and memory, at a given size of image."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils.analysis import FlopCountAnalysis, parameter_count
from detectron2.utils.events import EventStorage
from fvcore.nn import ActivationCountAnalysis
from tabulate import tabulate
from torch import nn

from maskrcnn_project.export.deployed import Deployed
from maskrcnn_project.modeling import build_model
from maskrcnn_project.training.memory import GIB, is_out_of_memory, peak_memory, reset_peak_memory
from maskrcnn_project.training.trainer import MaskRCNNTrainer, precision_of
from maskrcnn_project.training.training_step import take_step

InputSize = tuple[int, int]  # (height, width) in pixels

# Under which each analysis holds the model: Deployed does, and FlopCountAnalysis holds that in a module of its own.
FLOPS_PREFIX, ACTIVATIONS_PREFIX = "model.model", "model"
# Layers that move boxes. With weights of 0 the anchors are the proposals, so that the number of regions, on which the
# heads' costs depend, is the highest, whatever the weights.
BOX_DELTAS = ("anchor_deltas", "bbox_pred")
TRAINING_OBJECTS = 20  # in the drawn image; their number hardly matters beside the regions sampled


@dataclass(frozen=True)
class ModuleCost:
    """
    Of one part and all below it, for one image.

    Attributes:
        name: as in the state dict; "" for the whole model.
        multiply_adds: of convolutions and matrix products, one multiply-add counted as one.
        activations: elements of the outputs of convolutions and matrix products.
    """

    name: str
    parameters: int
    multiply_adds: int
    activations: int


@dataclass(frozen=True)
class Memory:
    """
    Of a process of its own, in bytes: allocated on the GPU, or held in main memory.

    Attributes:
        before: with the model built (and on a CPU the libraries loaded), before the first image.
        peak: the most until the end; None: it did not fit.
    """

    before: int | None
    peak: int | None


@dataclass(frozen=True)
class Costs:
    """All that is known of a model at one size of image."""

    size: InputSize
    device: str
    trainable: int  # parameters that training changes
    instances: int  # found in the image, after suppression: the mask head ran on these
    modules: list[ModuleCost]  # a part before those below it; the whole model first
    memory: dict[str, Memory]  # by what was run; empty: not measured

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> str:
        """For people, in millions and GiB."""
        rows = [
            [
                c.name or "all",
                *(f"{value / scale:,.2f}" for value, scale in ((c.parameters, 1e6), (c.multiply_adds, 1e9))),
                f"{c.activations / 1e6:,.2f}",
            ]
            for c in self.modules
        ]
        heads = ["part", "parameters (M)", "multiply-adds (G)", "activations (M)"]
        lines = [
            f"One image of {self.size[0]} x {self.size[1]} (height x width), {self.instances} instances found; "
            f"{self.trainable / 1e6:,.2f} M parameters train.",
            tabulate(rows, heads, disable_numparse=True, colalign=("left", "right", "right", "right")),
        ]
        for what, memory in self.memory.items():
            if memory.peak is None or memory.before is None:
                lines.append(f"Memory, {what}: does not fit on {self.device}.")
            else:
                lines.append(
                    f"Memory, {what}: {memory.peak / GIB:.2f} GiB at most on {self.device}, "
                    f"{memory.before / GIB:.2f} GiB of it before the first image."
                )
        return "\n".join(lines)


def costs_of(cfg: CfgNode, size: InputSize, depth: int = 2, memory: bool = True) -> Costs:
    """
    Counts and measures a model of ``cfg`` with random weights, on noise; nothing is loaded or written.

    Args:
        cfg: MODEL.DEVICE is where the memory is measured.
        size: of the model's input.
        depth: levels of names to go down: 1 is backbone, proposal_generator, roi_heads.
        memory: whether to measure memory too, in processes of their own.
    """
    model = busy_model(cfg)
    image = noise(size).to(cfg.MODEL.DEVICE)
    with torch.no_grad():
        boxes = Deployed(model, paste=False)(image)[0]
    tasks = {"inference": _run_inference, "one image's training step": _run_training} if memory else {}
    return Costs(
        size,
        cfg.MODEL.DEVICE,
        sum(p.numel() for p in model.parameters() if p.requires_grad),
        len(boxes),
        count_modules(model, image, depth),
        {what: _measure(task, cfg, size) for what, task in tasks.items()},
    )


def busy_model(cfg: CfgNode) -> nn.Module:
    """A model in evaluation mode that proposes and finds as much as the config lets it, on any image."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    torch.manual_seed(0)
    model = build_model(cfg)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in BOX_DELTAS):
                parameter.zero_()
    return model.eval()


def noise(size: InputSize) -> torch.Tensor:
    """An image (3, height, width), 0 to 255, the same each time."""
    return torch.rand(3, *size, generator=torch.Generator().manual_seed(0)) * 255


def count_modules(model: nn.Module, image: torch.Tensor, depth: int) -> list[ModuleCost]:
    """
    The costs of the model's parts down to ``depth`` levels, in the order in which the model holds them, for one image
    (3, H, W). Pasting the masks, which is no part of the network, is left out.
    """
    module = Deployed(model, paste=False).eval()
    analyses = FlopCountAnalysis(module, (image,)), ActivationCountAnalysis(module, (image,))
    with torch.no_grad():
        for analysis in analyses:
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        multiply_adds, activations = (analysis.by_module() for analysis in analyses)
    parameters = parameter_count(model)
    return [
        ModuleCost(
            name,
            parameters[name],
            int(multiply_adds[f"{FLOPS_PREFIX}.{name}".rstrip(".")]),
            int(activations[f"{ACTIVATIONS_PREFIX}.{name}".rstrip(".")]),
        )
        for name, _ in model.named_modules()
        if name.count(".") < depth
    ]


def _measure(task: Callable[[CfgNode, InputSize], Memory], cfg: CfgNode, size: InputSize) -> Memory:
    """``task`` in a process of its own, for the peak of main memory never falls."""
    try:
        # fvcore scripts its losses when it is imported, which torch has begun to call old-fashioned.
        quiet = partial(warnings.filterwarnings, "ignore", ".*torch.jit.script.*deprecated", FutureWarning)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), quiet) as pool:
            return pool.submit(task, cfg, size).result()
    except BrokenProcessPool:  # killed, as Linux does where main memory ends
        return Memory(None, None)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return Memory(None, None)


def _run_inference(cfg: CfgNode, size: InputSize) -> Memory:
    reset_peak_memory()
    model = busy_model(cfg)
    before = peak_memory()
    with torch.no_grad():
        model([{"image": noise(size)}])
    return Memory(before, peak_memory())


def _run_training(cfg: CfgNode, size: InputSize) -> Memory:
    """Two steps that change nothing: the first makes the optimizer's state."""
    reset_peak_memory()
    model = busy_model(cfg).train()
    optimizer = MaskRCNNTrainer.build_optimizer(cfg, model)
    for group in optimizer.param_groups:
        group["lr"] = 0.0  # random weights would diverge
    before = peak_memory()
    with EventStorage():
        for _ in range(2):
            take_step(model, optimizer, [training_image(size)], precision_of(cfg))
    return Memory(before, peak_memory())


def training_image(size: InputSize) -> dict[str, Any]:
    """Noise with TRAINING_OBJECTS squares of class 0 in a row, each an eighth of the shorter edge wide."""
    side = min(size) / 8
    starts = np.linspace(0, size[1] - side, TRAINING_OBJECTS)
    corners = [np.array([x, side, x + side, side, x + side, 2 * side, x, 2 * side]) for x in starts]
    truth = Instances(size)
    truth.gt_boxes = Boxes(torch.tensor([[x, side, x + side, 2 * side] for x in starts], dtype=torch.float32))
    truth.gt_classes = torch.zeros(TRAINING_OBJECTS, dtype=torch.int64)
    truth.gt_masks = PolygonMasks([[polygon] for polygon in corners])
    return {"image": noise(size), "instances": truth, "height": size[0], "width": size[1]}
