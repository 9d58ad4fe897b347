"""Which images are tried, what the table says, and a real trial on the sample set's smallest model."""

import pytest
import torch

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.training import find_batch_size as module
from maskrcnn_project.training.find_batch_size import Trial, batch_size_table, hardest_config, hardest_records
from tests.contract.tiny import tiny_batch, tiny_cfg


@pytest.fixture
def cfg():
    cfg = tiny_cfg()
    add_maskrcnn_config(cfg)
    return cfg


def test_the_fullest_images_first_and_repeated_where_there_are_few():
    records = [{"annotations": [0] * n, "height": h, "width": 10} for n, h in ((1, 9), (3, 1), (1, 10))]
    assert [(len(r["annotations"]), r["height"]) for r in hardest_records(records, 2)] == [(3, 1), (1, 10)]
    assert len(hardest_records(records, 8)) == 8
    assert hardest_records([], 2) == []


def test_the_largest_input_is_not_always_the_fullest_image(cfg):
    """At a shorter side of 64 and at most 128: a strip becomes 128 x 4, a square 64 x 64, 2:1 becomes 128 x 64."""
    sizes = {"strip": (10, 320), "square": (500, 500), "wide": (100, 200)}
    records = [{"annotations": [0] * n, "height": h, "width": w, "name": name}
               for n, (name, (h, w)) in zip((9, 5, 1), sizes.items(), strict=True)]  # fmt: skip
    assert [module.input_pixels(record, cfg) for record in records] == [128 * 32, 64 * 64, 64 * 128]
    assert [r["name"] for r in module.largest_records(records, 4, cfg)] == ["wide", "strip", "square", "wide"]
    assert hardest_records(records, 1)[0]["name"] == "strip"


def test_the_worse_of_two_trials_counts():
    small, large = Trial(2, True, 0.5, 10), Trial(2, True, 0.4, 30)
    assert module.worse_of([small, large]) == Trial(2, True, 0.5, 30)
    assert module.worse_of([small, Trial(2, False)]) == Trial(2, False)


def test_every_image_at_its_largest(cfg):
    cfg.INPUT.MIN_SIZE_TRAIN = (32, 64, 48)
    assert hardest_config(cfg).INPUT.MIN_SIZE_TRAIN == (64,)
    assert cfg.INPUT.MIN_SIZE_TRAIN == (32, 64, 48)


def test_a_trial_runs_steps_and_measures(cfg):
    trial = module._try(cfg, tiny_batch())
    assert trial.fits and trial.batch_size == 2
    assert trial.seconds_per_image > 0 and trial.peak_bytes > 0


def test_no_memory_is_an_answer_and_other_errors_are_not(cfg, monkeypatch):
    def fail(error):
        def build_model(cfg):
            raise error

        monkeypatch.setattr(module.MaskRCNNTrainer, "build_model", build_model)

    fail(torch.OutOfMemoryError("CUDA out of memory"))
    assert module._try(cfg, tiny_batch()) == Trial(2, fits=False)
    fail(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        module._try(cfg, tiny_batch())


def test_the_table_scales_the_rate(cfg):
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.BASE_LR = 2, 0.005
    table = batch_size_table([Trial(1, True, 0.5, 3 * 2**30), Trial(2, False)], cfg)
    rows = [line.split() for line in table.splitlines()[2:]]
    assert rows == [["1", "yes", "0.500", "3.00", "0.0025"], ["2", "no", "-", "-", "0.005"]]
