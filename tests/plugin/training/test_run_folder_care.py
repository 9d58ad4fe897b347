"""What a run keeps in its folder beside the weights: its lock, what was left out, what each start was."""

import json
import os
import subprocess
import sys

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.training.left_out import LeftOut, left_out_of
from maskrcnn_project.training.leftovers import remove_unfinished
from maskrcnn_project.training.run_lock import LOCK_NAME, hold_folder, release_folder
from maskrcnn_project.training.run_record import note_start, read_starts, without_secrets
from maskrcnn_project.training.sample_stream import LEFT_OUT, Samples
from tests.contract.tiny import tiny_cfg
from tests.places import ROOT

HOLD = """
import sys
from pathlib import Path
from maskrcnn_project.training.run_lock import hold_folder
hold_folder(Path(sys.argv[1]), "has been training")
print("held", flush=True)
sys.stdin.read()
"""


def other_process(folder):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], **pipes, env=environment)


def test_a_folder_has_one_holder_and_a_dead_one_is_none(tmp_path):
    process = other_process(tmp_path)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(ValueError, match=rf"is in use: process {process.pid} on \S+ has been training since \d{{4}}-"):
        hold_folder(tmp_path, "predicts")
    process.kill()
    process.wait()
    assert (tmp_path / LOCK_NAME).is_file()
    hold_folder(tmp_path, "predicts")
    hold_folder(tmp_path, "predicts")  # once more does nothing
    # read by another process: to open and close the file here would give up the lock
    text = subprocess.run(["cat", tmp_path / LOCK_NAME], capture_output=True, text=True).stdout
    assert json.loads(text)["pid"] == os.getpid()
    refused = other_process(tmp_path)
    assert "is in use" in refused.communicate()[1]
    release_folder(tmp_path)
    assert not (tmp_path / LOCK_NAME).exists()
    process = other_process(tmp_path)
    assert process.communicate("")[0] == "held\n" and not (tmp_path / LOCK_NAME).exists()


def test_what_a_killed_process_left_is_removed(tmp_path):
    for name in (".model_0000004.pth.4711.part", ".model_best.0123456789ab.partial.pth", "model_final.pth", ".hidden"):
        (tmp_path / name).write_bytes(b"12345")
    assert remove_unfinished(tmp_path) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "model_final.pth"]


def test_images_are_left_out_up_to_a_budget(tmp_path):
    path = tmp_path / "left_out.txt"
    left_out = LeftOut(path, 2)
    left_out.note([("a.png", "broken\nin two lines")])
    left_out.note([("a.png", "broken again"), ("b.png", "gone")])
    assert path.read_text() == "a.png\tbroken in two lines\nb.png\tgone\n"
    with pytest.raises(DatasetError, match=r"3 images could not be used, more than the 2 .* the last is c\.png"):
        LeftOut(path, 2).note([("c.png", "gone, too")])


@pytest.mark.parametrize(("key", "value"), [("ON_ERROR", "ignore"), ("ERROR_BUDGET", 2.0)])
def test_what_cannot_be_asked_for(key, value):
    cfg = tiny_cfg()
    add_maskrcnn_config(cfg)
    assert left_out_of(cfg, 100) is None
    cfg.DATALOADER[key] = value
    with pytest.raises(ValueError, match=rf"DATALOADER\.{key} must be"):
        left_out_of(cfg, 100)


def test_another_sample_stands_in_for_a_broken_one():
    def mapper(record):
        if record["file_name"] == "2.png":
            raise OSError("cut off")
        return {"name": record["file_name"]}

    records = [{"file_name": f"{number}.png"} for number in range(8)]
    with pytest.raises(OSError, match="cut off"):
        Samples(records, mapper, seed=0)[2, 40]
    tolerant = Samples(records, mapper, seed=0, tolerant=True)
    sample = tolerant[2, 40]
    assert sample[LEFT_OUT] == [("2.png", "cut off")] and sample["name"] != "2.png"
    assert tolerant[2, 40] == sample and tolerant[3, 40] == {"name": "3.png"}
    with pytest.raises(ValueError, match="20 records in turn give no sample, .*: no"):
        Samples(records, lambda record: 1 / 0 if False else (_ for _ in ()).throw(OSError("no")), 0, True)[0, 0]


def test_each_start_is_told(tmp_path):
    name = "care_set"
    (tmp_path / "a.json").write_text("{}")
    DatasetCatalog.register(name, list)
    MetadataCatalog.get(name).set(json_file=str(tmp_path / "a.json"), thing_classes=["nut", "bolt"], image_root="img")
    try:
        cfg = tiny_cfg(tmp_path)
        cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (name,), ()
        note_start(cfg, ["train_net.py", "--output", "run"])
        note_start(cfg, ["train_net.py", "--resume", "WANDB_API_KEY=abc"])
    finally:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    first, second = read_starts(tmp_path / "starts.json")
    assert first["command"] == "train_net.py --output run" and "abc" not in second["command"]
    # SHA-256 of the two bytes {}, as sha256sum prints it
    assert first["data"][name]["sha256"] == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert first["data"][name]["classes"] == ["nut", "bolt"] and first["versions"]["torch"]


def test_secrets_are_no_part_of_the_story():
    told = without_secrets("train --token hf_123 MODEL.WEIGHTS https://me:pw@host/w.pth api_key=9 OUTPUT_DIR run")
    assert told == "train --token *** MODEL.WEIGHTS https://***@host/w.pth api_key=*** OUTPUT_DIR run"
