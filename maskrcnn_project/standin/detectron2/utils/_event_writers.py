"""Writers: the console, a file of JSON lines, TensorBoard. Each reads the current EventStorage."""

from __future__ import annotations

import datetime
import functools
import json
import logging
import os
import time
from collections import defaultdict
from typing import Any

import torch
from detectron2.utils.file_io import PathManager


def _storage() -> Any:
    from detectron2.utils.events import get_event_storage  # events.py re-exports this module

    return get_event_storage()


class EventWriter:
    """What writers have in common."""

    def write(self) -> None:
        """Writes what is new in the current EventStorage."""
        raise NotImplementedError(f"{type(self).__name__} must define write()")

    def close(self) -> None:
        """Ends the writing; nothing by default."""


class JSONWriter(EventWriter):
    """
    Appends scalars to a file, one JSON object a line, each with its ``iteration``.

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
        for name, (value, iteration) in _storage().latest_with_smoothing_hint(self._window_size).items():
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
        storage = _storage()
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
    Logs one line on the progress: time left, iteration, each loss, seconds an iteration, learning rate,
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
        # The name that upstream's lines carry, so that a filter on it works here too.
        self.logger = logging.getLogger("detectron2.utils.events")
        self._max_iter = max_iter
        self._window_size = window_size
        self._last: tuple[int, float] | None = None  # iteration and clock of the last line

    def write(self) -> None:
        storage = _storage()
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
