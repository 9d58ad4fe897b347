import pytest
from detectron2.engine import HookBase
from detectron2.engine.hooks import EvalHook, LRScheduler, PeriodicWriter

from maskrcnn_project.config import get_config
from maskrcnn_project.training.hooks import HOOK_REGISTRY, HookPlace, arrange_hooks, build_named_hooks


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
