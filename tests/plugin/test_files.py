"""The walk over folders, and what keeps results apart from inputs and from one another."""

import os
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from maskrcnn_project.files import (
    ALL_RESULTS,
    IMAGE_SUFFIXES,
    JOURNAL_FOLDER,
    OTHER_PICTURE_SUFFIXES,
    FolderWalk,
    ResultFolder,
    files_below,
    images_below,
    names_without_suffix,
    note_results,
    picture_names,
    refuse_inputs,
)


@pytest.fixture
def folder(tmp_path):
    for name in (
        "in/b.png",
        "in/a.JPG",
        "in/deep/c.jfif",
        "in/._a.JPG",
        "in/.hidden/d.png",
        "in/notes.txt",
        "out/e.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "in"


def names(folder):
    found, remark = images_below(folder)
    return [file.relative_to(folder).as_posix() for file in found], remark


def test_images_at_any_depth_sorted_without_hidden_files(folder):
    assert names(folder) == (["a.JPG", "b.png", "deep/c.jfif"], "")


def test_links_are_followed_once_and_the_folder_itself_is_preferred(folder):
    (folder / "a_link").symlink_to(folder / "deep")  # comes first, but deep is there under its own name
    (folder / "elsewhere").symlink_to("../out")
    (folder / "deep/up").symlink_to(folder)  # round in a circle
    (folder / "hidden").symlink_to(folder / ".hidden")
    (folder / "nowhere.png").symlink_to("gone.png")
    found, _ = names(folder)
    assert found == ["a.JPG", "b.png", "deep/c.jfif", "elsewhere/e.png", "hidden/d.png", "nowhere.png"]


def test_what_is_no_file_is_no_image(folder):
    os.mkfifo(folder / "pipe.png")  # reading it would wait for ever
    (folder / "itself.png").symlink_to("itself.png")
    assert "pipe.png" not in names(folder)[0] and "itself.png" in names(folder)[0]


def test_results_of_earlier_runs_are_passed_over_and_said(folder):
    for name in ("predicted/x.png", "tiles/images/x.png"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    (folder / "predicted" / JOURNAL_FOLDER).mkdir()
    note_results(folder / "tiles", [ALL_RESULTS])
    note_results(folder, ["b.png"])
    found, remark = names(folder)
    assert found == ["a.JPG", "deep/c.jfif"]
    assert remark == f"passed over: 2 folders with results of earlier runs: {folder}/predicted, {folder}/tiles"
    assert names(folder / "tiles")[0] == ["images/x.png"], "who names the folder wants what lies in it"
    assert names(folder / "predicted")[0] == ["x.png"]


def test_kinds_that_are_not_read_are_said(folder):
    for name in ("x.heic", "deep/y.HEIC", "z.gif"):
        (folder / name).touch()
    wanted = "passed over: 3 files of kinds that are not read: .gif, .heic (convert to JPEG or PNG)"
    assert names(folder)[1] == wanted


def test_every_kind_that_pillow_opens_is_taken_or_said():
    Image.init()
    opened = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    no_pictures = {".eps", ".ps", ".mpeg", ".mpg"}  # executed by another program; videos
    assert opened - no_pictures <= {*IMAGE_SUFFIXES, *OTHER_PICTURE_SUFFIXES}
    assert not set(IMAGE_SUFFIXES) & OTHER_PICTURE_SUFFIXES


def test_a_folder_that_may_not_be_read_is_said(folder):
    def listed(path):
        if path.endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return (["a.png"], ["deep"])

    walk = FolderWalk([folder], listed)
    assert list(walk) == [(str(folder), ["a.png"])] and walk.unlisted == [str(folder / "deep")]


def test_files_of_any_suffix(folder):
    assert [file.name for file in files_below(folder, (".txt",))] == ["notes.txt"]
    assert len(list(files_below(folder, ("",)))) == 4


def test_an_input_in_the_output_folder_is_refused_through_links_too(folder):
    link = folder.parent / "link"
    link.symlink_to(folder)
    for output in (folder, folder.parent, link):
        with pytest.raises(ValueError, match=r"b\.png lies in the output folder .*: choose another"):
            refuse_inputs(output, [folder / "b.png"])
    (folder.parent / "out/linked.png").symlink_to(folder / "b.png")
    with pytest.raises(ValueError, match=r"linked\.png lies in the output folder"):
        refuse_inputs(folder, [folder.parent / "out/linked.png"])
    refuse_inputs(folder.parent / "out", [folder / "b.png"])
    refuse_inputs(folder / "dee", [folder / "deep/c.jfif"])  # begins alike, but is another


def test_only_results_are_replaced(folder):
    results = ResultFolder(folder.parent / "out", [folder / "b.png"])
    with pytest.raises(FileExistsError, match=r"e\.png exists already, is no result of an earlier run"):
        results.place("e.png")
    results.place("sub/x.png").write_text("first")
    again = ResultFolder(folder.parent / "out", [folder / "b.png"])
    assert again.place("sub/x.png") == folder.parent / "out/sub/x.png"
    assert images_below(folder.parent / "out")[0] == [folder.parent / "out/e.png"], "x.png is a result"


@pytest.mark.parametrize(
    ("given", "called", "reason"),
    [
        ("a.jpg deep/a.jpg", "a deep/a", "the suffix goes"),
        ("a.jpg a.png", "a.jpg a.png", "both would be a"),
        ("A.jpg a.png", "A.jpg a.png", "as they would on some file systems"),
        ("a.jpg a.png a.jpg.png", "a.jpg a.png a.jpg.png", "without its suffix the third would be the first"),
        ("a.jpg a.jpg", "a a", "one file, named twice"),
    ],
)
def test_names_without_suffix(given, called, reason):
    files = [PurePosixPath(name) for name in given.split()]
    found = names_without_suffix(files)
    assert [str(found[file]) for file in files] == called.split(), reason


@pytest.mark.parametrize(
    ("given", "called", "reason"),
    [
        ("/x/a.jpg /x/deep/b.jpg", "a b", "stems tell them apart"),
        ("/x/a.jpg /x/deep/a.jpg", "a deep/a", "their folders do"),
        ("/x/a.jpg /x/a.png", "a.jpg a.png", "their suffixes do"),
        ("/x/a.jpg /x/a.jpg /x/a_2.jpg", "a a_3 a_2", "one image twice, and one that is called so already"),
    ],
)
def test_names_of_pictures(given, called, reason):
    assert picture_names([Path(name) for name in given.split()]) == called.split(), reason
