import os

import pytest

from maskrcnn_project.errors import bound_spinning, is_bad_input, run_tool, sentence

RELAYED = "Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  File x\n"


def raising(error):
    def main():
        raise error

    return main


def test_bad_input_is_one_sentence_and_a_non_zero_exit(capsys):
    with pytest.raises(SystemExit) as stopped:
        run_tool(raising(ValueError("wanted a, but b came.")))
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: wanted a, but b came.\n"


def test_a_bug_shows_its_traceback():
    with pytest.raises(TypeError):
        run_tool(raising(TypeError("a bug")))


def test_key_errors_lose_their_quotes():
    assert sentence(KeyError("no key A")) == "no key A"


def test_what_a_worker_relays_is_its_sentence_alone():
    assert sentence(ValueError(RELAYED + "ValueError: image 3 cannot be decoded: x.png")) == (
        "image 3 cannot be decoded: x.png"
    )


def test_a_started_process_may_meet_bad_input_or_a_bug():
    class ProcessRaisedException(Exception):
        pass

    head = "\n\n-- Process 0 terminated with the following error:\nTraceback (most recent call last):\n  File x\n"
    assert is_bad_input(ProcessRaisedException(head + "FileNotFoundError: no x\n"))
    assert not is_bad_input(ProcessRaisedException(head + "TypeError: a bug\n"))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ],
)
def test_spinning_is_bounded_unless_the_user_says_otherwise(monkeypatch, given, wanted):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    bound_spinning()
    assert {name: os.environ[name] for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if name in os.environ} == wanted
