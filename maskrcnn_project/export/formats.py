"""What the formats have in common: a graph is recorded, or the reason why not is said in one sentence."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterator

import torch

Infer = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]

FORMATS = ("onnx", "torchscript", "torch_export")


@contextlib.contextmanager
def record_graph(title: str) -> Iterator[None]:
    """
    Raises ValueError in place of whatever a recorder raises: its own last word, without its pages of advice. What it
    writes to standard error is left out: listings of graphs, and warnings of the libraries' age and of sizes that
    tracing would fix, which the check of the file looks into.

    Args:
        title: of the format, for the sentence.
    """
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        lines = [line.strip() for line in str(root).splitlines() if line.strip()]
        reason = re.sub(r"\x1b\[[0-9;]*m", "", lines[0])[:300] if lines else ""
        raise ValueError(
            f"This model cannot be recorded as {title}: {type(root).__name__}: {reason.rstrip('.')}; another format "
            "may take it, and MASKRCNN_TRACEBACK=1 shows where it fails."
        ) from error
