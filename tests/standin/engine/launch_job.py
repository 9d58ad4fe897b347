"""What test_launch.py runs in two processes; as a script, in those that torchrun has started."""

import maskrcnn_project  # noqa: F401  isort: skip

import json
import os
import sys
from pathlib import Path

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import SimpleTrainer, create_ddp_model, launch
from detectron2.utils import comm
from torch import nn

STEPS = 3


class Regression(nn.Module):
    """The mean square error of a linear layer; a batch is a tensor (B, 3)."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(3, 1)

    def forward(self, batch):
        return {"loss": (self.linear(batch) - batch.sum(1, keepdim=True)).square().mean()}


def whole_batches():
    """STEPS batches of 8 rows, the same wherever this is called."""
    return [torch.randn(8, 3, generator=torch.Generator().manual_seed(i)) for i in range(STEPS)]


def train(model, batches):
    """Plain gradient descent; returns the trainer."""
    trainer = SimpleTrainer(model, batches, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
    trainer.train(0, STEPS)
    return trainer


def main(folder, then_raise):
    rank, world_size = comm.get_rank(), comm.get_world_size()
    model = create_ddp_model(Regression())
    trainer = train(model, [batch.chunk(world_size)[rank] for batch in whole_batches()])

    # a file that only the main process sees
    other = create_ddp_model(Regression(seed=5 + rank))
    checkpoint = os.path.join(folder, "only_main.pth")
    if comm.is_main_process():
        torch.save(Regression(seed=99).state_dict(), checkpoint)
    DetectionCheckpointer(other).load(checkpoint if comm.is_main_process() else checkpoint + ".missing")
    weights = comm.gather(other.module.linear.weight.detach())

    if comm.is_main_process():
        torch.save(model.module.state_dict(), os.path.join(folder, "trained.pth"))
        result = {
            "world_size": world_size,
            "local_size": comm.get_local_size(),
            "losses": [value for value, _ in trainer.storage.history("total_loss").values()],
            "handed_on": [torch.equal(w, Regression(seed=99).linear.weight) for w in weights],
        }
        with open(os.path.join(folder, "result.json"), "w") as file:
            json.dump(result, file)
    comm.synchronize()
    if then_raise and rank == 1:
        raise ValueError("the second process has had enough")


def communication_threads():
    """The names of this process's threads that belong to a group of processes (Linux; elsewhere none are seen)."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return sorted(name for name in names if "gloo" in name)


if __name__ == "__main__":
    launch(main, 1, args=(sys.argv[1], False))
    if communication_threads():  # one that returns to Python during the shutdown would abort the process, now and then
        sys.exit(f"launch() left threads behind: {communication_threads()}")
