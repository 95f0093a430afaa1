"""Many independent jobs on all cores, with results as they come."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from typing import TypeVar

from playground import domains
from playground.domains.base import DomainEnv
from playground.task import Expert, Task

Job = TypeVar("Job")
Result = TypeVar("Result")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def world(task_id: str) -> tuple[Task, DomainEnv, Expert]:
    """A task with its environment and expert, kept from job to job of the same task: some take a second to build."""
    task = domains.task(task_id)
    env = task.make(64)
    return task, env, task.make_expert(env)


def run_jobs(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[tuple[Job, Result | Exception]]:
    """Runs `function` on every job and yields (job, result, or the exception that it raised) in order of completion.

    One worker works in this process. More are fresh processes, of one thread each; they end with an interrupt.
    """
    if workers <= 1:
        for job in jobs:
            try:
                result: Result | Exception = function(job)
            except Exception as error:
                result = error
            yield job, result
        return

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # inherited by the workers, which read it before they import NumPy
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(jobs) or 1), spawn, initializer=_leave_interrupts_to_parent)
    try:
        futures = {pool.submit(function, job): job for job in jobs}
        for future in as_completed(futures):
            fault = future.exception()
            if fault is not None and not isinstance(fault, Exception):
                raise fault
            yield futures[future], future.result() if fault is None else fault
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    pool.shutdown()


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
