import json
from pathlib import PurePosixPath

import pytest

from maskrcnn_project.prediction.sources import common_root, find_sources, video_names


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt", "deep/c.png", "film.mp4"):
        file = tmp_path / "in" / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.touch()
    return tmp_path / "in"


def names(folder, *inputs, images=None, output="out"):
    sources = find_sources([str(folder / entry) for entry in inputs], images, folder.parent / output)
    return [str(source.name) for source in sources]


def coco_file(path, *file_names, ids=None):
    rows = zip(ids or range(1, len(file_names) + 1), file_names, strict=True)
    images = [{"id": i, "file_name": name, "height": 4, "width": 4} for i, name in rows]
    path.write_text(json.dumps({"images": images, "categories": [{"id": 1, "name": "cell"}]}))
    return path


def test_a_folder_gives_its_images_and_videos_at_any_depth(folder):
    assert names(folder, ".") == ["a.JPG", "b.png", "deep/c.png", "film"]
    assert [source.is_video for source in find_sources([str(folder)], None, "out")] == [False, False, False, True]


def test_a_pattern_and_a_file_name_each_file_once(folder):
    assert names(folder, "*.png", "b.png", "**/*.png") == ["b.png", "deep/c.png"]


def test_links_to_folders_are_followed(folder):
    (folder.parent / "real").mkdir()
    (folder.parent / "real/x.png").touch()
    (folder / "sub").symlink_to("../real")
    (folder.parent / "real/back").symlink_to(folder)
    assert names(folder, ".") == ["a.JPG", "b.png", "deep/c.png", "film", "sub/x.png"]
    assert names(folder, "**/x.png") == ["x.png"]


def test_results_of_an_earlier_run_are_no_inputs(folder):
    (folder / "first/.journal").mkdir(parents=True)
    (folder / "first/b.png").touch()
    for entry in (".", "**/*.png"):
        assert "first/b.png" not in names(folder, entry, output="in/second")


def test_what_is_passed_over_is_said(folder, caplog):
    for name in ("._b.png", "x.heic", "y.gif"):
        (folder / name).touch()
    assert len(names(folder, ".")) == 4
    [line] = caplog.messages
    assert line.endswith("passed over: 2 files of kinds that are not read: .gif, .heic (convert to JPEG or PNG).")
    (folder / "only").mkdir()
    (folder / "only/x.heic").touch()
    with pytest.raises(FileNotFoundError, match=r"holds no image .*; passed over: 1 file of kinds .*: \.heic"):
        names(folder, "only")


def test_a_path_with_brackets_is_that_path(folder):
    inside = folder / "set [1]"
    inside.mkdir()
    (inside / "x[0].png").touch()
    (folder / "set 1").mkdir()
    (folder / "set 1/y.png").touch()
    coco_file(inside / "l.json", "x[0].png", ids=[7])
    sources = find_sources([str(inside / "l.json")], None, "out")
    assert [(source.path, source.image_id) for source in sources] == [(inside / "x[0].png", 7)]
    assert names(folder, "set [1]/l.json", images=inside) == ["x[0].png"]
    assert names(folder, "set [1]/*.png") == names(folder, "set [1]/x[0].png") == ["x[0].png"]
    assert names(folder, "set [1]") == ["x[0].png"]
    inside.rename(folder / "gone")
    assert names(folder, "set [1]/*.png") == ["y.png"], "as a pattern, where there is no such folder"


def test_an_output_folder_by_another_name_is_still_that_folder(folder):
    (folder.parent / "link").symlink_to(folder)
    with pytest.raises(ValueError, match="lies in the output folder"):
        names(folder, "b.png", output="link")
    with pytest.raises(FileNotFoundError, match="outside of the output folder"):
        names(folder, ".", output="link")


def test_a_coco_file_in_the_output_folder_is_refused(folder):
    """predictions.json of an earlier run lists images, and would be written anew."""
    (folder.parent / "out").mkdir()
    coco_file(folder.parent / "out/predictions.json", "b.png")
    with pytest.raises(ValueError, match=r"predictions\.json lies in the output folder"):
        names(folder, "../out/predictions.json", images=folder)


def test_nothing_found_is_named(folder):
    (folder / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no image and no video"):
        names(folder, "empty")
    with pytest.raises(FileNotFoundError, match=r"gone\.png is no file and no folder, and as a pattern it matches"):
        names(folder, "gone.png")


def test_results_are_no_inputs(folder):
    assert names(folder, ".", output="in/deep") == ["a.JPG", "b.png", "film"]
    with pytest.raises(ValueError, match=r"c\.png lies in the output folder .*in: choose another"):
        names(folder, "deep/c.png", output="in")
    with pytest.raises(FileNotFoundError, match="outside of the output folder"):
        names(folder, "deep", output="in")


def test_a_coco_file_lists_images_with_their_ids(folder):
    listing = coco_file(folder / "some.json", "deep/c.png", "b.png", ids=[70, 5])
    sources = find_sources([str(listing)], folder, "out")
    assert [(str(s.name), s.image_id, s.path) for s in sources] == [
        ("deep/c.png", 70, folder / "deep/c.png"),
        ("b.png", 5, folder / "b.png"),
    ]
    assert {source.root for source in sources} == {folder}
    assert names(folder, "some.json") == ["deep/c.png", "b.png"], "without a folder: that of the file"


def test_names_of_a_coco_file_lead_nowhere_else(folder):
    (folder.parent / "out").mkdir()
    coco_file(folder / "some.json", "../up.png", "/b.png", "deep/../b.png")
    sources = find_sources([str(folder / "some.json")], None, "out")
    assert all(".." not in source.name.parts and not source.name.is_absolute() for source in sources)
    assert [source.path for source in sources][1:] == [folder.parents[-1] / "b.png", folder / "b.png"]


def test_ids_and_names_of_a_mixture_are_none_of_the_coco_files(folder):
    coco_file(folder / "some.json", "c.png")
    [first, second] = find_sources([str(folder / "some.json"), str(folder / "b.png")], folder / "deep", "out")
    assert [(str(s.name), s.image_id) for s in (first, second)] == [("deep/c.png", None), ("b.png", None)]


def test_the_image_folder_needs_a_coco_file_and_must_be_there(folder):
    with pytest.raises(ValueError, match="--images in is the folder of the images that a COCO file lists: add it"):
        names(folder, "b.png", images="in")
    coco_file(folder / "some.json", "c.png")
    with pytest.raises(FileNotFoundError, match=r"gone does not exist: --images names that of .*some\.json"):
        names(folder, "some.json", images=folder / "gone")


def test_common_root(folder):
    assert common_root([folder / "b.png", folder / "deep/c.png"]) == folder
    assert common_root([folder / "deep/c.png"]) == folder / "deep"


@pytest.mark.parametrize(
    ("given", "expected", "reason"),
    [
        ("a.mp4 b.png", "a b.png", "no suffix, as its frames lie below its name"),
        ("a.mp4 a/000000.png", "a_mp4 a/000000.png", "its frames would take the place of images in the folder a"),
        ("a.mp4 a.avi", "a_mp4 a_avi", "two videos"),
        ("a.mp4 a.png", "a_mp4 a.png", "a picture of the same name"),
        ("x/a.b.mov y/a.png", "x/a.b y/a.png", "in another folder"),
    ],
)
def test_names_of_videos(given, expected, reason):
    found = video_names([PurePosixPath(name) for name in given.split()])
    assert " ".join(map(str, found)) == expected, reason
