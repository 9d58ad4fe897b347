import logging

import pytest
import torch
from detectron2.evaluation import (
    DatasetEvaluator,
    DatasetEvaluators,
    inference_context,
    inference_on_dataset,
)
from detectron2.evaluation import evaluator as module
from torch import nn


class Collect(DatasetEvaluator):
    """Remembers what it was given, under a task of its own."""

    def __init__(self, task="seen"):
        self.task = task
        self.seen = ["stale"]

    def reset(self):
        self.seen = []

    def process(self, inputs, outputs):
        self.seen.extend(zip(inputs, outputs, strict=True))

    def evaluate(self):
        return {self.task: {"n": len(self.seen)}}


class Double(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(1)

    def forward(self, batch):
        assert not self.training and not torch.is_grad_enabled()
        return [2 * x for x in batch]


def test_every_batch_reaches_the_evaluator_in_order():
    evaluator = Collect()
    results = inference_on_dataset(Double().train(), [[1, 2], [3]], evaluator)
    assert evaluator.seen == [(1, 2), (2, 4), (3, 6)]
    assert results == {"seen": {"n": 3}}


def test_several_evaluators_and_none():
    first, second = Collect("first"), Collect("second")
    assert inference_on_dataset(Double(), [[1]], [first, second]) == {"first": {"n": 1}, "second": {"n": 1}}
    assert inference_on_dataset(Double(), [[1]], None) == {}
    assert inference_on_dataset(Double(), [[1]], DatasetEvaluator()) == {}


def test_a_plain_function_may_stand_in_for_the_model():
    assert inference_on_dataset(lambda batch: batch, [[1], [2]], Collect()) == {"seen": {"n": 2}}


def test_callbacks_run_in_their_places():
    calls = []

    def model(batch):
        calls.append("model")
        return batch

    names = ("on_start", "before_inference", "after_inference", "on_end")
    inference_on_dataset(model, [[1], [2]], None, {name: lambda n=name: calls.append(n) for name in names})
    once = ["before_inference", "model", "after_inference"]
    assert calls == ["on_start", *once, *once, "on_end"]


def test_two_evaluators_may_not_report_the_same_task():
    with pytest.raises(ValueError, match="Collect reports 'seen'"):
        DatasetEvaluators([Collect(), Collect()]).evaluate()


def test_log_tells_progress_remaining_time_and_totals_without_warm_up(caplog, monkeypatch):
    clock = {"now": 0.0}
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock["now"])

    def loader():
        for i in range(8):
            clock["now"] += 0.5  # seconds to load a batch
            yield [i]

    class Sized:
        def __len__(self):
            return 8

        def __iter__(self):
            return loader()

    def model(batch):
        # The five batches of warm-up take 100 s each and must not be seen in the averages.
        clock["now"] += 100 if batch[0] < 5 else 2
        return batch

    with caplog.at_level(logging.INFO):
        inference_on_dataset(model, Sized(), Collect())
    assert "Start inference on 8 batches" in caplog.text
    # Five seconds after the warm-up two batches of 0.5 + 2 s are done and one remains.
    line = "Inference done 7/8. Dataloading: 0.5000 s/iter. Inference: 2.0000 s/iter. Eval: 0.0000 s/iter. "
    assert line + "Total: 2.5000 s/iter. ETA=0:00:02" in caplog.text
    assert "Inference done 6/8" not in caplog.text
    assert "Total inference time: 0:00:07 (2.500000 s / iter per device, on 1 devices)" in caplog.text
    assert "Total inference pure compute time: 0:00:06 (2.000000 s / iter per device, on 1 devices)" in caplog.text


def test_no_batches_at_all():
    assert inference_on_dataset(Double(), [], Collect()) == {"seen": {"n": 0}}


def test_modes_come_back_one_by_one_also_after_an_error():
    model = Double().train()
    model.norm.eval()
    with pytest.raises(RuntimeError, match="boom"), inference_context(model):
        assert not model.training
        raise RuntimeError("boom")
    assert model.training and not model.norm.training
