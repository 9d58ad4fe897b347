"""
What happens during training, iteration by iteration: scalars, images, histograms, and who writes them where.

Code that measures calls ``get_event_storage().put_scalar(...)`` inside ``with EventStorage():``; writers read
the storage every few iterations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import torch
from detectron2.utils._event_writers import CommonMetricPrinter, EventWriter, JSONWriter, TensorboardXWriter
from detectron2.utils._history import LazyHistory, fetch
from fvcore.common.history_buffer import HistoryBuffer

__all__ = [
    "CommonMetricPrinter",
    "EventStorage",
    "EventWriter",
    "JSONWriter",
    "TensorboardXWriter",
    "get_event_storage",
    "has_event_storage",
]

_storages: list[EventStorage] = []


def get_event_storage() -> EventStorage:
    """The storage of the innermost ``with EventStorage():``. AssertionError outside of one."""
    assert _storages, "get_event_storage() needs an EventStorage: call it inside 'with EventStorage():'."
    return _storages[-1]


def has_event_storage() -> bool:
    """Whether there is a storage, as there is during training."""
    return bool(_storages)


class EventStorage:
    """
    The events of one training run.

    A scalar may be a tensor on any device. It is fetched when somebody reads it, all waiting ones in one
    transfer, so that putting one never makes the host wait for the device.
    """

    def __init__(self, start_iter: int = 0) -> None:
        """``start_iter``: the iteration to begin with."""
        self._iter = int(start_iter)
        self._prefix = ""
        self._history: dict[str, LazyHistory] = {}
        self._latest_iter: dict[str, int] = {}
        self._smoothing_hints: dict[str, bool] = {}
        self._vis_data: list[tuple[str, Any, int]] = []
        self._histograms: list[dict[str, Any]] = []

    def put_scalar(self, name: str, value: Any, smoothing_hint: bool = True, cur_iter: int | None = None) -> None:
        """
        Adds one number.

        Args:
            name: without the prefix of ``name_scope``.
            value: a number, or a tensor of one element.
            smoothing_hint: whether writers should show a median over a window; the same at every call of a
                name.
            cur_iter: the iteration it belongs to; default: the current one.
        """
        name = self._prefix + name
        iteration = self._iter if cur_iter is None else int(cur_iter)
        hint = self._smoothing_hints.setdefault(name, smoothing_hint)
        assert hint == smoothing_hint, f"Scalar {name!r} was put with smoothing_hint={hint} before: keep to one."
        history = self._history.setdefault(name, LazyHistory())
        history.update(value, iteration)
        self._latest_iter[name] = iteration

    def put_scalars(self, *, smoothing_hint: bool = True, cur_iter: int | None = None, **kwargs: Any) -> None:
        """Adds several numbers: ``put_scalars(loss=0.3, accuracy=0.9)``."""
        for name, value in kwargs.items():
            self.put_scalar(name, value, smoothing_hint=smoothing_hint, cur_iter=cur_iter)

    def put_image(self, img_name: str, img_tensor: Any) -> None:
        """
        Adds an image for the writers that show images.

        Args:
            img_name: its title.
            img_tensor: (channels, height, width), RGB: uint8 0..255 or float 0..1; a tensor or an array.
        """
        self._vis_data.append((img_name, img_tensor, self._iter))

    def put_histogram(self, hist_name: str, hist_tensor: torch.Tensor, bins: int = 1000) -> None:
        """
        Adds the distribution of a tensor's elements, in ``bins`` equal bins between its lowest and highest.
        """
        values = hist_tensor.detach().float().flatten()
        if not len(values):
            return  # no element, no distribution
        low, high = values.min().item(), values.max().item()
        self._histograms.append(
            {  # the arguments of SummaryWriter.add_histogram_raw
                "tag": hist_name,
                "min": low,
                "max": high,
                "num": len(values),
                "sum": float(values.sum()),
                "sum_squares": float((values**2).sum()),
                "bucket_limits": torch.linspace(low, high, bins + 1)[1:].tolist(),  # right edges
                "bucket_counts": torch.histc(values, bins=bins, min=low, max=high).tolist(),
                "global_step": self._iter,
            }
        )

    def history(self, name: str) -> HistoryBuffer:
        """All values of one scalar. KeyError that lists the names there are."""
        if name not in self._history:
            known = ", ".join(sorted(self._history)) or "none yet"
            raise KeyError(f"No scalar is named {name!r}; there are: {known}.")
        return self._history[name]

    def histories(self) -> dict[str, HistoryBuffer]:
        """name -> all values of that scalar."""
        fetch(self._history.values())
        return dict(self._history)

    def latest(self) -> dict[str, tuple[float, int]]:
        """name -> (latest value, its iteration)."""
        fetch(self._history.values())
        return {name: (h.latest(), self._latest_iter[name]) for name, h in self._history.items()}

    def latest_with_smoothing_hint(self, window_size: int = 20) -> dict[str, tuple[float, int]]:
        """As ``latest``, but the median over the last ``window_size`` iterations where the hint says so."""
        result = {}
        for name, (value, iteration) in self.latest().items():
            if self._smoothing_hints[name]:
                value = float(self._history[name].median(self.count_samples(name, window_size)))
            result[name] = (value, iteration)
        return result

    def count_samples(self, name: str, window_size: int = 20) -> int:
        """How many values of a scalar lie within the ``window_size`` iterations up to its latest."""
        values = self.history(name).values()
        count = 0
        for _, iteration in reversed(values):
            if iteration <= values[-1][1] - window_size:
                break
            count += 1
        return count

    def smoothing_hints(self) -> Mapping[str, bool]:
        """name -> the hint it was put with."""
        return self._smoothing_hints

    def step(self) -> None:
        """To be called once an iteration, at its end; what is put afterwards belongs to the next."""
        self._iter += 1

    @property
    def iter(self) -> int:
        """The current iteration. May be set, before the first event."""
        return self._iter

    @iter.setter
    def iter(self, value: int) -> None:
        self._iter = int(value)

    @property
    def iteration(self) -> int:
        """The older name of ``iter``."""
        return self._iter

    @contextlib.contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Within this context scalars are named ``name/...``."""
        before = self._prefix
        self._prefix = name.rstrip("/") + "/"
        try:
            yield
        finally:
            self._prefix = before

    def clear_images(self) -> None:
        """Drops the images; a writer calls it when it has written them."""
        self._vis_data = []

    def clear_histograms(self) -> None:
        """Drops the histograms; a writer calls it when it has written them."""
        self._histograms = []

    def __enter__(self) -> EventStorage:
        _storages.append(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert _storages[-1] is self, "EventStorage contexts must end in the reverse order of their beginning"
        _storages.pop()
