"""Folders looked up once each, and what a missing file name may have meant."""

import os
import unicodedata

import pytest

from maskrcnn_project.datasets.checking.image_listing import LikelyNames, Listings, image_path
from maskrcnn_project.errors import DatasetError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "B.PNG", "notes.json", ".hidden.png", "deep/er/c.tif", "deep/d.gif", ".git/e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(folder, paths):
    return [os.path.relpath(path, folder) for path in paths]


def test_images_below_a_folder(folder):
    assert names(folder, Listings().images_below([str(folder)])) == ["B.PNG", "a.jpg", "deep/er/c.tif"]
    starts = [str(folder / "deep/er"), str(folder / "deep")]
    assert names(folder, Listings().images_below(starts, [".gif", ".tif"])) == ["deep/d.gif", "deep/er/c.tif"]
    assert not list(Listings().images_below([str(folder / "none"), str(folder / "a.jpg")]))


def test_links_to_folders_do_not_run_in_circles(folder):
    (folder / "deep" / "up").symlink_to(folder, target_is_directory=True)
    assert len(list(Listings().images_below([str(folder)]))) == 3


def test_holds_asks_each_folder_once(folder, monkeypatch):
    asked, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: asked.append(path) or scandir(path))
    listings = Listings()
    wanted = ["a.jpg", "A.jpg", "deep", "deep/d.gif", "deep/x.gif", "none/x.gif", "a.jpg/x.gif", "zero\0/x.gif"]
    held = [listings.holds(image_path(folder, name)) for name in wanted]
    assert held == [True, False, False, True, False, False, False, False]
    assert len(asked) == len(set(asked))


def test_a_folder_that_cannot_be_listed_is_a_sentence(folder, monkeypatch):
    scandir = os.scandir

    def forbidden(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(DatasetError, match=r"deep cannot be listed \(Permission denied\): allow reading it"):
        Listings().holds(str(folder / "deep/d.gif"))
    assert names(folder, Listings().images_below([str(folder)])) == ["B.PNG", "a.jpg"]  # nobody named it


def test_a_path_however_it_is_written(folder):
    assert image_path(folder, "./deep/../a.jpg") == image_path(str(folder) + "/", "a.jpg") == str(folder / "a.jpg")


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("a.JPG", "the folder holds 'a.jpg', which differs in upper and lower case"),
        ("Deep/ER/c.tif", "the folder holds 'deep/er/c.tif', which differs in upper and lower case"),
        ("deep\\er\\c.tif", "the folder holds 'deep/er/c.tif'"),
        ("images/a.jpg", "the folder holds 'a.jpg'"),
        ("twice.png", ""),  # two folders hold one: which is meant?
        ("nothing.png", ""),
    ],
)
def test_hints(wanted, hint):
    held = ["a.jpg", "deep/er/c.tif", "x/twice.png", "y/twice.png"]
    assert LikelyNames("/data", [f"/data/{name}" for name in held]).hint(wanted) == hint


def test_a_hint_on_accents():
    parted, joined = (unicodedata.normalize(form, "Zürich.jpg") for form in ("NFD", "NFC"))
    assert "differs in how accents are encoded" in LikelyNames("/data", [f"/data/{parted}"]).hint(joined)
