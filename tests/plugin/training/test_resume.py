"""Going on with a run: the newest whole checkpoint, what may change, and that a change takes effect."""

import logging
from types import SimpleNamespace

import pytest
import torch

from maskrcnn_project.training.resume import (
    apply_changes,
    changes,
    checkpoints_in,
    done_iterations,
    find_checkpoint,
    is_whole,
    nothing_left,
    refuse_used_folder,
)
from maskrcnn_project.training.trainer import MaskRCNNTrainer
from tests.plugin.training.hooks.tiny_training import tiny  # noqa: F401


def save(folder, name, iteration):
    folder.mkdir(exist_ok=True)
    torch.save({"model": {"weight": torch.ones(1000)}, "iteration": iteration}, folder / name)
    return folder / name


def damage(path):
    """Turns over one byte in the middle of the tensors."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_a_whole_file_and_ones_that_are_not(tmp_path):
    path = save(tmp_path, "model_0000003.pth", 3)
    assert is_whole(path) and done_iterations(path) == 4
    damage(path)
    assert not is_whole(path)
    save(tmp_path, "model_0000003.pth", 3)
    path.write_bytes(path.read_bytes()[:-100])
    assert not is_whole(path)
    assert not is_whole(tmp_path / "none.pth")


def test_the_newest_whole_one_where_the_pointer_is_missing_or_wrong(tmp_path, capsys):
    assert find_checkpoint(tmp_path) is None
    first, second = save(tmp_path, "model_0000003.pth", 3), save(tmp_path, "model_0000007.pth", 7)
    save(tmp_path, "model_best.pth", 5)  # weights for use: nothing goes on from them
    assert list(checkpoints_in(tmp_path)) == [second, first]
    assert find_checkpoint(tmp_path) == second
    assert "last_checkpoint is missing; going on from model_0000007.pth" in capsys.readouterr().out
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000007.pth"
    damage(second)
    assert find_checkpoint(tmp_path) == first
    assert "model_0000007.pth, which last_checkpoint names, is missing or damaged" in capsys.readouterr().out
    assert find_checkpoint(tmp_path) == first and capsys.readouterr().out == ""


def test_checkpoints_without_a_pointer_are_never_written_over(tmp_path):
    save(tmp_path, "model_0000003.pth", 3)
    with pytest.raises(ValueError, match=r"already holds a run \(model_0000003.pth\)"):
        refuse_used_folder(str(tmp_path), SimpleNamespace(resume=False))
    refuse_used_folder(str(tmp_path), SimpleNamespace(resume=True))
    damage(tmp_path / "model_0000003.pth")
    with pytest.raises(ValueError, match="no checkpoint that can be read"):
        refuse_used_folder(str(tmp_path), SimpleNamespace(resume=True))


def arguments(cfg, *opts, **flags):
    names = ("batch_size", "learning_rate", "epochs", "weights", "seed", "score_threshold", "short_edge", "backbone")
    given = dict.fromkeys(names) | {"output": cfg.OUTPUT_DIR, "resume": True, "eval_only": False} | flags
    return SimpleNamespace(opts=list(opts), **given)


@pytest.mark.parametrize(
    ("key", "value"),
    [("MODEL.RESNETS.DEPTH", "101"), ("SEED", "5"), ("SOLVER.IMS_PER_BATCH", "8"), ("MODEL.WEIGHTS", "other.pth")],
)
def test_what_the_checkpoint_decides_cannot_change(tiny, key, value):  # noqa: F811
    cfg = tiny()
    with pytest.raises(ValueError, match=f"{key} .*cannot take effect on the resumed run"):
        apply_changes(cfg, arguments(cfg, key, value))


def test_what_stays_as_it_is_may_be_said_again(tiny):  # noqa: F811
    cfg = tiny()
    before = cfg.clone()
    apply_changes(cfg, arguments(cfg, "MODEL.RESNETS.DEPTH", str(cfg.MODEL.RESNETS.DEPTH)))
    assert list(changes(before, cfg)) == []


def test_more_epochs_stretch_the_schedule_and_say_so(tiny, capsys):  # noqa: F811
    cfg = tiny()  # four images, two iterations of two: one epoch
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.STEPS = 2, (1,)
    apply_changes(cfg, arguments(cfg, epochs=3.0))
    assert (cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS, cfg.SOLVER.EPOCHS) == (6, (3,), 0.0)
    told = capsys.readouterr().out
    assert "SOLVER.MAX_ITER: 2 -> 6" in told and "3 epochs of 4 images" in told


def test_fewer_iterations_than_are_done_are_refused_and_none_left_is_said(tiny, tmp_path, capsys):  # noqa: F811
    cfg = tiny()
    save(tmp_path / "run", "model_0000001.pth", 1)
    with pytest.raises(ValueError, match="1 iterations were asked for, but .* has done 2 already"):
        apply_changes(cfg, arguments(cfg, "SOLVER.MAX_ITER", "1"))
    cfg.SOLVER.MAX_ITER = 2
    assert not nothing_left(cfg, arguments(cfg))  # its end, with the final weights, is still to come
    save(tmp_path / "run", "model_final.pth", 1)
    assert nothing_left(cfg, arguments(cfg))
    assert "Nothing is left to train" in capsys.readouterr().out
    cfg.SOLVER.MAX_ITER = 3
    assert not nothing_left(cfg, arguments(cfg))


def test_a_resumed_run_has_the_settings_of_its_config_not_of_its_checkpoint(tiny, tmp_path, caplog):  # noqa: F811
    cfg = tiny()
    cfg.SOLVER.BASE_LR, cfg.SOLVER.WARMUP_ITERS, cfg.SOLVER.MOMENTUM = 0.01, 0, 0.9
    (tmp_path / "run").mkdir()
    first = MaskRCNNTrainer(cfg)
    first.train()
    cfg.SOLVER.BASE_LR, cfg.SOLVER.MOMENTUM, cfg.SOLVER.MAX_ITER = 0.002, 0.8, 4
    second = MaskRCNNTrainer(cfg)
    with caplog.at_level(logging.INFO, logger="maskrcnn_project"):
        second.resume_or_load(resume=True)
    assert second.start_iter == 2
    assert {group["momentum"] for group in second.optimizer.param_groups} == {0.8}
    assert {group["lr"] for group in second.optimizer.param_groups} == {0.002}
    assert "momentum: 0.9 -> 0.8" in caplog.text and "initial_lr: 0.01 -> 0.002" in caplog.text


def test_an_unchanged_run_resumes_with_the_very_state_of_its_checkpoint(tiny, tmp_path):  # noqa: F811
    cfg = tiny()
    (tmp_path / "run").mkdir()
    first = MaskRCNNTrainer(cfg)
    first.train()
    cfg.SOLVER.MAX_ITER = 2
    second = MaskRCNNTrainer(cfg)
    second.resume_or_load(resume=True)
    assert second.optimizer.state_dict()["param_groups"] == first.optimizer.state_dict()["param_groups"]
    assert second.scheduler.state_dict() == first.scheduler.state_dict()
