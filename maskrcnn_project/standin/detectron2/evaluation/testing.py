"""Results of an evaluation: printed for copying, compared with expectations, flattened for logging."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pprint import pformat
from typing import Any

import numpy as np


def print_csv_format(results: Mapping[str, Any]) -> None:
    """
    Log the main metrics of each task as lines that can be pasted into a table.

    Args:
        results: task -> {metric -> number}. Metrics with a dash in their name (per class) are left out.
    """
    if not isinstance(results, Mapping):
        if not results:  # None or []: a worker that is not the main one has nothing to print
            return
        raise TypeError(
            f"print_csv_format needs the results of an evaluation, a mapping task -> {{metric -> number}}, "
            f"but got {type(results).__name__}; pass what inference_on_dataset returned."
        )
    logger = logging.getLogger(__name__)
    for task, metrics in results.items():
        if not isinstance(metrics, Mapping):
            logger.info("copypaste: %s=%s", task, metrics)
            continue
        main = {name: value for name, value in metrics.items() if "-" not in name}
        logger.info("copypaste: Task: %s", task)
        logger.info("copypaste: %s", ",".join(main))
        logger.info("copypaste: %s", ",".join(f"{value:.4f}" for value in main.values()))


def verify_results(cfg: Any, results: Mapping[str, Mapping[str, float]]) -> bool:
    """
    Compare results with ``cfg.TEST.EXPECTED_RESULTS``, rows of (task, metric, value, tolerance).

    Returns:
        True when every expectation holds, or none is set.

    Raises:
        SystemExit: with status 1 when one does not hold, so that a script run for its check fails.
    """
    logger = logging.getLogger(__name__)
    expected: Sequence[Sequence[Any]] = cfg.TEST.EXPECTED_RESULTS
    if not len(expected):
        return True

    failures = [sentence for row in expected if (sentence := _broken_expectation(row, results))]
    if failures:
        logger.error("Result verification failed!")
        for sentence in failures:
            logger.error(sentence)
        logger.error("Expected results: %s", pformat(list(expected)))
        logger.error("Actual results: %s", pformat(results))
        sys.exit(1)
    logger.info("Results verification passed.")
    return True


def _broken_expectation(row: Sequence[Any], results: Mapping[str, Mapping[str, float]]) -> str | None:
    """What is wrong with ``results`` in the eyes of one row, None when nothing is."""
    if len(row) != 4:
        return f"TEST.EXPECTED_RESULTS needs rows [task, metric, value, tolerance], but holds {list(row)!r}."
    task, metric, value, tolerance = row
    actual = results.get(task, {}).get(metric)
    if actual is None:
        return f"{task}/{metric} is expected to be {value}, but the evaluation gave no such metric."
    if not np.isfinite(actual) or abs(actual - value) > tolerance:
        return f"{task}/{metric} is expected within {tolerance} of {value}, but is {actual:.4f}."
    return None


def flatten_results_dict(results: Mapping[str, Any]) -> dict[str, Any]:
    """
    Join the keys of nested results with slashes: {"bbox": {"AP": 40.0}} -> {"bbox/AP": 40.0}.

    Returns:
        A flat dict, in the order of the nested one.
    """
    flat: dict[str, Any] = {}
    for key, value in results.items():
        if isinstance(value, Mapping):
            flat.update({f"{key}/{below}": leaf for below, leaf in flatten_results_dict(value).items()})
        else:
            flat[key] = value
    return flat
