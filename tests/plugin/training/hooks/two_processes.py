"""What each of two processes does for ``test_two_processes.py``: one start of both for all of it."""

import itertools
import os
import signal

import torch
import torch.distributed as dist
from detectron2.data import DatasetCatalog
from detectron2.utils.events import EventStorage
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from maskrcnn_project.config import get_config
from maskrcnn_project.training.hooks import (
    EarlyStopping,
    NonFiniteGuard,
    StopOnSignal,
    TimeLimit,
    ValidationLoss,
    validation_loss,
)
from maskrcnn_project.training.hooks.metric import Metric
from maskrcnn_project.training.hooks.validation_loss import mean_losses
from tests.plugin.training.hooks.small_training import At, Evaluations, RaisingModel, SmallModel, SmallTrainer, batches

STEPS, ACCUMULATE = 3, 2
FAILED_BATCHES = [(2, 1), (4, 2), (5, 2)]  # (number, batches a step): the only one; the first and the last of a step


def interleaved(rank, processes):
    """Every second batch, so that both processes together see what one alone would."""
    return itertools.islice(batches(), rank, None, processes)


class CountedTrainer(SmallTrainer):
    """On every second batch; counts how often gradients travel."""

    exchanges = 0

    def train(self, start, end):
        self._trainer.reset_data_loader(lambda: interleaved(dist.get_rank(), 2))
        if self._trainer.accumulate == ACCUMULATE:
            self.model.register_comm_hook(self, count_exchange)
        super().train(start, end)


def count_exchange(trainer, bucket):
    trainer.exchanges += 1
    return allreduce_hook(dist.group.WORLD, bucket)


def left_out(folder, broken, accumulate):
    """The weights and the steps left out where the forward pass of the second process raises at the batches given."""
    torch.manual_seed(0)
    hook = NonFiniteGuard(folder, "skip", 3, True)
    model = DistributedDataParallel(RaisingModel())  # with a norm, whose buffers travel
    trainer = SmallTrainer(folder, [hook], model=model, broken=broken, accumulate=accumulate)
    trainer.run()
    return trainer.checkpointer.model.state_dict(), hook.skipped, trainer.iter


def stopped_by_forward(folder, broken):
    try:
        SmallTrainer(folder, model=DistributedDataParallel(RaisingModel()), broken=broken).run()
    except FloatingPointError as error:
        return str(error)


def validated(number, broken=None):
    """
    What a ValidationLoss logs of a set of ``number`` annotated images, two of which fit into a batch of one process.

    Args:
        broken: the image at which the forward pass raises.
    """
    samples = next(batches(number, broken={0} if broken is not None else ())) if number else []
    if broken is not None:
        samples[0], samples[broken] = samples[broken], samples[0]
    name = f"validation_{number}_{broken}"
    records = [{"annotations": [], "sample": sample} for sample in samples] or [{}]  # {}: without annotations
    DatasetCatalog.register(name, lambda: records)
    cfg = get_config(
        None, ["DATASETS.TEST", f"('{name}',)", "SOLVER.IMS_PER_BATCH", "4", "DATALOADER.NUM_WORKERS", "0"]
    )
    hook = ValidationLoss.from_config(cfg)
    torch.manual_seed(0)
    hook.trainer = SmallTrainer(".", model=RaisingModel(norm=False))
    hook.trainer.iter, hook.trainer.max_iter = 0, 1
    with EventStorage() as hook.trainer.storage:
        hook.after_step()
        return {key: value for key, (value, _) in hook.trainer.storage.latest().items()}


def main(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found = {}

    def trainer(name, hooks=(), kind=SmallTrainer, **options):
        torch.manual_seed(0)
        model = DistributedDataParallel(SmallModel(norm=False))
        return kind(f"{folder}/{name}", hooks, model=model, **options)

    counted = trainer("accumulate", kind=CountedTrainer, accumulate=ACCUMULATE, max_iter=STEPS)
    counted.run()
    found["accumulate"] = (counted.checkpointer.model.state_dict(), counted.exchanges)

    guard = NonFiniteGuard(f"{folder}/guard", "skip", 3, True)
    guarded = trainer("guard", [guard], broken={2} if rank == 1 else ())
    guarded.run()
    found["guard"] = (guarded.checkpointer.model.state_dict(), guard.skipped)

    found["forward"] = [
        left_out(f"{folder}/forward_{number}", {number} if rank == 1 else (), accumulate)
        for number, accumulate in FAILED_BATCHES
    ]
    found["forward without a guard"] = stopped_by_forward(f"{folder}/unguarded", {2} if rank == 1 else ())

    values = Evaluations({0: 5.0, 1: 4.0} if rank == 0 else {})
    early = trainer("early", [values, EarlyStopping(f"{folder}/early", Metric("segm/AP"), 1, 1, 0.0)])
    found["early"] = (early.run().code, early.iter)

    signals = StopOnSignal(("SIGUSR1",), 2)
    hooks = [At(0, lambda: os.kill(os.getpid(), signal.SIGUSR1)), signals] if rank == 1 else [signals]
    signalled = trainer("signal", hooks)
    found["signal"] = (signalled.run().code, signalled.iter)

    hours = iter(range(100)) if rank == 0 else itertools.repeat(0)
    timed = trainer("time", [TimeLimit(2.0, 0.0, 1, clock=lambda: 3600.0 * next(hours))], checkpoint_period=100)
    found["time"] = (timed.run().code, timed.iter)

    model = SmallModel()
    torch.manual_seed(0)
    model.load_state_dict(SmallModel().state_dict())
    found["losses"] = mean_losses(model, [next(batches(4)), next(batches(2, seed=1))] if rank == 1 else [])

    validation_loss.build_validation_mapper = lambda *_: lambda record: record["sample"]
    found["validated"] = {number: validated(number) for number in (0, 1, 3)}
    found["validated with one broken"] = [validated(3, broken) for broken in range(3)]

    torch.save(found, f"{folder}/found_{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
    # A thread of Gloo's that returns to Python (the communication hook) while the interpreter is shut down ends the
    # process with SIGABRT, once in many runs. All there is to prove is on disk: leave without the shutdown.
    os._exit(0)
