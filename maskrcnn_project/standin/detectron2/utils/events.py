"""
What happens during training, iteration by iteration: scalars, images, histograms, and who writes them where.

Code that measures calls ``get_event_storage().put_scalar(...)`` inside ``with EventStorage():``; writers read
the storage every few iterations.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import torch
from detectron2.utils._device_scalars import LazyHistory, fetch
from detectron2.utils.file_io import PathManager
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
        """To be called once per iteration, at its end; what is put afterwards belongs to the next."""
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


class EventWriter:
    """What writers have in common."""

    def write(self) -> None:
        """Writes what is new in the current EventStorage."""
        raise NotImplementedError(f"{type(self).__name__} must define write()")

    def close(self) -> None:
        """Ends the writing; nothing by default."""


class JSONWriter(EventWriter):
    """
    Appends scalars to a file, one JSON object per line, each with its ``iteration``.

    The file may be read while it grows: every line is on the disk when ``write`` returns.
    """

    def __init__(self, json_file: str, window_size: int = 20) -> None:
        """
        Args:
            json_file: its path. An existing file is continued.
            window_size: iterations that smoothed scalars are the median of.
        """
        PathManager.mkdirs(os.path.dirname(os.path.abspath(json_file)))
        self._file_handle = PathManager.open(json_file, "a")
        self._window_size = window_size
        self._last_write = -1

    def write(self) -> None:
        rows: dict[int, dict[str, float]] = defaultdict(dict)
        for name, (value, iteration) in get_event_storage().latest_with_smoothing_hint(self._window_size).items():
            if iteration > self._last_write:
                rows[iteration][name] = value
        for iteration in sorted(rows):
            row = {**rows[iteration], "iteration": iteration}
            self._file_handle.write(json.dumps(row, sort_keys=True) + "\n")
            self._last_write = iteration
        self._file_handle.flush()

    def close(self) -> None:
        self._file_handle.close()


class TensorboardXWriter(EventWriter):
    """Writes scalars, images and histograms for TensorBoard."""

    def __init__(self, log_dir: str, window_size: int = 20, **kwargs: Any) -> None:
        """
        Args:
            log_dir: folder of the event files.
            window_size: iterations that smoothed scalars are the median of.
            kwargs: further arguments of ``torch.utils.tensorboard.SummaryWriter``.
        """
        self._window_size = window_size
        self._arguments = {"log_dir": log_dir, **kwargs}
        self._last_write = -1

    @functools.cached_property
    def _writer(self) -> Any:
        try:
            from torch.utils.tensorboard import SummaryWriter  # takes seconds to import
        except ImportError as error:
            raise ImportError(
                f"TensorBoard cannot be imported ({error}): run 'pip install tensorboard', or leave this writer out."
            ) from error
        return SummaryWriter(**self._arguments)

    def write(self) -> None:
        storage = get_event_storage()
        newest = self._last_write
        for name, (value, iteration) in storage.latest_with_smoothing_hint(self._window_size).items():
            if iteration > self._last_write:
                self._writer.add_scalar(name, value, iteration)
                newest = max(newest, iteration)
        self._last_write = newest
        # Images and histograms are shown here alone, so this writer drops them. Scalars are small and stay.
        for name, image, iteration in storage._vis_data:
            self._writer.add_image(name, image, iteration)
        storage.clear_images()
        for arguments in storage._histograms:
            self._writer.add_histogram_raw(**arguments)
        storage.clear_histograms()

    def close(self) -> None:
        if "_writer" in self.__dict__:  # it was never made where nothing was written
            self._writer.close()


class CommonMetricPrinter(EventWriter):
    """
    Logs one line on the progress: time left, iteration, each loss, seconds per iteration, learning rate,
    memory.

    It expects the scalars that the trainer puts: ``time``, ``data_time``, ``lr`` and those with "loss" in
    their name.
    """

    def __init__(self, max_iter: int | None = None, window_size: int = 20) -> None:
        """
        Args:
            max_iter: iterations of the whole run, for the time left; None: unknown.
            window_size: iterations that losses are the median and times the mean of.
        """
        self.logger = logging.getLogger(__name__)
        self._max_iter = max_iter
        self._window_size = window_size
        self._last: tuple[int, float] | None = None  # iteration and clock of the last line

    def write(self) -> None:
        storage = get_event_storage()
        if storage.iter == self._max_iter:
            return  # after the last iteration there is evaluation to report, but no progress
        histories = storage.histories()
        parts = [
            f"eta: {eta}" if (eta := self._eta(storage, histories)) else "",
            f"iter: {storage.iter}",
            *self._medians(storage, histories, "loss"),
            *self._medians(storage, histories, "[metric]"),
            *self._seconds(storage, histories, "time"),
            *self._seconds(storage, histories, "data_time"),
            f"lr: {histories['lr'].latest():.5g}" if "lr" in histories else "lr: N/A",
            f"max_mem: {torch.cuda.max_memory_allocated() / 2**20:.0f}M" if torch.cuda.is_available() else "",
        ]
        self.logger.info(" " + "  ".join(filter(None, parts)))

    def _medians(self, storage: Any, histories: dict[str, Any], word: str) -> list[str]:
        return [
            f"{name}: {history.median(storage.count_samples(name, self._window_size)):.4g}"
            for name, history in histories.items()
            if word in name
        ]

    def _seconds(self, storage: Any, histories: dict[str, Any], name: str) -> list[str]:
        if name not in histories:
            return []
        mean = histories[name].avg(storage.count_samples(name, self._window_size))
        return [f"{name}: {mean:.4f}", f"last_{name}: {histories[name].latest():.4f}"]

    def _eta(self, storage: Any, histories: dict[str, Any]) -> str:
        """
        Time left as h:mm:ss, also put into the storage as ``eta_seconds``; empty where it cannot be told yet.
        """
        if self._max_iter is None:
            return ""
        if "time" in histories:
            # The median of many: evaluations and checkpoints between iterations are no progress.
            seconds = float(histories["time"].median(1000))
            left = seconds * (self._max_iter - storage.iter - 1)
            storage.put_scalar("eta_seconds", left, smoothing_hint=False)
        else:
            last, self._last = self._last, (storage.iter, time.perf_counter())
            if last is None or last[0] == storage.iter:
                return ""
            left = (self._last[1] - last[1]) / (storage.iter - last[0]) * (self._max_iter - storage.iter)
        return str(datetime.timedelta(seconds=int(left)))
