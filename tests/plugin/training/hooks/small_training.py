"""What the tests of hooks share: a training of a linear layer behind a batch norm, a millisecond an iteration."""

import weakref

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import HookBase, TrainerBase
from detectron2.engine.hooks import LRScheduler, PeriodicCheckpointer
from detectron2.solver import LRMultiplier
from fvcore.common.param_scheduler import LinearParamScheduler
from torch import nn

from maskrcnn_project.training.hooks import HookPlace, arrange_hooks
from maskrcnn_project.training.hooks.stopping import TrainingStopped
from maskrcnn_project.training.training_step import TrainingStep


class SmallModel(nn.Module):
    """Takes samples {"image": (3,) float}; its loss is the mean over the samples, as a detector's box losses are."""

    def __init__(self, norm=True):
        super().__init__()
        self.norm = nn.BatchNorm1d(3) if norm else nn.Identity()
        self.head = nn.Linear(3, 2)

    def forward(self, batch):
        out = self.head(self.norm(torch.stack([sample["image"] for sample in batch]))).float()
        if not self.training:
            return [{"instances": row} for row in out]
        return {"loss_a": out[:, 0].square().mean(), "loss_b": (out[:, 1] - 1).abs().mean()}


class RaisingModel(SmallModel):
    """Raises, as Detectron2's RPN does, where a sample of the batch is not finite; its norm has seen it then."""

    def forward(self, batch):
        losses = super().forward(batch)
        if not all(torch.isfinite(sample["image"]).all() for sample in batch):
            raise FloatingPointError("Predicted boxes or scores contain Inf/NaN. Training has diverged.")
        return losses


def batches(size=4, seed=0, start=0, broken=()):
    """Endless batches, each a function of its number; those in ``broken`` hold a NaN."""
    number = start
    while True:
        generator = torch.Generator().manual_seed(1000 * seed + number)
        images = torch.randn(size, 3, generator=generator)
        if number in broken:
            images[0] = torch.nan
        yield [{"image": image, "image_id": i, "file_name": f"{number}_{i}.png"} for i, image in enumerate(images)]
        number += 1


class SmallTrainer(TrainerBase):
    """As DefaultTrainer: an inner step, a checkpointer, a schedule, Detectron2's hooks and ``hooks`` of ours."""

    def __init__(self, folder, hooks=(), max_iter=6, broken=(), checkpoint_period=2, accumulate=1, model=None):
        super().__init__()
        torch.manual_seed(0)
        self.model = model or SmallModel()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.scheduler = LRMultiplier(self.optimizer, LinearParamScheduler(1.0, 0.5), max_iter)
        self.broken = broken
        self.max_iter, self.start_iter = max_iter, 0
        self._trainer = TrainingStep(self.model, (), self.optimizer, weakref.proxy(self), accumulate)
        self.checkpointer = DetectionCheckpointer(self.model, str(folder), trainer=weakref.proxy(self))
        detectron2s = [LRScheduler(), PeriodicCheckpointer(self.checkpointer, checkpoint_period)]
        self.register_hooks(arrange_hooks(detectron2s, hooks))

    def run(self, resume=False):
        """Trains; the exit where it was stopped, else None."""
        self.checkpointer.resume_or_load("", resume=resume)
        if resume and self.checkpointer.has_checkpoint():
            self.start_iter = self.iter + 1
        self._trainer.reset_data_loader(lambda: batches(start=self.start_iter, broken=self.broken))
        try:
            self.train(self.start_iter, self.max_iter)
        except TrainingStopped as stopped:
            return stopped
        return None

    @property
    def data_loader(self):
        return self._trainer.data_loader

    def run_step(self):
        self._trainer.iter = self.iter
        self._trainer.run_step()

    def state_dict(self):
        return {**super().state_dict(), "_trainer": self._trainer.state_dict()}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self._trainer.load_state_dict(state["_trainer"])


class Evaluations(HookBase):
    """In place of evaluations: puts ``segm/AP`` at the end of the iterations that ``values`` names."""

    def __init__(self, values):
        self.values = values

    def after_step(self):
        if self.trainer.iter in self.values:
            self.trainer.storage.put_scalar("segm/AP", self.values[self.trainer.iter], smoothing_hint=False)


class At(HookBase):
    """Does ``action()`` at the end of iteration ``iteration``."""

    place = HookPlace.LAST

    def __init__(self, iteration, action):
        self.iteration, self.action = iteration, action

    def after_step(self):
        if self.trainer.iter == self.iteration:
            self.action()


def fail():
    """As a killed process: the training ends here, and not cleanly."""
    raise RuntimeError("killed")
