"""Where log lines go, how they look, and how often they repeat."""

from __future__ import annotations

import logging
import re

import pytest
from detectron2.utils.logger import (
    create_small_table,
    log_every_n,
    log_every_n_seconds,
    log_first_n,
    setup_logger,
)


@pytest.fixture
def name():
    """The name of a logger that is taken down afterwards."""
    yield "test_logger_root"
    logger = logging.getLogger("test_logger_root")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def test_console_line(name, capsys):
    setup_logger(name=name, abbrev_name="tl", color=False)
    logging.getLogger(f"{name}.engine").info("hello %d", 3)
    logging.getLogger(name).warning("careful")
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\[\d\d/\d\d \d\d:\d\d:\d\d tl\.engine\]: hello 3", first)
    assert second.endswith("tl]: WARNING careful")


def test_abbreviation_defaults(name, capsys):
    setup_logger(name=name, color=False).info("x")
    assert f" {name}]: x" in capsys.readouterr().out
    setup_logger(color=False, name="detectron2")
    logging.getLogger("detectron2.data").info("x")
    assert " d2.data]: x" in capsys.readouterr().out


def test_colour_is_of_the_console_only(name, tmp_path, capsys):
    setup_logger(str(tmp_path), name=name).error("bad")
    assert "\x1b[" in capsys.readouterr().out
    assert "\x1b[" not in (tmp_path / "log.txt").read_text()


def test_calling_again_adds_nothing_twice(name, tmp_path, capsys):
    setup_logger(name=name)
    setup_logger(str(tmp_path), name=name)
    setup_logger(str(tmp_path), name=name).info("once")
    assert capsys.readouterr().out.count("once") == 1
    assert (tmp_path / "log.txt").read_text().count("once") == 1


@pytest.mark.parametrize(
    ("output", "rank", "file"),
    [("", 0, "log.txt"), ("run.log", 0, "run.log"), ("new/folder", 1, "new/folder/log.txt.rank1")],
)
def test_file_of_each_rank(name, tmp_path, capsys, output, rank, file):
    setup_logger(str(tmp_path / output), rank, name=name).info("line")
    assert (tmp_path / file).read_text().endswith("]: line\n")
    assert bool(capsys.readouterr().out) == (rank == 0)  # only one process talks


def test_switches(name, capsys):
    silent = setup_logger(name=name, configure_stdout=False)
    silent.info("nobody hears this")
    assert silent.propagate is False
    assert capsys.readouterr().out == ""
    assert setup_logger(name=name, enable_propagation=True).propagate is True


def test_first_n(caplog):
    for index in range(5):
        log_first_n(logging.WARNING, f"by place {index}", 2)
    for index in range(4):
        log_first_n(logging.WARNING, f"by text {index % 2}", key="message")
    for index in range(4):
        log_first_n(logging.WARNING, f"by both {index % 2}", key=("caller", "message"))
    log_first_n(logging.WARNING, "by text 0", key=("caller", "message"))  # another place
    lines = ["by place 0", "by place 1", "by text 0", "by text 1", "by both 0", "by both 1", "by text 0"]
    assert caplog.messages == lines
    assert {record.name for record in caplog.records} == {__name__}  # the calling module's logger
    assert {record.filename for record in caplog.records} == {"test_logger.py"}
    with pytest.raises(AssertionError, match="key must be"):
        log_first_n(logging.INFO, "x", key="line")


def test_every_n(caplog):
    for index in range(7):
        log_every_n(logging.WARNING, f"{index}", 3, name="other")
    assert caplog.messages == ["0", "3", "6"]
    assert {record.name for record in caplog.records} == {"other"}


def test_every_n_seconds(caplog, monkeypatch):
    for now in (100.0, 101.0, 104.9, 105.0, 109.0):
        monkeypatch.setattr("time.monotonic", lambda now=now: now)
        log_every_n_seconds(logging.WARNING, f"{now}", 5)
    assert caplog.messages == ["100.0", "105.0"]


def test_small_table():
    header, rule, row = create_small_table({"AP": 41.0, "name": "x"}).splitlines()
    assert header.split() == ["|", "AP", "|", "name", "|"]
    assert row.split() == ["|", "41.000", "|", "x", "|"]
    assert set(rule) <= set("|:-")
