import pytest

from maskrcnn_project.inference.inputs import common_root, expand_inputs
from maskrcnn_project.inference.predict_files import picture_path


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt", "deep/c.png"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    return tmp_path


def names(files, root):
    return [f.relative_to(root).as_posix() for f in files]


def test_a_folder_gives_its_images_at_any_depth(folder):
    assert names(expand_inputs([str(folder)]), folder) == ["a.JPG", "b.png", "deep/c.png"]


def test_a_pattern_and_a_file_name_each_file_once(folder):
    files = expand_inputs([str(folder / "*.png"), str(folder / "b.png"), str(folder / "**/*.png")])
    assert names(files, folder) == ["b.png", "deep/c.png"]


def test_nothing_found_is_named(folder):
    (folder / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no image"):
        expand_inputs([str(folder / "empty")])
    with pytest.raises(FileNotFoundError, match="gone.png is no file and no folder"):
        expand_inputs([str(folder / "gone.png")])


def test_common_root(folder):
    assert common_root([folder / "b.png", folder / "deep/c.png"]) == folder
    assert common_root([folder / "deep/c.png"]) == folder / "deep"


def test_two_images_of_one_stem_keep_two_pictures(folder):
    taken = set()
    assert picture_path(folder / "x.jpg", taken).name == "x.png"
    assert picture_path(folder / "x.png", taken).name == "x.png.png"
