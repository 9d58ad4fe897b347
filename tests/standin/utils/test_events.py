"""The event storage and its writers."""

from __future__ import annotations

import json
import logging

import pytest
import torch
from detectron2.utils.events import (
    CommonMetricPrinter,
    EventStorage,
    EventWriter,
    JSONWriter,
    TensorboardXWriter,
    get_event_storage,
    has_event_storage,
)


def test_storages_nest():
    assert not has_event_storage()
    with pytest.raises(AssertionError, match="inside 'with EventStorage"):
        get_event_storage()
    with EventStorage(7) as outer:
        assert get_event_storage() is outer
        assert (outer.iter, outer.iteration) == (7, 7)
        with EventStorage() as inner:
            assert get_event_storage() is inner
        assert get_event_storage() is outer
        outer.step()
        assert outer.iter == 8
        outer.iter = 3
        assert outer.iteration == 3
    assert not has_event_storage()


def test_storage_ends_although_its_body_failed():
    with pytest.raises(RuntimeError), EventStorage():
        raise RuntimeError
    assert not has_event_storage()


def test_latest_and_smoothed():
    with EventStorage() as storage:
        for value in (1.0, 9.0, 2.0, 3.0):
            storage.put_scalar("loss", value)
            storage.put_scalar("lr", value, smoothing_hint=False)
            storage.step()
    assert storage.latest() == {"loss": (3.0, 3), "lr": (3.0, 3)}
    # The median of 9, 2, 3 is 3; without smoothing the latest counts.
    assert storage.latest_with_smoothing_hint(3) == {"loss": (3.0, 3), "lr": (3.0, 3)}
    assert storage.latest_with_smoothing_hint(4)["loss"] == (2.5, 3)
    assert storage.smoothing_hints() == {"loss": True, "lr": False}
    assert storage.history("loss").global_avg() == pytest.approx(15 / 4)
    assert list(storage.histories()) == ["loss", "lr"]


def test_count_samples_looks_at_iterations_not_at_values():
    storage = EventStorage()
    for iteration in (0, 10, 20, 25):
        storage.put_scalar("x", 1.0, cur_iter=iteration)
    assert storage.count_samples("x", 5) == 1  # 25; 20 is five iterations ago
    assert storage.count_samples("x", 6) == 2
    assert storage.count_samples("x", 100) == 4


def test_names():
    storage = EventStorage()
    with storage.name_scope("train"):
        storage.put_scalars(a=1, b=2, cur_iter=5)
    storage.put_scalar("a", 3)
    assert storage.latest() == {"train/a": (1.0, 5), "train/b": (2.0, 5), "a": (3.0, 0)}
    with pytest.raises(KeyError, match="No scalar is named 'c'; there are: a, train/a, train/b"):
        storage.history("c")
    with pytest.raises(AssertionError, match="smoothing_hint=True before"):
        storage.put_scalar("a", 3, smoothing_hint=False)


def test_tensors_become_numbers():
    storage = EventStorage()
    weight = torch.tensor(2.0, requires_grad=True)
    storage.put_scalar("loss", weight * 3)
    storage.put_scalar("loss", torch.tensor([7]))
    assert storage.history("loss").values() == [(6.0, 0), (7.0, 0)]
    with pytest.raises((RuntimeError, ValueError)):
        storage.put_scalar("loss", torch.ones(2))


def test_histogram():
    storage = EventStorage(4)
    storage.put_histogram("h", torch.tensor([[0.0, 1.0], [1.0, 4.0]]), bins=4)
    storage.put_histogram("nothing", torch.zeros(0))
    (histogram,) = storage._histograms
    assert histogram["bucket_limits"] == [1.0, 2.0, 3.0, 4.0]
    assert histogram["bucket_counts"] == [1.0, 2.0, 0.0, 1.0]  # a value on an edge belongs to the right bin
    assert (histogram["min"], histogram["max"], histogram["num"]) == (0.0, 4.0, 4)
    assert (histogram["sum"], histogram["sum_squares"], histogram["global_step"]) == (6.0, 18.0, 4)
    storage.clear_histograms()
    assert storage._histograms == []


def test_writer_must_say_how():
    with pytest.raises(NotImplementedError, match="EventWriter must define write"):
        EventWriter().write()
    EventWriter().close()


def test_json_lines(tmp_path):
    path = tmp_path / "new" / "metrics.json"
    writer = JSONWriter(str(path))
    with EventStorage(19) as storage:
        storage.put_scalar("loss", torch.tensor(0.5))
        storage.put_scalar("AP", 40.0, smoothing_hint=False, cur_iter=18)
        writer.write()
        assert [json.loads(line) for line in path.read_text().splitlines()] == [  # readable while it grows
            {"iteration": 18, "AP": 40.0},
            {"iteration": 19, "loss": 0.5},
        ]
        writer.write()  # nothing is new
        storage.step()
        storage.put_scalar("loss", 1.5)
        writer.write()
    writer.close()
    again = JSONWriter(str(path))  # a resumed run goes on in the same file
    with EventStorage(30) as storage:
        storage.put_scalar("loss", 2.0)
        again.write()
    again.close()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [18, 19, 20, 30]
    assert rows[2] == {"iteration": 20, "loss": 1.0}  # the median of 0.5 and 1.5


def print_line(caplog, storage, **kwargs):
    caplog.clear()
    logger = logging.getLogger("detectron2.utils.events")
    with caplog.at_level(logging.INFO, logger=logger.name):
        logger.addHandler(caplog.handler)  # the package's logger may not propagate
        try:
            CommonMetricPrinter(**kwargs).write()
        finally:
            logger.removeHandler(caplog.handler)
    return list(dict.fromkeys(caplog.messages))


def test_progress_line(caplog):
    with EventStorage(39) as storage:
        storage.put_scalars(total_loss=2.25, loss_mask=0.75, other=9.0)
        storage.put_scalars(time=0.5, data_time=0.125)
        storage.put_scalar("lr", 0.02, smoothing_hint=False)
        (line,) = print_line(caplog, storage, max_iter=100)
        # 60 iterations are left, of half a second each.
        assert line.startswith(" eta: 0:00:30  iter: 39  total_loss: 2.25  loss_mask: 0.75  time: 0.5000")
        assert "  data_time: 0.1250  " in line
        assert "  lr: 0.02" in line
        assert "other" not in line
        assert storage.latest()["eta_seconds"] == (30.0, 39)


def test_progress_line_of_an_empty_storage(caplog):
    with EventStorage(3) as storage:
        (line,) = print_line(caplog, storage)
        assert line.startswith(" iter: 3  lr: N/A")
        storage.iter = 10
        assert print_line(caplog, storage, max_iter=10) == []  # all is done: no progress to tell


def test_time_left_without_the_trainers_clock(caplog, monkeypatch):
    printer = CommonMetricPrinter(max_iter=100)
    with EventStorage(10) as storage:
        monkeypatch.setattr("time.perf_counter", lambda: 50.0)
        assert printer._eta(storage, {}) == ""
        storage.iter = 20
        monkeypatch.setattr("time.perf_counter", lambda: 70.0)  # two seconds per iteration, 80 are left
        assert printer._eta(storage, {}) == "0:02:40"


class Recorder:
    """Stands in for SummaryWriter, whose import alone takes seconds."""

    def __init__(self, **arguments):
        self.calls = [("init", arguments)]

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.calls.append((name, *args, *kwargs.items()))


def test_tensorboard_gets_each_event_once(monkeypatch):
    writer = TensorboardXWriter("folder", flush_secs=5)
    recorder = writer.__dict__["_writer"] = Recorder()
    image = torch.zeros(3, 2, 2)
    with EventStorage(2) as storage:
        storage.put_scalar("a", 1.0)
        storage.put_image("picture", image)
        storage.put_histogram("h", torch.tensor([0.0, 1.0]), bins=2)
        writer.write()
        writer.write()
        storage.step()
        storage.put_scalar("b", 2.0)
        writer.write()
        assert storage._vis_data == []
    writer.close()
    names = [call[0] for call in recorder.calls[1:]]
    assert names == ["add_scalar", "add_image", "add_histogram_raw", "add_scalar", "close"]
    assert recorder.calls[1] == ("add_scalar", "a", 1.0, 2)
    assert recorder.calls[2][1:] == ("picture", image, 2)
    assert recorder.calls[4] == ("add_scalar", "b", 2.0, 3)


def test_tensorboard_makes_no_file_before_there_is_something_to_write(tmp_path):
    writer = TensorboardXWriter(str(tmp_path / "tb"))
    writer.close()
    assert not (tmp_path / "tb").exists()


def test_tensorboard_file(tmp_path):
    writer = TensorboardXWriter(str(tmp_path))
    with EventStorage() as storage:
        storage.put_scalar("a", 1.0)
        storage.put_image("picture", torch.zeros(3, 2, 2))
        storage.put_histogram("h", torch.arange(5.0))
        writer.write()
    writer.close()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size > 200
