"""The door for a folder and a file: knobs, split, description; what is wrong is said before anything is written."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from detectron2.data import MetadataCatalog
from PIL import Image

from maskrcnn_project.errors import DatasetError
from maskrcnn_project.training.arguments import training_parser
from maskrcnn_project.training.prepare import prepare
from maskrcnn_project.training.resume import refuse_used_folder
from maskrcnn_project.training.user_options import mode_of, refuse_unused, user_options_from
from tests.plugin.training.photos import coco, write_photos

pytestmark = pytest.mark.usefixtures("catalogs_as_before")  # sets of the same names, each in its own folder


@pytest.fixture
def photos(tmp_path):
    """Ten 48x64 photos with one square each, and their JSON."""
    write_photos(tmp_path / "photos")
    (tmp_path / "photos.json").write_text(json.dumps(coco()))
    return tmp_path


def arguments(root, *more):
    own = ["--images", str(root / "photos"), "--annotations", str(root / "photos.json"), "--output", str(root / "run")]
    return training_parser().parse_args([*own, "--backbone", "resnet18", *more])


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("SOLVER.IMS_PER_BATCH", "two"), r"SOLVER\.IMS_PER_BATCH needs int"),
        (("SOLVER.BASE_LR", "fast"), r"SOLVER\.BASE_LR needs float"),
        (("SOLVER.MAX_ITER", "1.5"), r"SOLVER\.MAX_ITER needs int"),
        (("SOLVER.STEPS", "[1,2"), r"SOLVER\.STEPS needs tuple"),
        (("MODEL.MASK_ON", "no"), r"MODEL\.MASK_ON needs bool"),
    ],
)
def test_a_value_of_another_type_is_one_sentence(photos, pair, words):
    with pytest.raises(ValueError, match=words):
        prepare(arguments(photos, *pair))
    assert not (photos / "run").exists()


def test_options_are_read_as_the_config_reads_them(photos):
    asked = user_options_from(arguments(photos, "SOLVER.BASE_LR", "1e-3", "MODEL.MASK_ON", "False", "SEED", "7"))
    assert (asked.learning_rate, asked.masks, asked.seed) == (0.001, False, 7)
    cfg = prepare(arguments(photos, "--epochs", "2", "SOLVER.BASE_LR", "1e-3"))
    assert cfg.SOLVER.BASE_LR == 0.001


def test_the_config_and_the_description_of_a_split(photos):
    cfg = prepare(arguments(photos, "--epochs", "2", "SOLVER.BASE_LR", "0.5"))
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES == 1
    assert cfg.SOLVER.MAX_ITER == 8  # 2 epochs of 8 images by 2
    assert cfg.SOLVER.BASE_LR == 0.5  # what stands at the end of the command wins
    assert cfg.DATASETS.TRAIN == ("photos_train",) and cfg.DATASETS.TEST == ("photos_val",)
    description = yaml.safe_load((photos / "run/dataset/dataset.yaml").read_text())
    folder = photos / "run/dataset"
    sides = [json.loads((folder / description["splits"][part]["json"]).read_text()) for part in ("train", "val")]
    ids = [{image["id"] for image in side["images"]} for side in sides]
    assert (len(ids[0]), len(ids[1])) == (8, 2) and not ids[0] & ids[1]


def test_the_split_repeats_with_its_seed(photos):
    prepare(arguments(photos))
    first = (photos / "run/dataset/val.json").read_text()
    prepare(arguments(photos))
    assert (photos / "run/dataset/val.json").read_text() == first


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--batch-size", "0"], "--batch-size must be at least 1, but 0"),
        (["--score-threshold", "1.5"], "--score-threshold must be between 0 and 1, but 1.5"),
        (["--learning-rate", "-1"], "--learning-rate must be between 0 and 1, but -1"),
        (["--epochs", "0"], "--epochs must be above 0"),
        (["--short-edge", "8"], "--short-edge must be at least 32 pixels, but 8"),
    ],
)
def test_impossible_knobs(photos, flags, words):
    with pytest.raises(ValueError, match=words):
        prepare(arguments(photos, *flags))
    assert not (photos / "run").exists()


def test_unusual_knobs_are_a_warning(photos, caplog):
    options = user_options_from(arguments(photos, "--batch-size", "16", "--learning-rate", "0.1"))
    assert (options.batch_size, options.learning_rate) == (16, 0.1)
    assert "--batch-size 16 is outside the recommended 1 to 8" in caplog.text
    assert "--learning-rate 0.1 is outside the recommended 0.001 to 0.01" in caplog.text


def test_a_truncated_image_is_named_and_nothing_is_written(photos):
    file = photos / "photos" / "3.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(DatasetError, match=r"1 of .* images .*3\.png \(image id 3\) cannot be decoded"):
        prepare(arguments(photos))
    assert not (photos / "run").exists()
    assert prepare(arguments(photos, "--skip-image-check")).SOLVER.MAX_ITER > 0


def test_a_size_that_disagrees_is_named(photos):
    Image.fromarray(np.zeros((50, 64, 3), np.uint8)).save(photos / "photos/4.png")
    with pytest.raises(DatasetError, match=r"4\.png \(image id 4\) is 50x64 .* but the JSON says 48x64"):
        prepare(arguments(photos))


def test_train_and_val_must_agree_on_the_classes(photos):
    content = json.loads((photos / "photos.json").read_text())
    content["categories"][0]["name"] = "round"
    (photos / "val.json").write_text(json.dumps(content))
    val = ["--val-images", str(photos / "photos"), "--val-annotations", str(photos / "val.json")]
    with pytest.raises(DatasetError, match="'square' in train and 'round' in val"):
        prepare(arguments(photos, *val))


def test_one_image_cannot_be_split(photos):
    content = json.loads((photos / "photos.json").read_text())
    content["images"], content["annotations"] = content["images"][:1], content["annotations"][:1]
    (photos / "photos.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="holds 1 image, and a split needs two"):
        prepare(arguments(photos))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--images", "x"], "--images and --annotations belong together"),
        (["--val-images", "x"], "--val-images and --val-annotations belong together"),
        (["--val-images", "x", "--val-annotations", "y"], "needs --images and --annotations"),
        (["--images", "x", "--annotations", "y", "--config-file", "c"], "does not go with --images"),
    ],
)
def test_half_a_data_set(flags, words):
    with pytest.raises(ValueError, match=words):
        args = training_parser().parse_args(flags)
        refuse_unused(args, mode_of(args))


def test_a_used_folder_is_refused_unless_resumed(tmp_path):
    (tmp_path / "metrics.json").touch()
    refuse_used_folder(str(tmp_path), SimpleNamespace(resume=False))  # a run that ended before its first line
    (tmp_path / "metrics.json").write_text("{}\n")
    with pytest.raises(ValueError, match="already holds a run"):
        refuse_used_folder(str(tmp_path), SimpleNamespace(resume=False))
    refuse_used_folder(str(tmp_path), SimpleNamespace(resume=True))


def test_a_file_with_notes_is_written_into_the_run_as_it_is_read(photos, capsys):
    """Evaluators read the file that the description names: there, sizes are whole numbers and nothing is ignored."""
    content = json.loads((photos / "photos.json").read_text())
    for image in content["images"]:
        image["height"] = 48.0
    content["annotations"][0]["ignore"] = 1
    (photos / "photos.json").write_text(json.dumps(content), encoding="utf-8-sig")
    val = ["--val-images", str(photos / "photos"), "--val-annotations", str(photos / "photos.json")]
    cfg = prepare(arguments(photos, *val))
    assert "Warning: fewer images than the advised 500 (images-few: 1)" in capsys.readouterr().out
    written = json.loads((photos / "run/dataset/val.json").read_text(encoding="utf-8"))
    assert written["annotations"][0]["iscrowd"] == 1 and type(written["images"][0]["height"]) is int
    assert MetadataCatalog.get(cfg.DATASETS.TEST[0]).json_file == str(photos / "run/dataset/val.json")


@pytest.mark.parametrize(("options", "refused"), [([], True), (["MODEL.MASK_ON", "False"], False)])
def test_objects_without_masks_train_boxes_only(photos, options, refused):
    content = json.loads((photos / "photos.json").read_text())
    content["annotations"][3]["segmentation"] = []
    (photos / "photos.json").write_text(json.dumps(content))
    if refused:
        with pytest.raises(DatasetError, match="mask-missing"):
            prepare(arguments(photos, *options))
    else:
        assert not prepare(arguments(photos, *options)).MODEL.MASK_ON
