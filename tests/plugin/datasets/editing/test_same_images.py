"""The same image in several COCO files: by path, through links, by content."""

from maskrcnn_project.datasets.editing.same_images import find_same_images


def test_by_path_without_looking_at_files():
    files = [{1: "a/x.png", 2: "a/y.png"}, {5: "a/y.png", 6: "b/x.png"}, {9: "a/y.png"}]
    assert find_same_images(files, on_disk=False) == {(1, 5): (0, 2), (2, 9): (0, 2)}


def test_a_file_is_not_compared_with_itself():
    assert find_same_images([{1: "x", 2: "x"}, {3: "y"}], on_disk=False) == {}


def test_by_content_and_through_links(tmp_path):
    contents = {"a.png": b"one", "b.png": b"two", "c.png": b"one", "d.png": b"other"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link.png").symlink_to(tmp_path / "b.png")
    path = {name: str(tmp_path / name) for name in (*contents, "link.png")}
    files = [{1: path["a.png"], 2: path["b.png"]}, {1: path["c.png"], 2: path["link.png"], 3: path["d.png"]}]
    assert find_same_images(files, on_disk=True) == {(1, 1): (0, 1), (1, 2): (0, 2)}


def test_the_same_content_within_one_file_is_left_alone(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"same")
    path = {name: str(tmp_path / f"{name}.png") for name in "abc"}
    assert find_same_images([{1: path["a"], 2: path["b"]}, {}], on_disk=True) == {}
    assert find_same_images([{1: path["a"], 2: path["b"]}, {7: path["c"]}], on_disk=True) == {(1, 7): (0, 1)}
