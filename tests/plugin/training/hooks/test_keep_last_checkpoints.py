import pytest

from maskrcnn_project.training.hooks import KeepLastCheckpoints
from maskrcnn_project.training.hooks.keep_last_checkpoints import superfluous
from tests.plugin.training.hooks.small_training import SmallTrainer


def test_the_newest_of_the_periodic_ones_stay():
    names = ["model_0000009.pth", "model_final.pth", "model_best.pth", "model_0000019.pth", "model_0000029.pth"]
    assert superfluous(names, 2, 29) == ["model_0000009.pth"]
    assert superfluous(names, 3, 29) == []
    assert superfluous(names, 1, 19) == ["model_0000009.pth"]  # 29 lies ahead: of a training that was gone back on
    assert superfluous(["model_0000009.pth", "model_10000000.pth"], 1, 10_000_000) == ["model_0000009.pth"]


def test_over_a_training(tmp_path):
    (tmp_path / "model_mine.pth").write_bytes(b"")
    (tmp_path / "model_0000001.pth.backup").write_bytes(b"")
    SmallTrainer(tmp_path, [KeepLastCheckpoints(tmp_path, 2, period=1)], checkpoint_period=1).run()
    assert sorted(p.name for p in tmp_path.glob("model*")) == [
        "model_0000001.pth.backup",
        "model_0000004.pth",
        "model_0000005.pth",
        "model_final.pth",
        "model_mine.pth",
    ]


def test_what_resume_would_take_stays(tmp_path):
    hook = KeepLastCheckpoints(tmp_path, 1, period=1)
    trainer = SmallTrainer(tmp_path, [hook], checkpoint_period=1)
    trainer.run()
    (tmp_path / "model_0000001.pth").write_bytes(b"")
    (tmp_path / "last_checkpoint").write_text("model_0000001.pth")
    hook.after_train()
    assert (tmp_path / "model_0000001.pth").exists()


def test_none_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match="NUMBER must be at least 1, but is 0"):
        KeepLastCheckpoints(tmp_path, 0, 1)
