import io
import logging
import sys

import pytest
from torch.utils.data import DataLoader

from maskrcnn_project.training.hooks import ProgressBar
from maskrcnn_project.training.hooks.progress_bar import LOGGERS, images_in
from tests.plugin.training.hooks.small_training import At, SmallTrainer


class Terminal(io.StringIO):
    def isatty(self):
        return True


def set_up_loggers():
    """Detectron2's own, the one that prints the progress, and a file: as after its set-up."""
    for name in LOGGERS:
        logging.getLogger(name).handlers[:] = []
    log, file = logging.getLogger("detectron2"), io.StringIO()
    log.setLevel(logging.INFO)
    log.handlers[:] = [logging.StreamHandler(sys.stdout), logging.StreamHandler(file)]
    return logging.getLogger("detectron2.utils.events"), log, file


def say(loggers):
    printer, log, _ = loggers
    printer.info("eta: 0:00:01 iter: 3")
    log.warning("something else")


def test_on_a_terminal_there_is_one_line_and_the_log_is_whole(tmp_path, monkeypatch, capsys):
    loggers, terminal = set_up_loggers(), Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    before = list(loggers[1].handlers)
    trainer = SmallTrainer(tmp_path, [At(3, lambda: say(loggers)), ProgressBar(images_a_step=4)])
    monkeypatch.setattr("maskrcnn_project.training.hooks.progress_bar.images_in", lambda loader: 8)
    trainer.run()
    shown = terminal.getvalue()
    assert "6/6" in shown
    assert "it/s" in shown
    assert "epoch 3.00/3, loss " in shown
    assert "GiB" in shown
    printed = capsys.readouterr().out
    assert "something else" in printed
    assert "eta:" not in printed + shown
    assert "eta: 0:00:01 iter: 3\nsomething else\n" in loggers[2].getvalue()
    assert loggers[1].handlers == before
    say(loggers)
    assert "eta:" in capsys.readouterr().out


def test_elsewhere_detectron2s_lines_are_as_ever(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    loggers = set_up_loggers()
    SmallTrainer(tmp_path, [At(3, lambda: say(loggers)), ProgressBar(images_a_step=4)]).run()
    assert sys.stderr.getvalue() == ""
    assert "eta: 0:00:01 iter: 3" in capsys.readouterr().out


def test_it_closes_after_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    loggers = set_up_loggers()
    before = list(loggers[1].handlers)

    def fail():
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        SmallTrainer(tmp_path, [At(3, fail), ProgressBar(4)]).run()
    assert loggers[1].handlers == before


def test_how_many_images_a_loader_has():
    assert images_in(DataLoader(list(range(7)), batch_size=2)) == 7
    assert images_in(DataLoader(DataLoader(list(range(5))), batch_size=None)) == 5
    assert images_in(iter([])) is None
