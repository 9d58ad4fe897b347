"""
Checkpoint files: read without running anything that lies in them, written so that a crash leaves the old
file whole.

A pickle is a program. Only the names listed here may be called by it, and none of them runs what it is given.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

# numpy 2 made its core private; files written by either generation name the one or the other
_CORE = "numpy._core" if int(np.__version__.split(".")[0]) >= 2 else "numpy.core"
_reconstruct = importlib.import_module(f"{_CORE}.multiarray")._reconstruct
_scalar = importlib.import_module(f"{_CORE}.multiarray").scalar
_frombuffer = importlib.import_module(f"{_CORE}.numeric")._frombuffer

_HOW_TO_CONVERT = (
    "Only tensors, numpy arrays, numbers, strings and plain containers are read, because anything else can "
    'run code; if you trust the file, load it with its own program, then save {"model": its_state_dict}.'
)


class UnsafeFileError(RuntimeError):
    """A file asks for an object that could run code when it is made."""


def read_checkpoint(path: str) -> Any:
    """
    What a file holds, tensors on the CPU.

    Args:
        path: a local file; ``.pkl``/``.pickle`` is read as a plain pickle (Python 2 too), ``.safetensors``
            as such, anything else as ``torch.save`` wrote it.

    Raises:
        UnsafeFileError: it holds objects beyond tensors, numpy arrays and plain containers; they are named.
        ValueError: it is truncated, or no such file at all.
        ImportError: a ``.safetensors`` file without that package.
    """
    readers: dict[str, Callable[[str], Any]] = {
        ".pkl": _read_pickle,
        ".pickle": _read_pickle,
        ".safetensors": _read_safetensors,
    }
    return readers.get(os.path.splitext(path)[1].lower(), _read_torch)(path)


def find_foreign(value: Any, where: str = "") -> str | None:
    """Place and type of the first thing that ``read_checkpoint`` would refuse, or None."""
    if value is None or isinstance(
        value, (str, bytes, bool, int, float, complex, torch.Tensor, np.ndarray, np.generic)
    ):
        return None
    if isinstance(value, (torch.Size, torch.dtype, torch.device)):
        return None
    if isinstance(value, dict):
        parts = [(f"{where}[{key!r}]", item) for key, item in value.items()]
        return next((found for place, item in parts if (found := find_foreign(item, place))), None)
    if type(value) in (list, tuple, set, frozenset):
        parts = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
        return next((found for place, item in parts if (found := find_foreign(item, place))), None)
    return f"{where} is a {type(value).__module__}.{type(value).__qualname__}"


def _read_torch(path: str) -> Any:
    try:
        with _admit_numpy():
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        refused = _name_refused_objects(path, str(error))
        if refused:
            raise UnsafeFileError(f"{path} holds {refused}. {_HOW_TO_CONVERT}") from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{path} cannot be read as a checkpoint ({reason}): it is truncated or of another kind; "
            "download or copy it again."
        ) from error


def _name_refused_objects(path: str, message: str) -> str:
    """The names that torch's safe reader refused, or "" if the file failed for another reason."""
    try:
        with _admit_numpy():
            names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # a legacy or damaged file, which only the message can tell about
        names = re.findall(r"GLOBAL ([\w.]+)", message)
    if names:
        return ", ".join(sorted(set(names)))
    return "a TorchScript program" if "TorchScript" in message else ""


def _admit_numpy() -> contextlib.AbstractContextManager:
    """Lets torch's safe reader make numpy arrays and numbers, as a trainer's state may hold them."""
    context = getattr(torch.serialization, "safe_globals", None)  # torch >= 2.5
    if context is None:
        return contextlib.nullcontext()
    kinds = {type(np.dtype(code)) for code in "?bBhHiIlLqQefdgFDGSU"}
    return context([np.ndarray, np.dtype, _reconstruct, _scalar, _frombuffer, *kinds, *_OLD_NUMPY_NAMES])


# torch (>= 2.6) takes (object, name in the file)
_OLD_NUMPY_NAMES = (
    [
        (_reconstruct, "numpy.core.multiarray._reconstruct"),
        (_scalar, "numpy.core.multiarray.scalar"),
        (_frombuffer, "numpy.core.numeric._frombuffer"),
    ]
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 6)
    else []
)


def _latin1_bytes(text: str, encoding: str = "latin1") -> bytes:
    """Python 3 writes bytes this way for old pickle protocols. No other codec is looked up."""
    if encoding not in ("latin1", "latin-1"):
        raise UnsafeFileError(f"The pickle asks for the codec {encoding!r}; only latin1 is allowed. {_HOW_TO_CONVERT}")
    return codecs.latin_1_encode(text)[0]


_ADMITTED: dict[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _latin1_bytes,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "complex"): complex,
}


class _SafeUnpickler(pickle.Unpickler):
    """Knows the names above and no others."""

    path = ""

    def find_class(self, module: str, name: str) -> Any:
        module = "builtins" if module == "__builtin__" else module  # Python 2's name
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        raise UnsafeFileError(f"{self.path} holds {module}.{name}. {_HOW_TO_CONVERT}")

    def persistent_load(self, pid: Any) -> Any:
        raise ValueError(f"{self.path} was written by torch.save: give it the suffix .pth to have it read as such.")


def _read_pickle(path: str) -> Any:
    with open(path, "rb") as file:
        # latin1 maps every byte to one character: the only way to read the byte strings of Python 2.
        unpickler = _SafeUnpickler(file, encoding="latin1")
        unpickler.path = path
        try:
            return unpickler.load()
        except UnsafeFileError:
            raise
        except (
            pickle.UnpicklingError,
            EOFError,
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
        ) as error:
            raise ValueError(
                f"{path} cannot be read as a pickle of weights ({error}): it is truncated or of another "
                "kind; download or copy it again."
            ) from error


def _read_safetensors(path: str) -> dict[str, torch.Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError(
            f"{path} is a safetensors file, and the package that reads it is not installed: pip install safetensors."
        ) from error
    return load_file(path)
