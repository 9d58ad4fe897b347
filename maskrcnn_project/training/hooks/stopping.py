"""Ending a training before its last iteration: every process at the same one, with a checkpoint to go on from."""

from __future__ import annotations

import logging

from detectron2.engine import DefaultTrainer
from detectron2.utils import comm

logger = logging.getLogger(__name__)

# Exit codes. "Temporary failure, try again" (EX_TEMPFAIL of sysexits.h): --resume goes on. So it does after Ctrl-C, but
# what starts a job again by its exit code should not.
TRY_AGAIN = 75
INTERRUPTED = 130
FINISHED = 0


class TrainingStopped(SystemExit):
    """
    Ends ``trainer.train()``, after the hooks' ``after_train``, and if nobody catches it the process, with ``code``.

    Not an Exception, because the trainer logs those as errors.
    """

    def __init__(self, reason: str, code: int):
        super().__init__(code)
        self.reason = reason


def all_agree(reason: str | None) -> str | None:
    """The first reason that any process has. Every process must call it at the same iteration."""
    return next((each for each in comm.all_gather(reason) if each), None)


def is_time_to_agree(trainer: DefaultTrainer, period: int) -> bool:
    """
    Every iteration of one process, every ``period``-th of several, because agreeing makes them wait for one another.
    Never at the last: that training ends by itself.
    """
    following = trainer.iter + 1
    return following < trainer.max_iter and (comm.get_world_size() == 1 or following % max(1, period) == 0)


def stop_training(trainer: DefaultTrainer, reason: str, code: int) -> None:
    """
    Saves a checkpoint and raises TrainingStopped. To be called in ``after_step``, by every process.

    Args:
        reason: a sentence for the log.
        code: TRY_AGAIN or INTERRUPTED (the checkpoint is one of many), or FINISHED (it becomes ``model_final.pth``).
    """
    logger.info("%s", reason)
    name = "model_final" if code == FINISHED else f"model_{trainer.iter:07d}"  # as Detectron2 names them
    trainer.checkpointer.save(name, iteration=trainer.iter)
    comm.synchronize()  # the end of one process may end the others: not before the checkpoint is whole
    if code != FINISHED:
        logger.info("Stopped after iteration %d, exit code %d: --resume goes on from there.", trainer.iter, code)
    raise TrainingStopped(reason, code)
