"""The article's experiments: one module each, a frozen result, a figure and a one-page report."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from playground.errors import BadValueError, UnknownNameError
from playground.evaluation.episodes import SEEDS_PER_RUN
from playground.experiments.running import Options
from playground.files import check_folder_target
from playground.task import EVALUATION_SEEDS

NAMES = ("ablations", "compute", "ood-goals", "prompt-swap", "zero-shot")


def experiment(name: str, options: Options) -> dict[str, Any]:
    """Runs an experiment by its name and writes `result.json`, `figure.png` and `report.md`.

    Raises:
        UnknownNameError: there is no such experiment, or nothing matches `options.scenes`.
        BadValueError: there are not as many evaluation seeds, or `options.out` cannot be written.
    """
    if name not in NAMES:
        raise UnknownNameError("experiment", name, NAMES)
    most = len(EVALUATION_SEEDS) // SEEDS_PER_RUN - 1
    if not 0 <= options.seed <= most:
        raise BadValueError(f"evaluation seed is {options.seed}; give 0 to {most}")
    check_folder_target(options.out)
    module = name.replace("-", "_")
    run: Callable[[Options], dict[str, Any]] = getattr(import_module(f"{__name__}.{module}"), module)
    return run(options)
