"""The list of Detectron2's public interface, and its signatures read from their text."""

import ast
import inspect
import json
from pathlib import Path

API = json.loads((Path(__file__).parents[1] / "golden" / "detectron2_api.json").read_text())


def listed_parameters(signature: str) -> list[inspect.Parameter]:
    """The parameters of a signature given as text; a default is only marked as present."""
    text = signature.split(" -> ")[0]
    # Defaults such as <ColorMode.IMAGE: 0> are no Python: any value stands for them.
    cleaned, depth = "", 0
    for character in text:
        depth += character == "<"
        if depth == 0:
            cleaned += character
        depth -= character == ">"
        if character == ">" and depth == 0:
            cleaned += "0"
    arguments = ast.parse(f"def f{cleaned}: pass").body[0].args
    kinds = inspect.Parameter
    parameters = []
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    for argument, default in zip(positional, defaults, strict=True):
        kind = kinds.POSITIONAL_OR_KEYWORD
        parameters.append(kinds(argument.arg, kind, default=kinds.empty if default is None else True))
    if arguments.vararg:
        parameters.append(kinds(arguments.vararg.arg, kinds.VAR_POSITIONAL))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parameters.append(kinds(argument.arg, kinds.KEYWORD_ONLY, default=kinds.empty if default is None else True))
    if arguments.kwarg:
        parameters.append(kinds(arguments.kwarg.arg, kinds.VAR_KEYWORD))
    return parameters
