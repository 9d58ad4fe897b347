"""A metric by which models are compared: its name in the storage, and which way is better."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from detectron2.config import CfgNode
from detectron2.utils.events import EventStorage

logger = logging.getLogger(__name__)

MODES = ("max", "min")
LOSS_PREFIX = "val/"  # of ValidationLoss
AVERAGED_PREFIX = "ema/"  # of ModelEMA
NOT_MEASURED = -1.0  # COCO's AP and AR (0 or more) where there was nothing to measure: pycocotools' COCOeval


@dataclass(frozen=True)
class Metric:
    """
    Args:
        name: as in metrics.json, such as ``segm/AP``, or ``NAME/segm/AP`` where several data sets are evaluated.
        mode: ``max`` or ``min``, whichever is better.
    """

    name: str
    mode: str = "max"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f'The mode of the metric {self.name} must be "max" or "min", but is {self.mode!r}.')

    def is_measured(self, value: float) -> bool:
        """Whether ``value`` says anything: finite, and under ``max`` not COCO's -1."""
        return math.isfinite(value) and not (self.mode == "max" and value == NOT_MEASURED)

    def is_better(self, value: float, than: float | None, by: float = 0.0) -> bool:
        """Whether ``value`` is measured and better than ``than`` (None: nothing yet) by more than ``by``."""
        if not self.is_measured(value):
            return False
        return than is None or (value > than + by if self.mode == "max" else value < than - by)

    def newest(self, storage: EventStorage, after: int | None) -> tuple[float, int] | None:
        """(value, iteration) of the metric if it was put after the iteration ``after``; else a warning, and None."""
        try:
            value, iteration = storage.history(self.name).values()[-1]
        except KeyError:
            known = sorted(name for name in storage.latest() if "/" in name)
            logger.warning("There is no metric %s; there are: %s.", self.name, ", ".join(known) or "none yet")
            return None
        if after is not None and iteration <= after:
            logger.warning("The evaluation gave no new value of %s.", self.name)
            return None
        return float(value), int(iteration)

    def outcome(self, storage: EventStorage, after: int | None, iteration: int) -> tuple[float, int] | None:
        """
        As ``newest`` of the evaluation at the end of ``iteration``, which is NaN where it gave no value: Detectron2
        gives no results where nothing was found. None, with newest's warning, where the metric is none of evaluation's.
        """
        newest = self.newest(storage, after)
        if newest is None and self._comes_of_evaluation(storage, iteration):
            return math.nan, iteration
        return newest

    def _comes_of_evaluation(self, storage: EventStorage, iteration: int) -> bool:
        """False of a loss, and of a name that was never put while the evaluation put the AP of others."""
        if self.name.startswith(LOSS_PREFIX):
            return False
        latest = storage.latest()
        others = [name for name, (_, at) in latest.items() if at == iteration and name.split("/")[-1] == "AP"]
        return self.name in latest or not others


def metric_period(cfg: CfgNode, name: str) -> int:
    """Iterations between two values of the metric ``name``; 0: only at the end."""
    own = cfg.HOOKS.ValidationLoss.PERIOD if name.startswith(LOSS_PREFIX) else 0
    return own or cfg.TEST.EVAL_PERIOD


def is_due(iteration: int, period: int) -> bool:
    """Whether something of ``period`` iterations (0: never) falls on the end of ``iteration``."""
    return period > 0 and (iteration + 1) % period == 0
