"""Which images a folder holds, how they are called, and how large they are upright."""

import pytest

from maskrcnn_project.datasets.conversion.image_folder import ImageFolder
from maskrcnn_project.errors import DatasetError


def test_images_at_any_depth_with_links_and_without_hidden_files(tmp_path, photo):
    for name in ("photos/b/c.JPG", "photos/a.png", "photos/.hidden.png", "photos/.trash/d.png", "other/e.png"):
        photo(tmp_path / name)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(tmp_path / "photos")  # a circle
    folder = ImageFolder(tmp_path / "photos")
    assert folder.file_names == ["a.png", "b/c.JPG", "linked/e.png"]
    assert folder.file_name_of(tmp_path / "photos" / "b" / ".." / "a.png") == "a.png"
    assert folder.file_name_of(tmp_path / "other" / "e.png") is None
    assert folder.named("b/c") == "b/c.JPG" and folder.named("c") is None


def test_a_linked_folder_has_the_images_of_the_real_one(tmp_path, photo):
    photo(tmp_path / "photos" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    assert ImageFolder(tmp_path / "link").file_name_of(tmp_path / "photos" / "a.png") == "a.png"


@pytest.mark.parametrize(("orientation", "size"), [(None, (6, 8)), (1, (6, 8)), (3, (6, 8)), (5, (8, 6)), (8, (8, 6))])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_sizes_are_those_of_the_upright_image(tmp_path, photo, suffix, orientation, size):
    photo(tmp_path / f"a{suffix}", orientation=orientation)
    assert ImageFolder(tmp_path).size(f"a{suffix}") == size


def test_wrong_folders_and_images(tmp_path):
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no image"):
        ImageFolder(tmp_path)
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n")
    with pytest.raises(DatasetError, match="a.png cannot be read"):
        ImageFolder(tmp_path).size("a.png")
