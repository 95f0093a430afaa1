"""Timing: a function and its lower bound in turns, so that whatever disturbs the machine disturbs both.

One call is one sample. The median and the middle 80 % are reported. Where other processes want the same core, the time
that this thread ran replaces the time on the clock, and the table says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, thread_time

import numpy as np

from playground.files import write_json

BLOCK_SECONDS = 0.1
"""How long one function runs before the next one has its turn."""

WARM_UP_SECONDS = 0.2

ALONE = 0.95
"""Share of the time for which a thread runs at least, if nothing else wants its core."""


@dataclass(frozen=True)
class Timings:
    """Times of one function's calls in milliseconds.

    Attributes:
        median, low, high: of single calls; `low` and `high` are the 10 % and 90 % quantiles.
        count: number of calls.
        ran: share of the time on the clock in which the thread ran.
    """

    median: float
    low: float
    high: float
    count: int
    ran: float


@dataclass(frozen=True)
class Measurement:
    """One figure beside its lower bound, the floor.

    Attributes:
        name: what was measured.
        value: the figure, in `unit`.
        unit: such as `ms` (less is better) or `steps/s`.
        floor: the same figure if only the unavoidable work took time; None where there is no such bound.
        ratio: how many times longer than the floor it takes, 1 or more; None without a floor.
        low, high: the middle 80 % of single samples; equal to `value` where there is only one.
        floor_is: what the floor consists of.
        ran: see `Timings`; None where other processes do the work.
    """

    name: str
    value: float
    unit: str
    floor: float | None
    ratio: float | None
    low: float
    high: float
    floor_is: str = ""
    ran: float | None = None

    @classmethod
    def of_times(cls, name: str, samples: Timings, floor: Timings | None = None, floor_is: str = "") -> "Measurement":
        """Makes a measurement in milliseconds."""
        known = None if floor is None else floor.median
        ratio = None if known is None else samples.median / known
        return cls(name, samples.median, "ms", known, ratio, samples.low, samples.high, floor_is, samples.ran)

    @classmethod
    def of_rate(
        cls, name: str, rate: float, unit: str, floor: float | None = None, floor_is: str = ""
    ) -> "Measurement":
        """Makes a measurement in things per second; its floor is the greatest possible rate."""
        return cls(name, rate, unit, floor, None if floor is None else floor / rate, rate, rate, floor_is)


def sample(
    functions: Mapping[str, Callable[[], object]], seconds: float = 2.0, threaded: Sequence[str] = ()
) -> dict[str, Timings]:
    """Times some functions in turns.

    Args:
        functions: name -> what is timed; each is warmed up first.
        seconds: for each of them.
        threaded: names of those that let other threads work: their times are always the clock's.
    """
    clocked: dict[str, list[float]] = {name: [] for name in functions}
    ran: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        _run(function, WARM_UP_SECONDS, [], [])
    for _ in range(max(1, round(seconds / BLOCK_SECONDS))):
        for name, function in functions.items():
            _run(function, BLOCK_SECONDS, clocked[name], ran[name])
    return {name: _summary(clocked[name], ran[name], name in threaded) for name in functions}


def _run(function: Callable[[], object], seconds: float, clocked: list[float], ran: list[float]) -> None:
    """Calls a function for a while, at least once, and notes the milliseconds of each call."""
    began = end = perf_counter()
    busy_end = thread_time()
    while end - began < seconds:
        start, busy_start = end, busy_end
        function()
        end, busy_end = perf_counter(), thread_time()
        clocked.append((end - start) * 1e3)
        ran.append((busy_end - busy_start) * 1e3)


def _summary(clocked: list[float], ran: list[float], threaded: bool) -> Timings:
    share = min(1.0, sum(ran) / sum(clocked))
    times = clocked if threaded or share >= ALONE else ran
    low, median, high = np.percentile(times, [10, 50, 90])
    return Timings(float(median), float(low), float(high), len(times), 1.0 if threaded else share)


def print_table(title: str, cases: Iterable[Measurement]) -> None:
    """Prints measurements as a table; the title names threads and conditions."""
    from rich.console import Console
    from rich.table import Table

    cases = list(cases)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for column in ("value", "middle 80 %", "floor", "times floor"):
        table.add_column(column, justify="right", no_wrap=True)
    for c in cases:
        spread = "" if c.low == c.high else f"{_short(c.low)} – {_short(c.high)}"
        floor = "" if c.floor is None else _short(c.floor)
        ratio = "" if c.ratio is None else f"{c.ratio:.2f}"
        table.add_row(c.name, f"{_short(c.value)} {c.unit}", spread, floor, ratio)
    console = Console(highlight=False)
    console.print(title, style="bold", soft_wrap=True)
    console.print(table)
    for meaning in dict.fromkeys(c.floor_is for c in cases if c.floor_is):
        console.print(f"floor: {meaning}", style="dim", soft_wrap=True)
    shares = [c.ran for c in cases if c.ran is not None]
    if shares and min(shares) < ALONE:
        console.print(
            f"Other processes wanted the same core: this one ran {np.median(shares):.0%} of the time. The table "
            "has the time that it ran, which is still longer than on a quiet machine.",
            style="yellow",
            soft_wrap=True,
        )


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def write_measurements(file: Path, cases: Iterable[Measurement]) -> None:
    """Writes measurements as {"cases": [...]}; the file is replaced when the new one is complete."""
    write_json(file, {"cases": [asdict(case) for case in cases]})
