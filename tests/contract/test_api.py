"""
Every public name of Detectron2 that the project promises exists at its path and takes every call the real one takes.

``tests/golden/detectron2_api.json`` holds the signatures as text. A parameter counts by its name, its kind, its
place, and whether it may be left out; annotations and the values of defaults are not compared as text.
"""

import importlib
import inspect

import pytest

from tests.contract.api_list import API, listed_parameters

PROVIDED = [(module, name, entry) for module, names in API["provide"].items() for name, entry in names.items()]
REFUSED = [(module, name) for module, names in API["refuse"].items() for name in names]
# CascadeROIHeads is on the list of names left out, but is provided.
PROVIDED_AFTER_ALL = {("detectron2.modeling.roi_heads", "CascadeROIHeads")}


def shortfalls(wanted: list[inspect.Parameter], got: inspect.Signature) -> list[str]:
    """What a call of the ``wanted`` signature could meet that ``got`` does not take."""
    found = []
    have = list(got.parameters.values())
    takes_any_keyword = any(p.kind is p.VAR_KEYWORD for p in have)
    takes_any_position = any(p.kind is p.VAR_POSITIONAL for p in have)
    positions = [p for p in have if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = {p.name: p for p in have}
    place = 0
    for parameter in wanted:
        if parameter.kind is parameter.VAR_POSITIONAL:
            found += [] if takes_any_position else ["takes no further positional arguments"]
        elif parameter.kind is parameter.VAR_KEYWORD:
            found += [] if takes_any_keyword else ["takes no further keywords"]
        elif parameter.kind is parameter.KEYWORD_ONLY:
            found += [] if parameter.name in names or takes_any_keyword else [f"no keyword {parameter.name}"]
        else:
            same_place = place < len(positions) and positions[place].name == parameter.name
            found += [] if same_place or takes_any_position else [f"no {parameter.name} in place {place}"]
            place += 1
        own = names.get(parameter.name)
        optional = parameter.default is not parameter.empty
        if own is not None and optional and own.default is own.empty and own.kind is not own.VAR_POSITIONAL:
            found.append(f"{parameter.name} must be given")
    listed = {p.name for p in wanted}
    for own in have:
        required = own.default is own.empty and own.kind not in (own.VAR_POSITIONAL, own.VAR_KEYWORD)
        if required and own.name not in listed and own.name not in ("self", "cls"):
            found.append(f"wants {own.name}, which Detectron2 does not")
    return found


def signature_of(function) -> inspect.Signature:
    """Of a function or method as written, ``self`` or ``cls`` included."""
    return inspect.signature(getattr(function, "__func__", function))


@pytest.mark.parametrize(("module", "name", "entry"), PROVIDED, ids=[f"{m}:{n}" for m, n, _ in PROVIDED])
def test_provided(module, name, entry):
    assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
    thing = getattr(importlib.import_module(module), name)
    if isinstance(entry, str):
        if entry.startswith("("):
            assert not shortfalls(listed_parameters(entry), inspect.signature(thing, follow_wrapped=False))
        return
    assert inspect.isclass(thing)
    bases = {base.__name__ for base in thing.__mro__}
    missing = [base for base in entry["bases"] if base not in bases and not base.startswith("_")]
    assert not missing or set(missing) <= {"EventLogger", "Generic", "Iterable"}, f"{name} is no {missing}"
    for method, text in entry["methods"].items():
        assert hasattr(thing, method), f"{name} has no method {method}"
        raw = inspect.getattr_static(thing, method)
        own = signature_of(raw) if not isinstance(raw, property) else None
        assert own is None or not shortfalls(listed_parameters(text), own), f"{name}.{method}"
    for prop in entry["properties"]:
        assert hasattr(thing, prop) or prop in getattr(thing, "__annotations__", {}), f"{name} has no property {prop}"


@pytest.mark.parametrize(("module", "name"), REFUSED, ids=[f"{m}:{n}" for m, n in REFUSED])
def test_refused_with_a_sentence(module, name):
    loaded = importlib.import_module(module)
    if (module, name) in PROVIDED_AFTER_ALL:
        assert inspect.isclass(getattr(loaded, name))
        return
    with pytest.raises(ImportError) as caught:
        getattr(loaded, name)
    message = str(caught.value)
    assert name in message and "real Detectron2" in message and message.endswith(".")


def test_the_comparison_sees_what_is_missing():
    wanted = listed_parameters("(self, a, b=1, *, c: int = 2, **kwargs)")
    assert shortfalls(wanted, signature_of(lambda self, a, b=1, *, c=3, **more: 0)) == []
    assert shortfalls(wanted, signature_of(lambda self, b, a=1, **more: 0)) == [
        "no a in place 1",
        "no b in place 2",
        "b must be given",
    ]
    assert shortfalls(wanted, signature_of(lambda self, a, b, d: 0))[:1] == ["b must be given"]
