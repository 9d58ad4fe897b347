"""From the command to a config with registered data: each step once, each file parsed once."""

import json

import pytest
import yaml
from detectron2.data import DatasetCatalog

from maskrcnn_project.config import get_config
from maskrcnn_project.datasets import coco_file
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.training import own_data
from maskrcnn_project.training import prepare as module
from maskrcnn_project.training.arguments import training_parser
from maskrcnn_project.training.prepare import complete, infer_num_classes, prepare, read_described_sets, register

SQUARE = {"category_id": 1, "bbox": [2, 2, 4, 4], "area": 16, "iscrowd": 0, "segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]]}


@pytest.fixture
def described(tmp_path, catalogs_as_before):
    """A function that describes a set of ``count`` images with one square each; all are unregistered at the end."""

    def describe(name, count=6, classes=("square", "circle"), **changes):
        rows = [{"id": i + 1, "image_id": i + 1, **SQUARE, **changes} for i in range(count)]
        images = [{"id": i + 1, "file_name": f"{i}.png", "height": 10, "width": 10} for i in range(count)]
        for image in images:
            (tmp_path / image["file_name"]).touch()  # the quick rules look at names only
        categories = [{"id": i + 1, "name": text} for i, text in enumerate(classes)]
        content = {"images": images, "annotations": rows, "categories": categories}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        splits = {"train": {"json": f"{name}.json", "images": "."}}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, "splits": splits}))
        return name

    return describe


def config(folder, *names):
    cfg = get_config()
    cfg.DATASETS.DESCRIPTIONS = tuple(str(folder / f"{name}.yaml") for name in names)
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (f"{names[0]}_train",), (f"{names[-1]}_train",)
    return cfg


def registered(folder, *names):
    cfg = config(folder, *names)
    register(cfg, read_described_sets(cfg, skip_check=False), [*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST])
    return cfg


def test_the_number_of_classes_comes_from_the_set(described, tmp_path):
    cfg = registered(tmp_path, described("prepare_classes"))
    assert (
        infer_num_classes(cfg, cfg.DATASETS.TRAIN)
        == "MODEL.ROI_HEADS.NUM_CLASSES 2: the classes of prepare_classes_train"
    )
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES == 2
    assert infer_num_classes(cfg, cfg.DATASETS.TRAIN) == ""  # it is known now


def test_another_number_than_the_default_is_somebodys_choice(described, tmp_path):
    cfg = registered(tmp_path, described("prepare_choice"))
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 5
    assert infer_num_classes(cfg, cfg.DATASETS.TRAIN) == "" and cfg.MODEL.ROI_HEADS.NUM_CLASSES == 5


def test_epochs_and_rate_follow_the_set(described, tmp_path):
    cfg = registered(tmp_path, described("prepare_epochs"))
    cfg.SOLVER.EPOCHS, cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.REFERENCE_BATCH_SIZE = 10.0, 2, 16
    cfg.SOLVER.BASE_LR = 0.02
    notes = complete(cfg, {})
    assert cfg.SOLVER.MAX_ITER == 30  # 10 * 6 / 2
    assert pytest.approx(0.0025) == cfg.SOLVER.BASE_LR
    assert any("10 epochs of 6 images at 2 per step -> 30 iterations" in note for note in notes)


def test_errors_stop_it_and_a_switch_passes_over_them(described, tmp_path):
    cfg = config(tmp_path, described("prepare_errors", bbox=[2, 2, 0, 4]))
    with pytest.raises(DatasetError, match="box-empty.*--skip-data-check"):
        read_described_sets(cfg, skip_check=False)
    assert len(read_described_sets(cfg, skip_check=True)) == 1


def test_sets_that_disagree_are_refused(described, tmp_path):
    with pytest.raises(DatasetError, match="'circle' in prepare_a_train and 'disk' in prepare_b_train"):
        registered(tmp_path, described("prepare_a"), described("prepare_b", classes=("square", "disk")))


ONCE = ("fetch_weights", "refuse_used_folder", "register_descriptions", "check_sets_agree")


@pytest.fixture
def counted(monkeypatch):
    """How often each step of ``prepare`` was called, and which JSON files were parsed."""
    calls, parsed = dict.fromkeys(ONCE, 0), []

    def counting(name, function):
        def call(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        return call

    for name in ONCE:
        monkeypatch.setattr(module, name, counting(name, getattr(module, name)))

    def reading(path, read=coco_file.read_json):
        parsed.append(str(path))
        return read(path)

    for owner in (coco_file, module, own_data):
        monkeypatch.setattr(owner, "read_json", reading)
    return calls, parsed


@pytest.mark.parametrize("form", ["split", "two files", "config", "overfit"])
def test_each_step_is_taken_once_and_each_file_parsed_once(described, counted, tmp_path, form):
    calls, parsed = counted
    train, val = described("once"), described("once_val")
    own = ["--images", str(tmp_path), "--annotations", str(tmp_path / f"{train}.json"), "--skip-image-check"]
    own += ["--backbone", "resnet18"]
    (tmp_path / "once.cfg.yaml").write_text(
        yaml.safe_dump({"DATASETS": {"DESCRIPTIONS": [str(tmp_path / f"{name}.yaml") for name in (train, val)],
                                     "TRAIN": ["once_train"], "TEST": ["once_val_train"]},
                        "MODEL": {"WEIGHTS": ""}})
    )  # fmt: skip
    flags, files = {
        "split": (own, 1),
        "two files": ([*own, "--val-images", str(tmp_path), "--val-annotations", str(tmp_path / f"{val}.json")], 2),
        "config": (["--config-file", str(tmp_path / "once.cfg.yaml")], 2),
        "overfit": ([*own, "--overfit", "2"], 1),
    }[form]
    cfg = prepare(training_parser().parse_args([*flags, "--output", str(tmp_path / "run")]))
    for name in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST):
        assert DatasetCatalog.get(name)
    assert calls == dict.fromkeys(ONCE, 1)
    assert len(parsed) == len(set(parsed)) == files


def test_overfit_takes_the_output_of_the_options_and_refuses_what_contradicts_it(described, tmp_path):
    name = described("by_heart", count=8)
    own = ["--images", str(tmp_path), "--annotations", str(tmp_path / f"{name}.json"), "--skip-image-check"]
    own += ["--backbone", "resnet18", "--overfit", "2"]
    cfg = prepare(training_parser().parse_args([*own, "OUTPUT_DIR", str(tmp_path / "out"), "SOLVER.MAX_ITER", "7"]))
    assert str(tmp_path / "out-overfit") == cfg.OUTPUT_DIR
    assert cfg.SOLVER.MAX_ITER == 7
    assert len(DatasetCatalog.get(cfg.DATASETS.TRAIN[0])) == 2 and cfg.DATASETS.TRAIN == cfg.DATASETS.TEST
    assert not (tmp_path / "out").exists()
    for key, value in (("DATASETS.TRAIN", "('x',)"), ("DATASETS.TEST", "('x',)"), ("INPUT.CROP.ENABLED", "True")):
        with pytest.raises(ValueError, match=f"{key}"):
            prepare(training_parser().parse_args([*own, key, value]))
