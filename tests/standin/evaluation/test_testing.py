import logging

import pytest
from detectron2.config import get_cfg
from detectron2.evaluation import print_csv_format, verify_results
from detectron2.evaluation.testing import flatten_results_dict

RESULTS = {"bbox": {"AP": 40.0, "AP50": 60.125, "AP-cat": 30.0}, "segm": {"AP": 35.5}}


def lines(caplog):
    return [record.getMessage() for record in caplog.records]


def test_print_leaves_out_per_class_metrics(caplog):
    with caplog.at_level(logging.INFO):
        print_csv_format({**RESULTS, "time": 3})
    assert lines(caplog) == [
        "copypaste: Task: bbox",
        "copypaste: AP,AP50",
        "copypaste: 40.0000,60.1250",
        "copypaste: Task: segm",
        "copypaste: AP",
        "copypaste: 35.5000",
        "copypaste: time=3",
    ]


def test_print_wants_a_mapping_but_takes_nothing(caplog):
    print_csv_format(None)
    with pytest.raises(TypeError, match="got list"):
        print_csv_format([1])


@pytest.mark.parametrize(
    "expected, ok",
    [
        ([], True),
        ([["bbox", "AP", 40.5, 0.6]], True),
        ([["bbox", "AP", 40.5, 0.4]], False),
        ([["bbox", "AP", 40.0, 0.1], ["segm", "AP", 0.0, 1.0]], False),
        ([["bbox", "APx", 40.0, 0.1]], False),
        ([["keypoints", "AP", 40.0, 0.1]], False),
    ],
)
def test_verify(expected, ok, caplog):
    cfg = get_cfg()
    cfg.TEST.EXPECTED_RESULTS = expected
    if ok:
        assert verify_results(cfg, RESULTS)
        return
    with pytest.raises(SystemExit) as stop:
        verify_results(cfg, RESULTS)
    assert stop.value.code == 1
    assert "is expected" in caplog.text


def test_a_metric_that_is_nan_fails():
    cfg = get_cfg()
    cfg.TEST.EXPECTED_RESULTS = [["bbox", "AP", 40.0, 100.0]]
    with pytest.raises(SystemExit):
        verify_results(cfg, {"bbox": {"AP": float("nan")}})


def test_flatten():
    nested = {"bbox": {"AP": 1, "deep": {"er": 2}}, "n": 3}
    assert flatten_results_dict(nested) == {"bbox/AP": 1, "bbox/deep/er": 2, "n": 3}
    assert flatten_results_dict({}) == {}
