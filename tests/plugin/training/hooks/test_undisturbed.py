import random

import numpy as np
import torch
from detectron2.utils.events import EventStorage, get_event_storage
from torch import nn

from maskrcnn_project.training.hooks.undisturbed import set_loss_mode, undisturbed


def draws():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_generators_and_modes_are_as_before():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    model[1].eval()  # a part that does not train stays so
    with EventStorage():
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(5)
        expected = [draws(), draws()]
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(5)
        seen = [draws()]
        with undisturbed(model, seed=7):
            draws()
            model.eval()
            assert not torch.is_grad_enabled()
            get_event_storage().put_scalar("within", 1.0)
        seen.append(draws())
        assert get_event_storage().latest() == {}
    assert seen == expected
    assert [module.training for module in model] == [True, False, True]


def test_also_after_an_error():
    model = nn.Dropout()
    torch.manual_seed(3)
    expected = torch.rand(2).tolist()
    torch.manual_seed(3)
    first = float(torch.rand(()))
    try:
        with undisturbed(model):
            model.eval()
            torch.rand(9)
            raise MemoryError
    except MemoryError:
        pass
    assert [first, float(torch.rand(()))] == expected
    assert model.training


def test_a_seed_makes_two_looks_the_same():
    looks = []
    for _ in range(2):
        with undisturbed(nn.Identity(), seed=0):
            looks.append(draws())
    assert looks[0] == looks[1]


def test_in_loss_mode_norms_and_dropout_are_as_in_testing():
    model = nn.Sequential(
        nn.BatchNorm2d(1), nn.Conv2d(1, 1, 1), nn.GroupNorm(1, 1), nn.Dropout2d(), nn.InstanceNorm2d(1)
    )
    set_loss_mode(model)
    assert [module.training for module in model] == [False, True, True, False, False]
    assert model.training
