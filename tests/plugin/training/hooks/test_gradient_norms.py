import pytest
import torch
from torch import nn

from maskrcnn_project.training.hooks import GradientNorms
from maskrcnn_project.training.hooks.gradient_norms import gradient_norms
from tests.plugin.training.hooks.small_training import SmallTrainer


def parameter(*gradient):
    made = nn.Parameter(torch.zeros(len(gradient)))
    made.grad = torch.tensor(gradient)
    return made


def test_by_part_and_in_total():
    parameters = [
        ("backbone.stem.weight", parameter(3.0, 0.0)),
        ("backbone.res2.weight", parameter(0.0, 4.0)),
        ("heads.bias", parameter(12.0)),
        ("frozen.weight", nn.Parameter(torch.zeros(1))),
    ]
    assert gradient_norms(parameters, 1) == {"total": 13.0, "backbone": 5.0, "heads": 12.0}
    assert gradient_norms(parameters, 2) == {"total": 13.0, "backbone.stem": 3.0, "backbone.res2": 4.0, "heads": 12.0}
    assert gradient_norms([], 1) == {"total": 0.0}


def test_they_are_logged_every_period(tmp_path):
    trainer = SmallTrainer(tmp_path, [GradientNorms(period=3, depth=1)])
    trainer.run()
    values = {name: trainer.storage.history(f"gradient_norm/{name}").values() for name in ("total", "norm", "head")}
    assert {tuple(i for _, i in each) for each in values.values()} == {(2, 5)}
    total, norm, head = (each[0][0] for each in values.values())
    assert total == pytest.approx((norm**2 + head**2) ** 0.5)


def test_a_period_of_nothing_is_refused():
    with pytest.raises(ValueError, match="must be at least 1, but are 0 and 1"):
        GradientNorms(0, 1)
