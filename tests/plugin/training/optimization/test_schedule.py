"""Schedules by epoch and learning rates by batch, in numbers."""

import pytest

from maskrcnn_project.config import get_config
from maskrcnn_project.training.optimization.schedule import images_per_step, scale_learning_rate, stretch_to_epochs


@pytest.fixture
def cfg():
    """Detectron2's 1x: 90,000 iterations of 16 images, about 12 epochs of COCO."""
    cfg = get_config()
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.BASE_LR = 16, 0.02
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS, cfg.SOLVER.WARMUP_ITERS = 90000, (60000, 80000), 1000
    cfg.SOLVER.CHECKPOINT_PERIOD, cfg.TEST.EVAL_PERIOD = 5000, 10000
    return cfg


def test_1x_on_a_small_set_keeps_its_shape(cfg):
    cfg.SOLVER.EPOCHS, cfg.SOLVER.IMS_PER_BATCH = 12.0, 4
    stretch_to_epochs(cfg, num_images=2500)
    assert cfg.SOLVER.MAX_ITER == 7500  # 12 * 2500 / 4
    assert cfg.SOLVER.STEPS == (5000, 6667)
    assert cfg.SOLVER.CHECKPOINT_PERIOD == 417 and cfg.TEST.EVAL_PERIOD == 834
    assert cfg.SOLVER.WARMUP_ITERS == 84  # 1000 / 12
    assert cfg.SOLVER.EPOCHS == 0.0


def test_a_longer_schedule_does_not_lengthen_the_warm_up(cfg):
    cfg.SOLVER.EPOCHS = 100.0
    stretch_to_epochs(cfg, num_images=160000)
    assert cfg.SOLVER.MAX_ITER == 1000000 and cfg.SOLVER.WARMUP_ITERS == 1000


def test_a_resumed_run_is_not_stretched_again(cfg):
    cfg.SOLVER.EPOCHS = 12.0
    stretch_to_epochs(cfg, 1000)
    once = cfg.dump()
    stretch_to_epochs(cfg, 1000)
    assert cfg.dump() == once


def test_accumulated_batches_count_as_one(cfg):
    cfg.SOLVER.EPOCHS, cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.ACCUMULATE_STEPS = 1.0, 2, 4
    assert images_per_step(cfg) == 8
    stretch_to_epochs(cfg, 801)
    assert cfg.SOLVER.MAX_ITER == 101


@pytest.mark.parametrize(("epochs", "images"), [(-1.0, 10), (1.0, 0)])
def test_impossible_epochs_are_named(cfg, epochs, images):
    cfg.SOLVER.EPOCHS = epochs
    with pytest.raises(ValueError, match="must be above 0 and needs images"):
        stretch_to_epochs(cfg, images)


def test_the_rate_follows_the_batch(cfg):
    cfg.SOLVER.REFERENCE_BATCH_SIZE, cfg.SOLVER.IMS_PER_BATCH = 16, 2
    assert scale_learning_rate(cfg) == "batch 2 -> lr 0.0025 (0.02 for a batch of 16)"
    assert pytest.approx(0.0025) == cfg.SOLVER.BASE_LR
    assert scale_learning_rate(cfg) == ""  # as a resumed run does
    assert pytest.approx(0.0025) == cfg.SOLVER.BASE_LR
