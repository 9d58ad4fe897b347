import pytest
from detectron2.engine import HookBase
from detectron2.engine.hooks import EvalHook, LRScheduler, PeriodicWriter

from maskrcnn_project.config import get_config
from maskrcnn_project.training.hooks import (
    HOOK_REGISTRY,
    HookPlace,
    arrange_hooks,
    build_named_hooks,
    resolve_hook_names,
)
from maskrcnn_project.training.hooks.registry import build_hook


def hook(place=None):
    made = HookBase()
    if place is not None:
        made.place = place
    return made


def test_each_hook_runs_where_its_place_says():
    schedule, evaluation, writer = LRScheduler(), EvalHook(1, dict), PeriodicWriter([])
    early, logging, reading, stopping = (
        hook(HookPlace.BEFORE_CHECKPOINTS),
        hook(),
        hook(HookPlace.AFTER_WRITERS),
        hook(HookPlace.LAST),
    )
    arranged = arrange_hooks([schedule, None, evaluation, writer], [stopping, reading, logging, early])
    assert arranged == [schedule, None, early, evaluation, logging, writer, reading, stopping]


def test_without_writers_the_order_is_the_same():
    evaluation, early, logging, stopping = (
        EvalHook(1, dict),
        hook(HookPlace.BEFORE_CHECKPOINTS),
        hook(),
        hook(HookPlace.LAST),
    )
    assert arrange_hooks([evaluation], [stopping, logging, early]) == [early, evaluation, logging, stopping]


def test_every_hook_is_built_from_the_default_config(tmp_path):
    names = [name for name, _ in HOOK_REGISTRY if name not in ("ValidationLoss",)]  # which reads a data set
    cfg = get_config(None, ["OUTPUT_DIR", str(tmp_path), "TEST.EVAL_PERIOD", "10", "DATASETS.TEST", "('some',)"])
    cfg.HOOKS.NAMES = tuple(names)
    assert [type(h).__name__ for h in build_named_hooks(cfg)] == names
    assert set(cfg.HOOKS) - {"NAMES"} == {name for name, _ in HOOK_REGISTRY} - {"ProgressBar"}  # which has no key


def test_an_unknown_name_is_told_with_those_that_there_are():
    cfg = get_config(None, ["HOOKS.NAMES", "('BestCheckpint',)"])
    with pytest.raises(KeyError, match="BestCheckpint"):
        build_named_hooks(cfg)


DEFAULT = ("LossCurves", "BestCheckpoint")


@pytest.mark.parametrize(
    ("given", "resolved", "reason"),
    [
        (("ModelEMA",), ("ModelEMA",), "names without a sign replace"),
        ((), (), "no names are no hooks"),
        (("+ModelEMA",), (*DEFAULT, "ModelEMA"), "added at the end"),
        (("+ModelEMA", "+TimeLimit"), (*DEFAULT, "ModelEMA", "TimeLimit"), "in the order given"),
        (("-LossCurves",), ("BestCheckpoint",), "taken away"),
        (("-LossCurves", "+ModelEMA"), ("BestCheckpoint", "ModelEMA"), "both kinds of change"),
        (("+LossCurves",), DEFAULT, "is there already"),
        (("-ModelEMA",), DEFAULT, "is not there"),
        (("+ModelEMA", "+ModelEMA"), (*DEFAULT, "ModelEMA"), "once"),
        (("ModelEMA", "TimeLimit", "ModelEMA"), ("ModelEMA", "TimeLimit"), "once"),
    ],
)
def test_names_replace_the_default_or_change_it(given, resolved, reason):
    assert resolve_hook_names(DEFAULT, given) == resolved, reason
    assert resolve_hook_names(list(DEFAULT), list(given)) == resolved


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("ModelEMA", "+TimeLimit"), "has both ModelEMA and \\+TimeLimit: write \\+ModelEMA, or leave out the signs"),
        (("-LossCurves", "ModelEMA"), "has both ModelEMA and -LossCurves"),
        (("+ModelEMA", "-ModelEMA"), "has \\+ModelEMA and -ModelEMA: keep one"),
        (("ModelEMAA",), "names of BestCheckpoint, .*WandbWriter, but has 'ModelEMAA'"),
        (("+ModelEMAA",), "names of BestCheckpoint, .*WandbWriter, but has 'ModelEMAA'"),
        (("-ModelEMAA",), "has 'ModelEMAA'"),
        (("+",), "has ''"),
        (("++ModelEMA",), "has '\\+ModelEMA'"),
    ],
)
def test_names_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        resolve_hook_names(DEFAULT, given)


class Plain(HookBase):
    pass


class WithDefaults(HookBase):
    def __init__(self, period=3, *rest, **options):
        self.period = period


class OfConfig(HookBase):
    def __init__(self, cfg, period=3):
        self.cfg, self.period = cfg, period


class OfTwo(HookBase):
    def __init__(self, folder, period):
        pass


class OfKeyword(HookBase):
    def __init__(self, *, period):
        pass


def test_a_hook_without_from_config_is_made_of_nothing_or_of_the_config():
    cfg = get_config()
    assert type(build_hook(Plain, cfg)) is Plain
    assert build_hook(WithDefaults, cfg).period == 3
    made = build_hook(OfConfig, cfg)
    assert (made.cfg, made.period) == (cfg, 3)


@pytest.mark.parametrize(("kind", "required"), [(OfTwo, "folder, period"), (OfKeyword, "period")])
def test_a_hook_that_wants_more_is_told_what_is_missing(kind, required):
    with pytest.raises(
        ValueError, match=f"hook {kind.__name__} .* requires {required}: give it a classmethod from_config"
    ):
        build_hook(kind, get_config())
