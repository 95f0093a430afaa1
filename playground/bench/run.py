"""The benchmarks by name, as `playground bench` runs them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playground.bench.measure import Measurement, print_table, write_measurements
from playground.errors import UnknownNameError
from playground.files import check_file_target


@dataclass(frozen=True)
class Settings:
    """What a benchmark is given.

    Attributes:
        checkpoint: checkpoint folder; None takes the shipped one.
        minutes: length of the benchmarks that take long.
    """

    checkpoint: str | None = None
    minutes: float = 60.0


Benchmark = Callable[[Settings], Iterator[Measurement]]


def _act(settings: Settings) -> Iterator[Measurement]:
    import torch

    from playground.bench.act import measure_act
    from playground.model import load_model

    torch.set_num_threads(1)
    yield from measure_act(load_model(settings.checkpoint))


def _start(settings: Settings) -> Iterator[Measurement]:
    from playground.bench.start import measure_start

    yield from measure_start(settings.checkpoint)


def _batch(settings: Settings) -> Iterator[Measurement]:
    from playground.bench.batch import measure_batch

    yield from measure_batch(settings.checkpoint)


def _train(settings: Settings) -> Iterator[Measurement]:
    from playground.bench.train import measure_train

    yield from measure_train()


def _render(settings: Settings) -> Iterator[Measurement]:
    from playground.bench.render import measure_render

    yield from measure_render()


def _peers(settings: Settings) -> Iterator[Measurement]:
    import torch

    from playground.bench.peers import measure_peers

    torch.set_num_threads(1)
    yield from measure_peers()


def _web(settings: Settings) -> Iterator[Measurement]:
    from playground.bench.start import measure_web

    yield from measure_web(settings.checkpoint)


def _page(settings: Settings) -> Iterator[Measurement]:
    from playground.bench.page import measure_page

    yield from measure_page(settings.checkpoint)


def _soak(settings: Settings) -> Iterator[Measurement]:
    from playground.bench.soak import measure_soak

    yield from measure_soak(settings.checkpoint, settings.minutes)


def _window(settings: Settings) -> Iterator[Measurement]:
    from playground.bench.window import measure_window

    yield from measure_window(settings.checkpoint)


BENCHMARKS: dict[str, tuple[str, Benchmark]] = {
    "act": ("One world at a time, one thread, warm", _act),
    "batch": ("Evaluation without pictures, one thread per process", _batch),
    "train": ("Forward, backward and optimiser in bfloat16", _train),
    "render": ("Software or hardware OpenGL, whichever there is", _render),
    "peers": ("One decision behind 128 timesteps, walker's numbers, one thread, random weights", _peers),
    "web": ("A fresh server, files in the page cache", _web),
    "start": ("Fresh processes, files in the page cache", _start),
    "page": ("The page in headless Chromium; in the middle: least and most", _page),
    "soak": ("Visitors come and go; in the middle: least and most of all rests", _soak),
    "window": ("The window, pictures of 640 px", _window),
}
"""Name -> title of its table, and the function that measures."""

BY_NAME_ONLY = ("page", "soak", "window")
"""Benchmarks that run only if they are asked for: they need a browser or a screen."""


def run(names: Sequence[str], json_file: Path | None = None, settings: Settings | None = None) -> list[Measurement]:
    """Runs benchmarks and prints a table of each.

    Args:
        names: keys of `BENCHMARKS`; if empty, all but those of `BY_NAME_ONLY`.
        json_file: where the figures go; written after each benchmark.
        settings: what each benchmark is given.

    Raises:
        UnknownNameError: there is no benchmark of that name.
        BadValueError: `json_file` cannot be written.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise UnknownNameError("benchmark", name, BENCHMARKS)
    if json_file is not None:
        check_file_target(json_file)
    cases: list[Measurement] = []
    for name in names or [name for name in BENCHMARKS if name not in BY_NAME_ONLY]:
        title, measure = BENCHMARKS[name]
        found = list(measure(settings or Settings()))
        print_table(f"{name}: {title}", found)
        cases += found
        if json_file is not None:
            write_measurements(json_file, cases)
    return cases
