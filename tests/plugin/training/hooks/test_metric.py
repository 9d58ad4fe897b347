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
        ("max", -1.0, None, 0.0, False),  # COCO's: nothing measured
        ("max", -1.0, -2.0, 0.0, False),
        ("min", -1.0, 0.0, 0.0, True),  # a loss may be below 0
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


@pytest.mark.parametrize(
    ("name", "put", "outcome", "reason"),
    [
        ("segm/AP", {"segm/AP": 2.0}, (2.0, 5), "as it is"),
        ("segm/AP", {}, "nothing", "no results at all: nothing was found"),
        (
            "segm/AP",
            {"total_loss": 1.0, "roi_head/num_fg_samples": 3.0},
            "nothing",
            "of the training, not of evaluation",
        ),
        ("segm/AP", {"bbox/AP": 2.0}, None, "evaluation does not give it: misspelt, or no masks"),
        ("val/total_loss", {}, None, "no finding"),
    ],
)
def test_the_outcome_of_an_evaluation(name, put, outcome, reason):
    with EventStorage(5) as storage:
        storage.put_scalars(**put)
        found = Metric(name).outcome(storage, None, 5)
    if outcome == "nothing":
        assert math.isnan(found[0]) and found[1] == 5, reason
    else:
        assert found == outcome, reason


def test_an_evaluation_without_the_value_it_gave_before():
    with EventStorage(5) as storage:
        storage.put_scalars(**{"segm/AP": 2.0, "bbox/AP": 2.0})
        storage.step()
        storage.put_scalars(**{"bbox/AP": 2.0})
        value, iteration = Metric("segm/AP").outcome(storage, 5, 6)
    assert math.isnan(value) and iteration == 6


def test_validation_losses_may_have_a_period_of_their_own():
    cfg = get_config(None, ["TEST.EVAL_PERIOD", "100", "HOOKS.ValidationLoss.PERIOD", "20"])
    assert metric_period(cfg, "segm/AP") == metric_period(cfg, "ema/segm/AP") == 100
    assert metric_period(cfg, "val/total_loss") == 20
    cfg.HOOKS.ValidationLoss.PERIOD = 0
    assert metric_period(cfg, "val/total_loss") == 100


def test_what_is_due():
    assert [i for i in range(9) if is_due(i, 4)] == [3, 7]
    assert not any(is_due(i, 0) for i in range(9))
