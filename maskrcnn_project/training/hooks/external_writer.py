"""What the writers to services outside have in common: when they write, what is new, and one run over all resumes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm

from maskrcnn_project.training.hooks.metric import is_due
from maskrcnn_project.training.hooks.registry import HookPlace


class ExternalWriter(HookBase):
    """
    Sends the scalars of the main process every ``period`` iterations and at the end. Subclasses say how. The service's
    library is imported when the training starts, not before.
    """

    trainer: DefaultTrainer
    place = HookPlace.AFTER_WRITERS

    def __init__(self, period: int):
        """``period``: iterations; losses are the median over as many."""
        if period < 1:
            raise ValueError(f"The PERIOD of {type(self).__name__} must be at least 1, but is {period}.")
        self.period = period
        self.run_id: str | None = None
        self._sent: dict[str, int] = {}  # name -> iteration of its last value

    @abstractmethod
    def open(self) -> str:
        """Begins a run, or goes on with the run ``self.run_id``. Returns its id."""

    @abstractmethod
    def send(self, scalars: dict[str, float], iteration: int) -> None:
        """Sends what belongs to one iteration."""

    @abstractmethod
    def close(self) -> None:
        """Ends the run."""

    def before_train(self) -> None:
        if comm.is_main_process():
            self.run_id = self.open()

    def after_step(self) -> None:
        if self.run_id is not None and is_due(self.trainer.iter, self.period):
            self._write()

    def after_train(self) -> None:
        if self.run_id is not None and comm.is_main_process():
            self._write()
            self.close()

    def _write(self) -> None:
        rows: dict[int, dict[str, float]] = {}
        for name, (value, iteration) in self.trainer.storage.latest_with_smoothing_hint(self.period).items():
            if self._sent.get(name) != iteration:
                rows.setdefault(iteration, {})[name] = float(value)
                self._sent[name] = iteration
        for iteration in sorted(rows):
            self.send(rows[iteration], iteration)

    def state_dict(self) -> dict[str, Any]:
        return {"run_id": self.run_id} if self.run_id else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the run, so that a resumed training goes on with its curves."""
        self.run_id = state["run_id"]
