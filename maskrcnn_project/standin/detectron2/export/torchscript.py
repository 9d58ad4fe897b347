"""TorchScript: what a traced model does, as text. How to trace: ``TracingAdapter``."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from detectron2.utils.file_io import PathManager
from torch import nn

__all__ = ["dump_torchscript_IR", "scripting_with_instances"]


def scripting_with_instances(model: nn.Module, fields: dict[str, type]) -> NoReturn:
    """
    Refused: it compiles a model's Python source, which must keep to TorchScript's subset of the language.

    PyTorch has deprecated that compiler in favour of ``torch.export``.

    Raises:
        NotImplementedError: always, naming the way that works.
    """
    raise NotImplementedError(
        f"scripting_with_instances cannot compile {type(model).__name__}, for this stand-in is not written "
        "in TorchScript's subset of Python: trace the model with detectron2.export.TracingAdapter and "
        "torch.jit.trace or torch.export instead, or install the real Detectron2."
    )


def dump_torchscript_IR(model: torch.jit.ScriptModule, dir: str) -> None:
    """
    Writes what a scripted or traced model consists of into ``dir``, which is made where it is absent.

    Files:
        model_ts_code.txt: the source of each submodule, as TorchScript reads it back.
        model_ts_IR.txt: the graph of each submodule.
        model_ts_IR_inlined.txt: the graph of the whole, calls resolved.
        model.txt: the tree of submodules.
    """
    if not isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        raise TypeError(f"dump_torchscript_IR needs a scripted or traced model, but got {type(model).__name__}.")
    PathManager.mkdirs(dir)
    _write(dir, "model_ts_code.txt", _listing(model, lambda part: part.code))
    _write(dir, "model_ts_IR.txt", _listing(model, lambda part: str(part.graph)))
    _write(dir, "model_ts_IR_inlined.txt", str(model.inlined_graph))
    if isinstance(model, torch.jit.ScriptModule):
        _write(dir, "model.txt", str(model))


def _listing(model: Any, text_of: Callable[[Any], str]) -> str:
    """``text_of`` each submodule that was compiled, under its name; submodules never called have no code."""
    if isinstance(model, torch.jit.ScriptFunction):
        return text_of(model)
    compiled = [(name, part) for name, part in model.named_modules() if hasattr(part, "graph")]
    return "\n".join(f"===== {name or 'model'} ({part.original_name})\n{text_of(part)}" for name, part in compiled)


def _write(folder: str, name: str, text: str) -> None:
    with PathManager.open(os.path.join(folder, name), "w") as file:
        file.write(text)
