"""Set-up of the process: random seeds, library switches, a custom environment module."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import random
import sys
import time
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["fixup_module_metadata", "seed_all_rng", "setup_custom_environment", "setup_environment"]

# Torch is imported inside the functions: this module is loaded by ``import detectron2`` itself, and a tool's
# ``--help`` must not wait for it.

ENV_MODULE_VARIABLE = "DETECTRON2_ENV_MODULE"
_done = False


def seed_all_rng(seed: int | None = None) -> None:
    """
    Seeds Python's, NumPy's and PyTorch's generators with the same number.

    Args:
        seed: the seed; None draws one from the operating system and the process id, so that workers differ.
    """
    import numpy as np
    import torch

    if seed is None:
        # NumPy takes 32 bits. The process id and the clock help where os.urandom was forked with its state.
        entropy = int.from_bytes(os.urandom(4), "little") ^ os.getpid() ^ time.time_ns()
        seed = entropy % 2**32
        logging.getLogger(__name__).info("Using a generated random seed %d", seed)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)  # reaches child processes only; this one has hashed already


def setup_environment() -> None:
    """
    Sets the process up, once. Runs when ``detectron2`` is imported.

    The environment variable ``DETECTRON2_ENV_MODULE`` may name a module (dotted, or a path to a ``.py`` file)
    whose ``setup_environment()`` runs then.
    """
    global _done
    if _done:
        return
    _done = True
    # OpenCV would start an OpenCL context in every data-loading worker, which takes device memory and has
    # deadlocked after fork. Read by OpenCV when it is first imported.
    os.environ.setdefault("OPENCV_OPENCL_RUNTIME", "disabled")
    custom_module = os.environ.get(ENV_MODULE_VARIABLE)
    if custom_module:
        setup_custom_environment(custom_module)


def setup_custom_environment(custom_module: str) -> None:
    """
    Imports ``custom_module`` and calls its ``setup_environment()``.

    Args:
        custom_module: a dotted module name, or the path of a ``.py`` file.

    Raises:
        ImportError: there is no such module or file.
        AttributeError: it has no callable ``setup_environment``.
    """
    if custom_module.endswith(".py"):
        module = _import_file("detectron2.utils.env.custom_module", Path(custom_module))
    else:
        module = importlib.import_module(custom_module)
    function = getattr(module, "setup_environment", None)
    if not callable(function):
        raise AttributeError(
            f"{module.__file__} was named as custom environment ({ENV_MODULE_VARIABLE}), but defines no "
            "function setup_environment(): define it, or unset the variable."
        )
    function()


def fixup_module_metadata(
    module_name: str, namespace: MutableMapping[str, Any], keys: Iterable[str] | None = None
) -> None:
    """
    Makes re-exported objects name the public module as their home, as documentation and pickles should.

    Args:
        module_name: the public module's name.
        namespace: its ``globals()``.
        keys: the names to change; default: those that do not begin with an underscore.
    """
    visited: set[int] = set()

    def rename(qualname: str, name: str, item: Any) -> None:
        # Only objects of this project: a re-exported class of another package keeps its own home.
        home = getattr(item, "__module__", None)
        if id(item) in visited or not isinstance(home, str) or home.split(".")[0] != module_name.split(".")[0]:
            return
        visited.add(id(item))
        item.__module__ = module_name
        if hasattr(item, "__qualname__") and item.__name__ == name:
            item.__qualname__ = qualname
        if isinstance(item, type):
            for attribute, member in vars(item).items():
                if callable(member):
                    rename(f"{qualname}.{attribute}", attribute, member)

    for key in list(namespace if keys is None else keys):
        if keys is not None or not key.startswith("_"):
            rename(key, key, namespace[key])


def _import_file(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"There is no Python file at {path.absolute()}: correct the path.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def __getattr__(name: str) -> Any:
    # TORCH_VERSION, (major, minor), is asked for by many projects; on demand, because it needs torch.
    if name != "TORCH_VERSION":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import torch

    return tuple(int(part) for part in torch.__version__.split(".")[:2])
