"""
Every flag in every kind of run changes the config that comes out, changes something else that is named here, or is
refused in one sentence. A new flag fails until it has a row.
"""

import json

import pytest
import torch
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.training.arguments import training_parser
from maskrcnn_project.training.prepare import prepare
from tests.plugin.training.photos import coco, write_photos

pytestmark = pytest.mark.usefixtures("catalogs_as_before")

MODES = ("images", "config", "recipe", "resume", "eval-only")
# A value for each flag, unlike what the runs below have; {root} is the test's folder.
VALUES = {
    "config_file": "configs/mask_rcnn_R_50_FPN_1x.yaml",
    "images": "{root}/photos",
    "annotations": "{root}/other.json",
    "val_images": "{root}/photos",
    "val_annotations": "{root}/other.json",
    "backbone": "resnet34",
    "batch_size": "3",
    "learning_rate": "0.004",
    "score_threshold": "0.7",
    "epochs": "5",
    "short_edge": "96",
    "weights": "{root}/weights.pth",
    "seed": "9",
    "output": "{root}/elsewhere",
    "overfit": "2",
}
TOGETHER = {"images": ("annotations",), "annotations": ("images",), "val_images": ("val_annotations",),
            "val_annotations": ("val_images",)}  # fmt: skip
# What a flag changes that no config shows, and the test that shows it.
ELSEWHERE = {
    "help": "prints the help",
    "resume": "the kinds of run below, tests/plugin/training/test_resume.py",
    "eval_only": "the kinds of run below",
    "num_gpus": "launch, tests/plugin/test_tools.py",
    "num_machines": "launch",
    "machine_rank": "launch",
    "dist_url": "launch",
    "opts": "test_an_option_is_in_the_config",
    "skip_image_check": "test_the_switches_pass_over_faults",
    "skip_data_check": "test_the_switches_pass_over_faults",
    "find_batch_size": "tests/plugin/training/test_find_batch_size.py",
    "fit_memory": "tests/plugin/training/test_run.py",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Ten photos, two COCO files, a config, weights with a class table."""
    root = tmp_path_factory.mktemp("flags")
    write_photos(root / "photos")
    (root / "photos.json").write_text(json.dumps(coco()))
    (root / "other.json").write_text(json.dumps(coco(8)))
    torch.save({"model": {}, "classes": {"names": ["square"], "ids": [1]}}, root / "weights.pth")
    split = {"json": "photos.json", "images": "photos"}
    (root / "set.yaml").write_text(yaml.safe_dump({"name": "flags", "splits": {"train": split, "val": split}}))
    data = {"DESCRIPTIONS": [str(root / "set.yaml")], "TRAIN": ["flags_train"], "TEST": ["flags_val"]}
    (root / "config.yaml").write_text(yaml.safe_dump({"DATASETS": data, "MODEL": {"WEIGHTS": ""}}))
    return root


def forget_sets():
    for name in [name for name in DatasetCatalog.list() if name.split("_")[0] in ("photos", "flags", "evaluation")]:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def config_of(words):
    """The config that a command line gives, as text; a run's folder, which differs each time, left out."""
    forget_sets()
    return prepare(training_parser().parse_args([str(word) for word in words])).dump()


def command(mode, root, run):
    """A command of each kind, without the flag that is tried."""
    data = ["DATASETS.DESCRIPTIONS", f"('{root / 'set.yaml'}',)", "DATASETS.TRAIN", "('flags_train',)"]
    data += ["DATASETS.TEST", "('flags_val',)", "MODEL.WEIGHTS", ""]
    own = ["--images", root / "photos", "--annotations", root / "photos.json", "--backbone", "resnet18"]
    if mode in ("resume", "eval-only") and not run.exists():
        cfg = prepare(training_parser().parse_args([*map(str, own), "--output", str(run)]))
        (run / "config.yaml").write_text(cfg.dump())
        torch.save({"model": {}, "classes": {"names": ["square"], "ids": [1]}}, run / "model_final.pth")
    return {
        "images": ([*own], ["OUTPUT_DIR", run]),
        "config": (["--config-file", root / "config.yaml"], ["OUTPUT_DIR", run]),
        "recipe": (["--config-file", "configs/recipes/small_data_R_50.yaml"], [*data, "OUTPUT_DIR", run]),
        "resume": (["--resume", "--output", run], []),
        "eval-only": (["--eval-only", "--output", run], []),
    }[mode]


def flags_of_parser():
    return {action.dest for action in training_parser()._actions}


def test_every_flag_has_a_row():
    assert flags_of_parser() == set(VALUES) | set(ELSEWHERE)


@pytest.mark.parametrize("flag", sorted(VALUES))
@pytest.mark.parametrize("mode", MODES)
def test_a_flag_is_used_or_refused(mode, flag, files, tmp_path):
    flags, options = command(mode, files, tmp_path / "run")
    before = config_of([*flags, *options])
    for extra in (flag, *TOGETHER.get(flag, ())):
        name = "--" + extra.replace("_", "-")
        if name in flags:
            place = flags.index(name)
            del flags[place : place + 2]
        flags += [name, VALUES[extra].format(root=files)]
    if flag == "output":
        options = [word for word in options if word not in ("OUTPUT_DIR", tmp_path / "run")]
    if flag == "weights" and mode == "recipe":
        options = [word for pair in zip(options[::2], options[1::2], strict=True) if pair[0] != "MODEL.WEIGHTS"
                   for word in pair]  # fmt: skip
    try:
        after = config_of([*flags, *options])
    except (ValueError, OSError) as error:
        used = flag == "config_file" and "R-50.pkl" in str(error)  # the weights that the other config names
        assert "\n" not in str(error) and ("--" in str(error) or used), error
    else:
        if flag in ("images", "annotations") and mode == "images":  # names of sets are those of the files
            assert DatasetCatalog.get("other_train")
            return
        if flag in ("val_images", "val_annotations") and mode == "images":
            assert len(DatasetCatalog.get("photos_val")) == 8 and len(DatasetCatalog.get("photos_train")) == 10
            return
        assert after != before, f"{flag} was swallowed"


@pytest.mark.parametrize(
    ("key", "value", "follows"),
    [
        ("SOLVER.MAX_ITER", "50", ("SOLVER.STEPS", "(33, 44)")),
        ("SOLVER.EPOCHS", "10.0", ("SOLVER.MAX_ITER", "40")),
        ("SOLVER.IMS_PER_BATCH", "4", ("SOLVER.IMS_PER_BATCH", "4")),
        ("INPUT.MIN_SIZE_TEST", "96", ("INPUT.MAX_SIZE_TEST", "160")),
    ],
)
def test_an_option_is_in_the_config_and_what_was_chosen_follows_it(files, tmp_path, capsys, key, value, follows):
    flags, options = command("images", files, tmp_path / "run")
    cfg = prepare(training_parser().parse_args([*map(str, flags), *map(str, options), key, value]))
    found = cfg
    for part in follows[0].split("."):
        found = found[part]
    assert str(found) == follows[1]
    if key != "SOLVER.EPOCHS":
        line = next(line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == [key])
        assert value in line.split() and "set by you" in line


def test_options_follow_the_length_with_a_config_too_unless_they_are_set(files, tmp_path):
    flags = ["--config-file", str(files / "config.yaml"), "--output", str(tmp_path / "run")]
    cfg = prepare(training_parser().parse_args([*flags, "SOLVER.MAX_ITER", "400", "TEST.EVAL_PERIOD", "7"]))
    assert cfg.SOLVER.STEPS == (300,)  # Detectron2's default falls at 30,000 of 40,000
    assert cfg.SOLVER.WARMUP_ITERS == 10 and cfg.SOLVER.CHECKPOINT_PERIOD == 50 and cfg.TEST.EVAL_PERIOD == 7


def test_the_data_keys_of_the_options(files, tmp_path):
    flags, options = command("images", files, tmp_path / "run")
    words = [*map(str, flags), *map(str, options)]
    assert prepare(training_parser().parse_args([*words, "DATASETS.TEST", "()"])).DATASETS.TEST == ()
    with pytest.raises(ValueError, match="DATASETS.TRAIN: leave one of them out"):
        prepare(training_parser().parse_args([*words, "DATASETS.TRAIN", "()"]))


def test_hooks_are_added_to_those_that_were_chosen(files, tmp_path):
    flags, options = command("images", files, tmp_path / "run")
    words = [*map(str, flags), *map(str, options)]
    chosen = prepare(training_parser().parse_args(words)).HOOKS.NAMES
    forget_sets()
    more = prepare(training_parser().parse_args([*words, "HOOKS.NAMES", "('+EarlyStopping', '-LossCurves')"]))
    assert (*(name for name in chosen if name != "LossCurves"), "EarlyStopping") == more.HOOKS.NAMES


def test_a_flag_and_an_option_that_contradict_each_other(files, tmp_path):
    flags, options = command("images", files, tmp_path / "run")
    words = [*map(str, flags), "--batch-size", "4", *map(str, options)]
    with pytest.raises(ValueError, match="--batch-size 4 and SOLVER.IMS_PER_BATCH 8 say two things"):
        prepare(training_parser().parse_args([*words, "SOLVER.IMS_PER_BATCH", "8"]))
    assert prepare(training_parser().parse_args([*words, "SOLVER.IMS_PER_BATCH", "4"])).SOLVER.IMS_PER_BATCH == 4


def test_a_flag_after_the_options_is_named(files, tmp_path):
    flags, options = command("images", files, tmp_path / "run")
    with pytest.raises(ValueError, match="The flag --epochs stands after the KEY VALUE pairs"):
        prepare(training_parser().parse_args([*map(str, flags), *map(str, options), "--epochs", "3"]))


def test_the_switches_pass_over_faults(files, tmp_path):
    content = coco()
    content["annotations"][0]["bbox"] = [2, 2, 0, 4]
    content["images"][1]["height"] = 50
    (tmp_path / "faulty.json").write_text(json.dumps(content))
    words = [
        "--images",
        str(files / "photos"),
        "--annotations",
        str(tmp_path / "faulty.json"),
        "--backbone",
        "resnet18",
    ]
    words += ["--output", str(tmp_path / "run")]
    with pytest.raises(ValueError, match="box-empty"):
        prepare(training_parser().parse_args(words))
    with pytest.raises(ValueError, match="--skip-image-check"):
        prepare(training_parser().parse_args([*words, "--skip-data-check"]))
    assert prepare(training_parser().parse_args([*words, "--skip-data-check", "--skip-image-check"]))


def test_the_same_command_with_resume_goes_on(files, tmp_path):
    """A job that is started again has its own flags once more."""
    flags, _ = command("images", files, tmp_path / "run")
    command("resume", files, tmp_path / "run")
    own = [*map(str, flags), "--output", str(tmp_path / "run"), "--resume"]
    assert prepare(training_parser().parse_args(own)).DATASETS.TRAIN == ("photos_train",)
    forget_sets()
    with pytest.raises(ValueError, match=r"--seed 4 \(the run has the default\) does not go with --resume"):
        prepare(training_parser().parse_args([*own, "--seed", "4"]))
