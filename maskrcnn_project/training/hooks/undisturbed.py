"""Looking at a model in the middle of its training so that the training goes on as if nobody had looked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from detectron2.utils.events import EventStorage
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torchvision.ops import StochasticDepth

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, StochasticDepth)


def unwrap(model: nn.Module) -> nn.Module:
    """The model itself: a call of its DistributedDataParallel would wait for the other processes."""
    return model.module if isinstance(model, DistributedDataParallel) else model


@contextmanager
def undisturbed(model: nn.Module, seed: int | None = None) -> Iterator[None]:
    """
    Within it gradients are off, and what the model logs is dropped. Afterwards the random generators (Python's,
    NumPy's, torch's on the CPU and on the model's devices) and each module's training mode are as before.

    Args:
        model: not wrapped.
        seed: for the generators within, so that what is measured does not change from one time to the next.
    """
    modes = [(module, module.training) for module in model.modules()]
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    # Not iteration 0, at which a model with a VIS_PERIOD draws pictures of every batch.
    with torch.random.fork_rng(devices=devices), torch.no_grad(), EventStorage(1):
        try:
            if seed is not None:
                random.seed(seed)
                np.random.seed(seed)
                torch.manual_seed(seed)
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            for module, training in modes:
                module.training = training


def set_loss_mode(model: nn.Module) -> None:
    """Training mode, which yields losses, but norms use their statistics and leave them, and nothing drops out."""
    model.train()
    for module in model.modules():
        if hasattr(module, "running_mean") or isinstance(module, DROPOUTS):
            module.eval()
