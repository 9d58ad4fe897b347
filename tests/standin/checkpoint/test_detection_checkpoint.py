"""The checkpointer: round trips, dialects, what it reports and what it refuses."""

import logging
import os
import pickle

import numpy as np
import pytest
import torch
from detectron2.checkpoint import Checkpointer, DetectionCheckpointer, PeriodicCheckpointer
from torch import nn


class Counter:
    """Something with state."""

    def __init__(self, value):
        self.value = value

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def net(classes=2, seed=0):
    torch.manual_seed(seed)
    model = nn.Module()
    model.backbone = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    model.box_predictor = nn.Module()
    model.box_predictor.cls_score = nn.Linear(2, classes + 1)
    return model


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_round_trip_of_model_state_and_extra(tmp_path):
    saved, counter = net(seed=1), Counter(5)
    DetectionCheckpointer(saved, str(tmp_path), counter=counter).save("model_0000004", iteration=4)
    assert sorted(os.listdir(tmp_path)) == ["last_checkpoint", "model_0000004.pth"]
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000004.pth"

    loaded, other = net(seed=2), Counter(0)
    checkpointer = DetectionCheckpointer(loaded, str(tmp_path), counter=other)
    assert checkpointer.resume_or_load("elsewhere.pth", resume=True) == {"iteration": 4}
    assert same(loaded, saved)
    assert other.value == 5


def test_without_resume_only_weights_are_taken(tmp_path):
    saved = net(seed=1)
    DetectionCheckpointer(saved, str(tmp_path), counter=Counter(5)).save("a")
    loaded, counter = net(seed=2), Counter(0)
    checkpointer = DetectionCheckpointer(loaded, str(tmp_path / "new"), counter=counter)
    checkpointer.resume_or_load(str(tmp_path / "a.pth"), resume=True)  # there is nothing to resume in "new"
    assert same(loaded, saved)
    assert counter.value == 0


def test_failed_save_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    model = net()
    checkpointer = DetectionCheckpointer(model, str(tmp_path))
    checkpointer.save("model")

    def disk_full(data, file):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", disk_full)
    with pytest.raises(OSError, match="No space left"):
        checkpointer.save("model")
    assert sorted(os.listdir(tmp_path)) == ["last_checkpoint", "model.pth"]
    DetectionCheckpointer(net(seed=3)).load(str(tmp_path / "model.pth"))  # still whole


def test_state_that_would_not_load_again_is_named_when_saved(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        DetectionCheckpointer(net(), str(tmp_path), counter=Counter(slice(1))).save("a")
    assert "['counter']['value'] is a builtins.slice" in caplog.text


def test_other_processes_do_not_write(tmp_path):
    DetectionCheckpointer(net(), str(tmp_path), save_to_disk=False).save("a")
    assert os.listdir(tmp_path) == []


def test_periodic_checkpointer_keeps_the_newest(tmp_path):
    assert issubclass(DetectionCheckpointer, Checkpointer)
    periodic = PeriodicCheckpointer(DetectionCheckpointer(net(), str(tmp_path)), 2, max_iter=7, max_to_keep=2)
    for iteration in range(7):
        periodic.step(iteration)
    names = sorted(os.listdir(tmp_path))
    assert names == ["last_checkpoint", "model_0000003.pth", "model_0000005.pth", "model_final.pth"]


def test_no_path_loads_nothing():
    model = net()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert DetectionCheckpointer(model).load("") == {}
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.pth does not exist: put the file there.*MODEL.WEIGHTS \"\""):
        DetectionCheckpointer(net()).load(str(tmp_path / "nowhere.pth"))
    with pytest.raises(FileNotFoundError, match="is a folder, not a file of weights"):
        DetectionCheckpointer(net()).load(str(tmp_path))


def write_pickle(path, content):
    path.write_bytes(pickle.dumps(content))
    return str(path)


def arrays(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


def test_model_zoo_pickle(tmp_path):
    saved, loaded = net(seed=1), net(seed=2)
    path = write_pickle(tmp_path / "zoo.pkl", {"model": arrays(saved), "__author__": "Detectron2 Model Zoo"})
    DetectionCheckpointer(loaded).load(path)
    assert same(loaded, saved)


@pytest.mark.parametrize(
    "content",
    [
        lambda blobs: {"blobs": {**blobs, "conv1_w_momentum": np.zeros(9, "float32")}, "cfg": "text"},
        lambda blobs: blobs,
        lambda blobs: {"model": blobs, "__author__": "Caffe2", "matching_heuristics": True},
    ],
    ids=["detectron", "bare blobs", "msra"],
)
def test_caffe2_pickles(tmp_path, content):
    model = nn.Module()
    model.bottom_up = nn.Module()
    model.bottom_up.stem = nn.Module()
    model.bottom_up.stem.conv1 = nn.Conv2d(1, 2, 1, bias=False)
    blob = np.arange(2, dtype="float32").reshape(2, 1, 1, 1)
    DetectionCheckpointer(model).load(write_pickle(tmp_path / "R.pkl", content({"conv1_w": blob})))
    assert model.bottom_up.stem.conv1.weight.flatten().tolist() == [0, 1]


def test_bare_state_dict_and_parallel_prefix(tmp_path):
    saved, loaded = net(seed=1), net(seed=2)
    torch.save({f"module.{name}": value for name, value in saved.state_dict().items()}, tmp_path / "a.pth")
    DetectionCheckpointer(loaded).load(str(tmp_path / "a.pth"))
    assert same(loaded, saved)


def test_matching_by_endings_on_request(tmp_path):
    saved, loaded = net(seed=1), nn.Module()
    loaded.detector = net(seed=2)
    torch.save(saved.state_dict(), tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=r"No name of the checkpoint is one of the model's.*\?matching_heuristics=True"
    ):
        DetectionCheckpointer(loaded).load(str(tmp_path / "a.pth"))
    DetectionCheckpointer(loaded).load(str(tmp_path / "a.pth") + "?matching_heuristics=True")
    assert same(loaded.detector, saved)
    with pytest.raises(ValueError, match="Only .matching_heuristics=True may follow .*, not heuristics"):
        DetectionCheckpointer(loaded).load(str(tmp_path / "a.pth") + "?heuristics=True")


def test_other_number_of_classes_is_told_and_passed_over(tmp_path, caplog):
    torch.save({"model": net(classes=80, seed=1).state_dict()}, tmp_path / "a.pth")
    model = net(classes=3, seed=2)
    before = model.box_predictor.cls_score.weight.clone()
    with caplog.at_level(logging.WARNING):
        DetectionCheckpointer(model).load(str(tmp_path / "a.pth"))
    assert torch.equal(model.box_predictor.cls_score.weight, before)
    assert torch.equal(model.backbone[0].weight, net(seed=1).backbone[0].weight)
    assert "81 x 2 (80 classes)" in caplog.text
    assert "4 x 2 (3 classes)" in caplog.text
    assert "The checkpoint was trained for 80 classes and the model has 3" in caplog.text
    assert "Not in the checkpoint" not in caplog.text  # told once


def test_resuming_with_other_shapes_is_refused(tmp_path):
    DetectionCheckpointer(net(classes=80), str(tmp_path), counter=Counter(1)).save("a")
    checkpointer = DetectionCheckpointer(net(classes=3), str(tmp_path), counter=Counter(2))
    with pytest.raises(ValueError, match="(?s)Cannot resume.*80 classes"):
        checkpointer.resume_or_load("", resume=True)


def test_missing_and_unexpected_names_are_grouped(tmp_path, caplog):
    state = net().state_dict()
    for name in [n for n in state if n.startswith("backbone.1.")]:
        del state[name]
    state.update({"head.0.w": torch.zeros(1), "head.1.w": torch.zeros(1), "pixel_mean": torch.zeros(3)})
    torch.save({"model": state}, tmp_path / "a.pth")
    with caplog.at_level(logging.WARNING):
        DetectionCheckpointer(net()).load(str(tmp_path / "a.pth"))
    missing, unexpected = (record.getMessage().splitlines() for record in caplog.records)
    assert missing == [
        "Not in the checkpoint, left as initialised:",
        "  backbone.1.{bias, running_mean, running_var, weight}",
    ]
    assert unexpected == ["In the checkpoint, but not in the model:", "  head.*.w  2 modules"]


def test_shared_parameters_are_not_missing(tmp_path, caplog):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(1, 1)
            self.two = self.one

    torch.save({"model": {"one.weight": torch.ones(1, 1), "one.bias": torch.ones(1)}}, tmp_path / "a.pth")
    with caplog.at_level(logging.WARNING):
        DetectionCheckpointer(Tied()).load(str(tmp_path / "a.pth"))
    assert caplog.records == []


def test_file_without_weights_is_named(tmp_path):
    torch.save({"epoch": 3, "state": {}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="a.pth must hold tensors .* 'epoch' is a int; its keys are 'epoch', 'state'"):
        DetectionCheckpointer(net()).load(str(tmp_path / "a.pth"))
    torch.save([torch.zeros(1)], tmp_path / "b.pth")
    with pytest.raises(ValueError, match="b.pth must hold a dict of weights, but holds a list"):
        DetectionCheckpointer(net()).load(str(tmp_path / "b.pth"))
