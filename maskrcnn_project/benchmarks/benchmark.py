"""What each stage of training, inference and evaluation costs on this machine, on pictures of noise."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils.events import EventStorage
from torch import nn

from maskrcnn_project.inference.detect import detect
from maskrcnn_project.modeling import build_model
from maskrcnn_project.modeling.fold_norms import fold_norms
from maskrcnn_project.training.optimization.parameter_groups import build_optimizer
from maskrcnn_project.training.training_step import forward_losses

Stage = Callable[[], Any]
CORNERS = 24  # of a drawn outline: a round object as annotators click it


def noise_batch(images: int, size: tuple[int, int], objects: int, num_classes: int) -> list[dict[str, Any]]:
    """``images`` training samples of ``size`` (height, width), each with ``objects`` round ones; always the same."""
    generator = np.random.default_rng(0)
    height, width = size
    batch = []
    for _ in range(images):
        radii = generator.uniform(0.02, 0.12, objects) * min(size)
        centres = generator.uniform(radii, np.array([[width], [height]]) - radii)  # (2, objects): x, y
        angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        truth = Instances(size)
        truth.gt_masks = PolygonMasks(
            [
                [np.stack([x + r * np.cos(angles), y + r * np.sin(angles)], axis=1).ravel()]
                for r, x, y in zip(radii, *centres, strict=True)
            ]
        )
        low, high = centres - radii, centres + radii
        truth.gt_boxes = Boxes(torch.from_numpy(np.concatenate([low, high]).T.astype(np.float32)))
        truth.gt_classes = torch.from_numpy(generator.integers(0, num_classes, objects))
        pixels = generator.integers(0, 256, (3, *size), dtype=np.uint8)
        batch.append({"image": torch.from_numpy(pixels), "height": height, "width": width, "instances": truth})
    return batch


def stages(cfg: CfgNode, batch: list[dict[str, Any]]) -> Iterator[tuple[str, Stage]]:
    """Name and work of each stage, to be run in order. Detectron2's own do not depend on what this project adds."""
    torch.manual_seed(0)
    model = build_model(cfg).train()
    optimizer = build_optimizer(cfg, model)
    yield from training_stages("train", model, optimizer, batch, None, cfg.MODEL.DEVICE)
    yield from training_stages("train in bfloat16", model, optimizer, batch, torch.bfloat16, cfg.MODEL.DEVICE)
    model.to(memory_format=torch.channels_last)
    yield from training_stages("train with channels_last", model, optimizer, batch, None, cfg.MODEL.DEVICE)
    model.to(memory_format=torch.contiguous_format).eval()
    yield "infer, whole masks", torch.no_grad()(lambda: model(batch))
    yield "infer, run lengths", torch.no_grad()(lambda: detect(model, batch))
    fold_norms(model)
    yield "infer, run lengths, norms folded", torch.no_grad()(lambda: detect(model, batch))


def training_stages(
    name: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: list[dict[str, Any]],
    precision: torch.dtype | None,
    device: str,
) -> Iterator[tuple[str, Stage]]:
    """Forward, backward and the optimizer's step, each by itself."""
    loss: dict[str, torch.Tensor] = {}

    def forward() -> None:
        with EventStorage():
            loss["total"] = forward_losses(model, batch, torch.device(device).type, precision)[1]

    def backward() -> None:
        optimizer.zero_grad()
        loss["total"].backward(retain_graph=True)  # of the last forward, again and again

    yield f"{name}: forward", forward
    yield f"{name}: backward", backward
    yield f"{name}: optimizer", optimizer.step


def median_seconds(work: Stage, repeats: int, device: str) -> float:
    """Of ``repeats`` runs after one that does not count; the device is waited for."""
    taken = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        work()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken[1:])
