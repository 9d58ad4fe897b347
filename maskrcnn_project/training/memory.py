"""Out of memory: how to recognise it, and what to do about it, in order."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import torch
from detectron2.config import CfgNode

GIB = 2**30
# What PyTorch writes into a plain RuntimeError where it has no class of its own for it.
PHRASES = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that a device or this machine has no memory left."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in PHRASES)


def what_to_lower(cfg: CfgNode) -> str:
    """One sentence: what to lower, the least harmful first, with the values of now and those to try."""
    batch, steps = cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.ACCUMULATE_STEPS
    advice = []
    if batch > 1:
        advice.append(
            f"SOLVER.IMS_PER_BATCH {batch // 2} SOLVER.ACCUMULATE_STEPS {steps * 2} (the same batch of "
            f"{batch * steps}, in parts; --fit-memory does it by itself)"
        )
    if not cfg.SOLVER.AMP.ENABLED and torch.cuda.is_available():
        advice.append("SOLVER.AMP.ENABLED True (half the bits, nearly the same accuracy)")
    edge = max(cfg.INPUT.MIN_SIZE_TRAIN)
    advice.append(f"INPUT.MIN_SIZE_TRAIN ({round(edge * 0.8)},) (now up to {edge}; --short-edge)")
    if cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE > 128:
        advice.append(f"MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE 256 (now {cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE})")
    if cfg.MODEL.RESNETS.DEPTH > 50:
        advice.append(f"MODEL.RESNETS.DEPTH 50 with its weights (now {cfg.MODEL.RESNETS.DEPTH}; --backbone resnet50)")
    return "; then ".join(advice)


def out_of_memory_error(error: BaseException, cfg: CfgNode) -> MemoryError:
    """What to raise in place of a library's own error."""
    came = str(error).strip().splitlines()
    return MemoryError(
        f"Out of memory on {cfg.MODEL.DEVICE} ({came[0].rstrip('.') if came else type(error).__name__}): lower, in "
        f"this order, {what_to_lower(cfg)}; --find-batch-size tries what fits."
    )


def peak_memory() -> int:
    """Bytes: the most that this process has held, on the GPU if there is one, else in main memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")  # Linux; getrusage there begins at what the starting process held
    held = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE) if status.is_file() else None
    if held:
        return int(held[1]) * 1024
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def reset_peak_memory() -> None:
    """Begins a new measurement on the GPU; the peak of main memory cannot be reset."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
