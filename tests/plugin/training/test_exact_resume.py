"""
What a stopped and resumed training has learnt is, bit for bit, what an undisturbed one has; and the number of data
workers changes nothing.
"""

import pytest
import torch
from detectron2.engine import HookBase
from detectron2.utils.env import seed_all_rng

from maskrcnn_project.training.trainer import MaskRCNNTrainer
from tests.plugin.training.hooks.tiny_training import assert_equal_weights, tiny  # noqa: F401

STEPS = 6


class PowerCut(Exception):
    pass


class CutAfter(HookBase):
    """Ends the process's training after an iteration, as a power cut does: nothing is saved."""

    def __init__(self, iteration):
        self.iteration = iteration

    def after_step(self):
        if self.trainer.iter == self.iteration:
            raise PowerCut


def settle(cfg, folder, **more):
    cfg.OUTPUT_DIR = str(folder)
    cfg.SEED, cfg.TEST.EVAL_PERIOD = 7, 0
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS, cfg.SOLVER.CHECKPOINT_PERIOD = STEPS, (4,), 1
    cfg.SOLVER.BASE_LR, cfg.SOLVER.WARMUP_ITERS = 0.01, 3
    cfg.DATASETS.TEST = ()
    for key, value in more.items():
        cfg.merge_from_list([key.replace("__", "."), value])
    return cfg


def run(cfg, cuts=()):
    """The trainer after all its iterations, which were cut after those of ``cuts``."""
    for start, cut in enumerate((*cuts, None)):
        seed_all_rng(1 + start)  # a resumed run draws something else at its start
        trainer = MaskRCNNTrainer(cfg)
        trainer.resume_or_load(resume=start > 0)
        if cut is not None:
            trainer.register_hooks([CutAfter(cut)])
        try:
            trainer.train()
        except PowerCut:
            continue
    return trainer


KINDS = {
    "plain": {},
    "two workers": {"DATALOADER__NUM_WORKERS": 2},
    "accumulation": {"SOLVER__ACCUMULATE_STEPS": 2, "SOLVER__IMS_PER_BATCH": 1},
    "mosaic and copy-paste": {
        "INPUT__AUGMENT__MOSAIC__PROBABILITY": 0.7, "INPUT__AUGMENT__COPY_PASTE__PROBABILITY": 0.7,
        "DATALOADER__NUM_WORKERS": 1,
    },
    "multi-scale": {"INPUT__MIN_SIZE_TRAIN": (48, 56, 64, 72)},
    "no grouping": {"DATALOADER__ASPECT_RATIO_GROUPING": False},
    "rare classes repeated": {"DATALOADER__SAMPLER_TRAIN": "RepeatFactorTrainingSampler"},
    "bfloat16": {"SOLVER__AMP__ENABLED": True, "SOLVER__AMP__PRECISION": "bfloat16"},
    "clipped gradients": {"SOLVER__CLIP_GRADIENTS__ENABLED": True},
}  # fmt: skip


SHORT = ("two workers", "accumulation", "mosaic and copy-paste", "bfloat16")  # the others take a minute together


@pytest.mark.parametrize("kind", [pytest.param(k, marks=() if k in SHORT else pytest.mark.slow) for k in KINDS])
def test_a_cut_run_learns_what_an_undisturbed_one_does(kind, tiny, tmp_path):  # noqa: F811
    whole = run(settle(tiny(), tmp_path / "whole", **KINDS[kind]))
    cut = run(settle(tiny(), tmp_path / "cut", **KINDS[kind]), cuts=(1, 3))
    assert_equal_weights(whole, cut)


def test_with_hooks_that_keep_something(tiny, tmp_path):  # noqa: F811
    names = ("ModelEMA", "ValidationLoss", "BestCheckpoint", "NonFiniteGuard", "EarlyStopping")

    def config(folder):
        cfg = settle(tiny(*names), folder, TEST__EVAL_PERIOD=2)
        cfg.DATASETS.TEST = cfg.DATASETS.TRAIN
        cfg.HOOKS.ValidationLoss.PERIOD = 2
        return cfg

    whole, cut = run(config(tmp_path / "whole")), run(config(tmp_path / "cut"), cuts=(2, 3))
    assert_equal_weights(whole, cut)
    ours, theirs = (each.model_ema.averaged.state_dict() for each in (whole, cut))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    records = [(tmp_path / name / "best_checkpoint.json") for name in ("whole", "cut")]
    if records[0].is_file():
        assert records[0].read_text() == records[1].read_text()


def test_without_a_seed_the_run_keeps_the_one_it_drew(tiny, tmp_path):  # noqa: F811
    cfg = settle(tiny(), tmp_path / "run", SEED=-1)
    seed = run(cfg, cuts=(2,)).data_loader.seed
    for name in ("model_0000001.pth", "model_final.pth"):
        stream = torch.load(tmp_path / "run" / name, weights_only=False)["sample_stream"]
        assert stream["seed"] == seed
    assert stream == {"seed": seed, "batches": STEPS, "batch_size": 2, "processes": 1}
    assert MaskRCNNTrainer(cfg).data_loader.seed != seed  # what another run draws


@pytest.mark.parametrize("kind", ["mosaic and copy-paste", pytest.param("accumulation", marks=pytest.mark.slow)])
def test_the_number_of_workers_changes_nothing(kind, tiny, tmp_path):  # noqa: F811
    runs = [
        run(settle(tiny(), tmp_path / str(workers), **{**KINDS[kind], "DATALOADER__NUM_WORKERS": workers}))
        for workers in (0, 1, 2)
    ]
    assert_equal_weights(runs[0], runs[1])
    assert_equal_weights(runs[0], runs[2])


def test_a_checkpoint_without_a_place_in_the_stream_goes_on_too(tiny, tmp_path):  # noqa: F811
    """As the real Detectron2 writes them: the iteration tells how many batches were taken."""
    whole = run(settle(tiny(), tmp_path / "whole"))
    cfg = settle(tiny(), tmp_path / "cut")
    seed_all_rng(1)
    trainer = MaskRCNNTrainer(cfg)
    trainer.register_hooks([CutAfter(2)])
    with pytest.raises(PowerCut):
        trainer.train()
    path = tmp_path / "cut" / "model_0000002.pth"
    content = torch.load(path, weights_only=False)
    del content["sample_stream"]
    torch.save(content, path)
    trainer = MaskRCNNTrainer(cfg)
    trainer.resume_or_load(resume=True)
    trainer.train()
    assert_equal_weights(whole, trainer)
