"""The benchmarks by name: what `playground bench` runs."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from playground.bench.measure import Case, print_cases, write_cases
from playground.errors import UnknownNameError

Benchmark = Callable[[str | None], Iterator[Case]]
"""Given a checkpoint folder, or None for the shipped one."""


def _act(checkpoint: str | None) -> Iterator[Case]:
    import torch

    from playground.bench.act import measure_act
    from playground.model import load_model

    torch.set_num_threads(1)
    yield from measure_act(load_model(checkpoint))


def _start(checkpoint: str | None) -> Iterator[Case]:
    from playground.bench.start import measure_start

    yield from measure_start(checkpoint)


def _batch(checkpoint: str | None) -> Iterator[Case]:
    from playground.bench.batch import measure_batch

    yield from measure_batch(checkpoint)


def _train(checkpoint: str | None) -> Iterator[Case]:
    from playground.bench.train import measure_train

    yield from measure_train()


def _render(checkpoint: str | None) -> Iterator[Case]:
    from playground.bench.render import measure_render

    yield from measure_render()


def _peers(checkpoint: str | None) -> Iterator[Case]:
    import torch

    from playground.bench.peers import measure_peers

    torch.set_num_threads(1)
    yield from measure_peers()


def _web(checkpoint: str | None) -> Iterator[Case]:
    from playground.bench.start import measure_web

    yield from measure_web(checkpoint)


BENCHMARKS: dict[str, tuple[str, Benchmark]] = {
    "act": ("One world at a time, one thread, warm", _act),
    "batch": ("Evaluation without pictures, one thread per process", _batch),
    "train": ("Forward, backward and optimiser in bfloat16", _train),
    "render": ("Software or hardware OpenGL, whichever there is", _render),
    "peers": ("One decision behind 128 timesteps, walker's numbers, one thread, random weights", _peers),
    "web": ("A fresh server, files in the page cache", _web),
    "start": ("Fresh processes, files in the page cache", _start),
}
"""Name -> title of its table, and what measures."""


def run(names: Sequence[str], json_file: Path | None = None, checkpoint: str | None = None) -> list[Case]:
    """Runs benchmarks, all of them by default, and prints a table of each.

    Args:
        names: keys of `BENCHMARKS`.
        json_file: where the figures go; written after each benchmark.
        checkpoint: checkpoint folder; None takes the shipped one.

    Raises:
        UnknownNameError: there is no benchmark of that name.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise UnknownNameError("benchmark", name, BENCHMARKS)
    cases: list[Case] = []
    for name in names or BENCHMARKS:
        title, measure = BENCHMARKS[name]
        found = list(measure(checkpoint))
        print_cases(f"{name}: {title}", found)
        cases += found
        if json_file is not None:
            write_cases(json_file, cases)
    return cases
