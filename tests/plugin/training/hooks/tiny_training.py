"""What the tests of hooks share: trainings of a narrow Mask R-CNN on four drawn pictures of 64 pixels, on the CPU."""

import pytest
import torch
from detectron2.data import DatasetCatalog
from detectron2.utils.env import seed_all_rng

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.training.hooks import arrange_hooks, build_named_hooks
from maskrcnn_project.training.trainer import MaskRCNNTrainer
from maskrcnn_project.training.training_step import install_training_step
from tests.contract.tiny import coco_set, tiny_cfg

DATASET = "hooks_tiny"


@pytest.fixture
def tiny(tmp_path):
    """Makes configs with the hooks it is given: two iterations on drawn pictures, which are the test set, too."""
    (tmp_path / "data").mkdir()

    def config(*names):
        cfg = tiny_cfg(tmp_path / "run")
        add_maskrcnn_config(cfg)
        cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = (DATASET,)
        cfg.MODEL.RESNETS.NORM, cfg.MODEL.BACKBONE.FREEZE_AT = "BN", 0  # statistics that a hook could disturb
        cfg.INPUT.RANDOM_FLIP = "horizontal"  # draws from a generator that a hook could disturb
        cfg.SOLVER.MAX_ITER = 2
        cfg.HOOKS.NAMES = names
        return cfg

    with coco_set(tmp_path / "data", DATASET):
        yield config


class Trainer(MaskRCNNTrainer):
    """Neither checkpoints nor evaluations of its own, so that only the hooks of the test do anything."""

    def __init__(self, cfg):
        super().__init__(cfg)
        install_training_step(self, cfg.SOLVER.ACCUMULATE_STEPS, None)

    def build_hooks(self):
        (timer, schedule, *_) = super(MaskRCNNTrainer, self).build_hooks()
        return arrange_hooks([timer, schedule], build_named_hooks(self.cfg))


def train(cfg, kind=Trainer):
    """The trainer after its training from the same random weights each time."""
    seed_all_rng(1)
    assert DATASET in DatasetCatalog.list()
    trainer = kind(cfg)
    trainer.train()
    return trainer


def assert_equal_weights(first, second):
    """Bit for bit, statistics of norms included."""
    ours, theirs = first.model.state_dict(), second.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
