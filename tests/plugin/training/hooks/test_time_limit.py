import pytest

from maskrcnn_project.training.hooks import TimeLimit
from tests.plugin.training.hooks.small_training import SmallTrainer


class Clock:
    """An hour passes at each look: one at the start, one at each iteration's end."""

    def __init__(self):
        self.hours = 0

    def __call__(self):
        self.hours += 1
        return 3600.0 * self.hours


def limit(each_start=0.0, altogether=0.0):
    return TimeLimit(each_start, altogether, period=1, clock=Clock())


def test_of_one_start(tmp_path, caplog):
    caplog.set_level("INFO", "maskrcnn_project")
    stopped = SmallTrainer(tmp_path, [limit(each_start=3.0)], checkpoint_period=100).run()
    assert stopped.code == 75
    assert "3.00 hours have passed, and HOOKS.TimeLimit.HOURS_PER_START is 3" in caplog.text
    assert "Stopped after iteration 2, exit code 75: --resume goes on from there." in caplog.text
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000002.pth"

    # iterations 3 to 5, the last of which ends by itself
    resumed = SmallTrainer(tmp_path, [limit(each_start=3.0)], checkpoint_period=100)
    assert resumed.run(resume=True) is None
    assert (resumed.start_iter, resumed.iter) == (3, 6)


def test_of_the_whole_run_goes_on_after_a_resume(tmp_path):
    first = SmallTrainer(tmp_path, [limit(each_start=2.0, altogether=4.0)], max_iter=100)
    assert (first.run().code, first.iter) == (75, 1)
    second = SmallTrainer(tmp_path, [limit(altogether=4.0)], max_iter=100)
    stopped = second.run(resume=True)
    assert "HOOKS.TimeLimit.HOURS is 4" in stopped.reason
    assert stopped.code == 0
    assert second.iter < 4  # two hours were used before, and taking a checkpoint looks at the clock, too
    assert (tmp_path / "model_final.pth").exists()


def test_no_limit(tmp_path):
    assert SmallTrainer(tmp_path, [limit()]).run() is None


def test_a_stopped_and_resumed_training_is_the_same(tmp_path):
    whole = SmallTrainer(tmp_path / "whole", [])
    whole.run()
    SmallTrainer(tmp_path / "parts", [limit(each_start=3.0)]).run()
    parts = SmallTrainer(tmp_path / "parts", [limit()])
    parts.run(resume=True)
    assert whole.model.head.weight.tolist() == parts.model.head.weight.tolist()


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="must be hours, or 0 for no limit, but are -1 and 0"):
        TimeLimit(-1.0, 0.0, 1)
