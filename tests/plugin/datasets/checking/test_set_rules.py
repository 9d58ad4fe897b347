"""Amounts, at the numbers that are advised."""

import pytest

from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.set_rules import check_set
from tests.plugin.datasets.checking.sound_set import annotation, side_of, square


def found(images, first, second, split="train", **options):
    """{rule: details} of a set with so many images, and instances of two classes shared out over them."""
    polygon, box = square(10, 10, 20)
    rows = [annotation(i, i % images + 1, 1 + (i >= first), [polygon], box, 400) for i in range(first + second)]
    pictures = [{"id": i + 1, "file_name": f"{i}.png", "height": 50, "width": 50} for i in range(images)]
    categories = [{"id": 1, "name": "screw"}, {"id": 2, "name": "nut"}]
    findings = Findings()
    check_set(side_of({"images": pictures, "annotations": rows, "categories": categories}, split), findings, **options)
    return {finding.rule.id: [example.detail for example in finding.examples] for finding in findings}


def test_enough():
    assert found(500, 1000, 1000) == {}


@pytest.mark.parametrize(
    ("amounts", "rule_id", "details"),
    [
        ((499, 1000, 1000), "images-few", ["499 images"]),
        ((500, 1000, 999), "instances-few", ["'nut' (id 2): 999 instances"]),
        ((500, 20001, 1000), "class-imbalance",
         ["'nut' (id 2): 1000 instances, the most frequent class has 20001"]),
    ],
)  # fmt: skip
def test_too_few(amounts, rule_id, details):
    assert found(*amounts) == {rule_id: details}


def test_a_class_of_none_is_not_rare_but_unused():
    assert found(500, 1000, 0) == {}


def test_validation_gets_along_with_less():
    assert found(10, 20, 1, split="val") == {}


def test_more_instances_than_detections():
    crowded = found(500, 1000, 1000, detections_per_image=3)
    assert crowded["image-too-crowded"][0] == "4 instances, but at most 3 are detected"
