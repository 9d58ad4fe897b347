"""What is said after writing: commands that find the files, and what the file has that the format lacks."""

from pathlib import Path

import pytest

from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.write_report import labelme_commands, not_kept, report

IDS = "ids of images, annotations and classes"


def data_of(*file_names, annotation=None, category=None, other=None):
    images = [{"id": number, "file_name": name, "height": 6, "width": 8} for number, name in enumerate(file_names)]
    annotations = [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1], **(annotation or {})}]
    return CocoFile(
        Path("a.json"), images, annotations, [{"id": 1, "name": "a, b", **(category or {})}], other=other or {}
    )


def test_one_command_where_all_images_lie_in_one_folder():
    (command,) = labelme_commands(data_of("a.png", "b.png"), Path("photos"), Path("new out"))
    assert command == "labelme photos --output 'new out' --labels 'new out/labels.txt'"


def test_a_command_for_each_sub_folder():
    assert labelme_commands(data_of("s1/a.png", "s2/a.png", "s2/b.png", "c.png"), Path("photos"), Path("out")) == [
        "labelme photos --output out --labels out/labels.txt",
        "labelme photos/s1 --output out/s1 --labels out/labels.txt",
        "labelme photos/s2 --output out/s2 --labels out/labels.txt",
    ]
    many = labelme_commands(data_of(*[f"s{number}/a.png" for number in range(25)]), Path("photos"), Path("out"))
    assert len(many) == 21 and many[-1] == "... and 5 more folders in the same way"


def test_files_beside_their_images_are_found_without_output(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    for output in (tmp_path, tmp_path / "link"):
        commands = labelme_commands(data_of("s1/a.png", "s2/a.png"), tmp_path, output)
        assert commands == [f"labelme {tmp_path} --labels {output}/labels.txt"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, []),
        ({"annotation": {"iscrowd": 1}}, []),
        ({"annotation": {"attributes": {"occluded": True}, "score": 0.5}}, ["attributes", "scores"]),
        ({"annotation": {"attributes": {}, "keypoints": [], "num_keypoints": 0}}, []),
        ({"annotation": {"keypoints": [1, 2, 2], "num_keypoints": 1}}, ["keypoints"]),
        ({"category": {"supercategory": "animal"}}, ["supercategories"]),
        ({"category": {"supercategory": ""}}, []),
        ({"other": {"licenses": [{"id": 1}], "info": {}}}, ["licences"]),
        ({"other": {"info": {"year": 2020}}, "annotation": {"track_id": 7}}, ["'info'", "'track_id'"]),
    ],
)
def test_what_is_not_kept_is_what_there_is(given, names):
    data = data_of("a.png", **given)
    assert not_kept(data, "labelme") == ", ".join([IDS, *names])
    crowd = ["crowd regions"] if given.get("annotation", {}).get("iscrowd") else []
    assert not_kept(data, "yolo") == ", ".join([IDS, *crowd, *names])


def test_the_report():
    left_out = Counts()
    data = data_of("a.png")
    assert report(data, "yolo", left_out).splitlines() == [
        'The classes, in this order: ["a, b"]',
        f"Not kept, as the format has no place for it: {IDS}.",
    ]
    left_out.add("thing", "a.png")
    assert report(data, "yolo", left_out).endswith("Left out:\n       1  thing\n          in a.png")
