import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from maskrcnn_project.config import get_config  # noqa: E402
from maskrcnn_project.serve.loading import find_examples, model_for_page  # noqa: E402


@pytest.mark.parametrize(
    ("thresholds", "lowest", "tiles", "said"),
    [
        ("0.5,cell=0.02", 0.05, None, "cannot begin at 0.02, below its end at 0.05"),
        (None, 0.6, None, "cannot begin at 0.5"),
        (None, 1.5, None, "--lowest-score must be between 0 and 1"),
        ("half", 0.05, None, "--score-threshold wants a number"),
        (None, 0.05, (64, 64), "Tiles want"),
    ],
)
def test_settings_that_cannot_be_are_said_before_weights_are_loaded(thresholds, lowest, tiles, said):
    cfg = get_config("configs/quick/mask_rcnn_R_18_FPN_shapes.yaml")
    with pytest.raises(ValueError, match=said):
        model_for_page(cfg, "no such file", thresholds, lowest, tiles)


def test_examples_are_the_images_of_a_folder_at_any_depth(tmp_path, image_file):
    (tmp_path / "b").mkdir()
    for name in ("b/c.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(image_file())
    assert find_examples(tmp_path) == [tmp_path / "a.jpg", tmp_path / "b/c.PNG"]


def test_examples_are_what_prediction_would_take(tmp_path, image_file, caplog):
    for name in ("real/x.png", "in/._a.png", "in/y.gif", "in/found/z.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(image_file())
    (tmp_path / "in/sub").symlink_to("../real")
    (tmp_path / "in/found/.journal").mkdir()
    assert find_examples(tmp_path / "in") == [tmp_path / "in/sub/x.png"]
    assert "1 file of kinds that are not read: .gif" in caplog.messages[0]


def test_a_folder_without_examples_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder with images"):
        find_examples(tmp_path / "missing")
