import os
import signal

import pytest

from maskrcnn_project.training.hooks import StopOnSignal
from tests.plugin.training.hooks.small_training import At, SmallTrainer

BOTH = ("SIGTERM", "SIGUSR1")


def send(name):
    os.kill(os.getpid(), signal.Signals[name])


@pytest.mark.parametrize("name", BOTH)
def test_the_iteration_is_finished_and_a_checkpoint_written(tmp_path, name):
    handlers = [signal.getsignal(signal.Signals[each]) for each in BOTH]
    trainer = SmallTrainer(tmp_path, [At(2, lambda: send(name)), StopOnSignal(BOTH, 1)], checkpoint_period=100)
    stopped = trainer.run()
    assert stopped.code == 75
    assert stopped.reason == f"{name} was received: the training stops."
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000002.pth"
    assert [signal.getsignal(signal.Signals[each]) for each in BOTH] == handlers
    resumed = SmallTrainer(tmp_path, [StopOnSignal(BOTH, 1)])
    assert resumed.run(resume=True) is None
    assert resumed.start_iter == 3


def test_at_the_last_iteration_the_training_ends_by_itself(tmp_path):
    hooks = [At(5, lambda: send("SIGTERM")), StopOnSignal(BOTH, 1)]
    assert SmallTrainer(tmp_path, hooks).run() is None


def test_the_second_signal_does_what_it_did_before(tmp_path):
    class Impatient(Exception):
        pass

    def handler(number, frame):
        raise Impatient

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        twice = At(1, lambda: (send("SIGUSR1"), send("SIGUSR1")))
        with pytest.raises(Impatient):
            SmallTrainer(tmp_path, [twice, StopOnSignal(BOTH, 1)]).run()
        assert signal.getsignal(signal.SIGUSR1) is handler
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_that_there_is_not():
    with pytest.raises(ValueError, match="'SIGHELLO' is no signal of this system"):
        StopOnSignal(("SIGHELLO",), 1)
