import math

import pytest
from detectron2.utils.events import EventStorage

from maskrcnn_project.config import get_config
from maskrcnn_project.training.hooks.metric import Metric, is_due, metric_period


@pytest.mark.parametrize(
    ("mode", "value", "than", "by", "better"),
    [
        ("max", 2.0, 1.0, 0.0, True),
        ("max", 1.0, 1.0, 0.0, False),  # as good is not better
        ("max", 1.4, 1.0, 0.5, False),
        ("min", 1.0, 2.0, 0.0, True),
        ("min", 1.8, 2.0, 0.5, False),
        ("max", 0.0, None, 0.0, True),  # the first
        ("max", math.nan, None, 0.0, False),
        ("max", math.inf, 1.0, 0.0, False),
        ("min", -math.inf, 1.0, 0.0, False),
    ],
)
def test_which_value_is_better(mode, value, than, by, better):
    assert Metric("m", mode).is_better(value, than, by) is better


def test_the_mode_is_one_of_two():
    with pytest.raises(ValueError, match=r'segm/AP must be "max" or "min", but is \'best\''):
        Metric("segm/AP", "best")


def test_only_a_new_value_counts(caplog):
    metric = Metric("segm/AP")
    with EventStorage(5) as storage:
        storage.put_scalar("bbox/AP", 3.0)
        assert metric.newest(storage, None) is None
        assert "There is no metric segm/AP; there are: bbox/AP." in caplog.text
        storage.put_scalar("segm/AP", 2.0)
        assert metric.newest(storage, None) == (2.0, 5)
        assert metric.newest(storage, 5) is None
        assert "no new value of segm/AP" in caplog.text


def test_validation_losses_may_have_a_period_of_their_own():
    cfg = get_config(None, ["TEST.EVAL_PERIOD", "100", "HOOKS.ValidationLoss.PERIOD", "20"])
    assert metric_period(cfg, "segm/AP") == metric_period(cfg, "ema/segm/AP") == 100
    assert metric_period(cfg, "val/total_loss") == 20
    cfg.HOOKS.ValidationLoss.PERIOD = 0
    assert metric_period(cfg, "val/total_loss") == 100


def test_what_is_due():
    assert [i for i in range(9) if is_due(i, 4)] == [3, 7]
    assert not any(is_due(i, 0) for i in range(9))
