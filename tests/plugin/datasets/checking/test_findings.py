"""The list of rules, and what is collected of those that are broken."""

import pytest

from maskrcnn_project.datasets.checking.findings import MAX_EXAMPLES, Findings
from maskrcnn_project.datasets.checking.rule import SEVERITIES
from maskrcnn_project.datasets.checking.rules import RULES


@pytest.mark.parametrize("rule_id", RULES)
def test_every_rule_says_what_it_means_and_what_to_do(rule_id):
    rule = RULES[rule_id]
    assert rule.id == rule_id == rule_id.lower() and " " not in rule_id
    assert rule.severity in SEVERITIES and rule.title and rule.advice
    assert not rule.title.endswith(".") and not rule.advice.endswith(".")


def test_the_worst_come_first_and_splits_stay_apart():
    findings = Findings()
    for rule_id, split in (("key-missing", "val"), ("mask-full", "val"), ("mask-full", "train"), ("box-empty", "val")):
        findings.add(rule_id, split, "so")
    assert [(finding.rule.id, finding.split) for finding in findings] == [
        ("box-empty", "val"),
        ("mask-full", "train"),
        ("mask-full", "val"),
        ("key-missing", "val"),
    ]
    assert len(findings) == 4 and findings.count("warning") == 2
    assert [finding.split for finding in findings.of("mask-full")] == ["train", "val"]


def test_places_are_counted_and_the_first_are_kept():
    findings = Findings()
    for number in range(100):
        findings.add("box-empty", "train", f"box {number}", image_id=number)
    findings.add("box-empty", "train", "many", count=50)
    (finding,) = findings
    assert finding.count == 150
    assert [example.image_id for example in finding.examples] == list(range(MAX_EXAMPLES))


def test_an_unknown_rule_is_refused():
    with pytest.raises(KeyError, match="box-round"):
        Findings().add("box-round", "train", "so")
