"""Independent jobs on all cores or on a cluster. Results come as they are ready; a lost worker's job is done again."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache, partial
from operator import attrgetter
from typing import Generic, TypeVar

from playground import domains
from playground.environment import DomainEnv
from playground.errors import BadValueError, MissingLibraryError, PlaygroundError
from playground.task import Expert, Task

Job = TypeVar("Job")
Result = TypeVar("Result")

Workers = int | str
"""A number of processes of this machine, or the address of a cluster's scheduler."""

CLUSTER_JOBS = 64
"""Jobs that `JobPool` keeps a cluster busy with."""

RETRIES = 2
"""How often a job that was running when a process died is done again."""


def parse_workers(text: str | None) -> Workers:
    """Parses a number of processes or an address; None means all cores.

    Raises:
        BadValueError: neither.
    """
    if text is None:
        return cores()
    if "://" in text:
        return text
    if not text.isdecimal() or int(text) < 1:
        raise BadValueError(
            f"workers are {text!r}; give 1 or more, or the address of a Dask scheduler, tcp://host:8786"
        )
    return int(text)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def world(task_id: str) -> tuple[Task, DomainEnv, Expert]:
    """A task with its environment and expert, kept for the next job of the same task: some take a second to build."""
    task = domains.task(task_id)
    env = task.make(64)
    return task, env, task.make_expert(env)


def run_jobs(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: Workers
) -> Iterator[tuple[Job, Result | Exception]]:
    """Runs `function` on every job and yields (job, result, or the exception that it raised) in order of completion.

    A job whose worker dies (killed, out of memory, machine gone) is done again.

    Args:
        function: of a module, so that workers can import it.
        jobs: small pieces of data.
        workers: 1 works in this process. More are fresh processes of one thread each; an interrupt ends them. An
            address, `tcp://host:port`, is that of a Dask scheduler, whose workers do the jobs.

    Raises:
        PlaygroundError: nothing answers at the address, or its extra is not installed.
    """
    if isinstance(workers, str):
        with cluster(workers) as executor:
            yield from _completed(executor, function, jobs, len(jobs))
    elif workers <= 1:
        for job in jobs:
            yield job, _outcome(lambda job=job: function(job))  # type: ignore[misc]
    else:
        yield from _in_processes(function, jobs, workers)


def run_with_progress(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: Workers | None,
    take: Callable[[Job, Result], str],
    name: Callable[[Job], str] = attrgetter("task"),
) -> dict[str, Exception]:
    """Runs `function` on every job under a progress bar; a job that fails does not stop the others.

    Args:
        function: of a module, so that workers can import it.
        jobs: all of them.
        workers: as for `run_jobs`; all cores if left out.
        take: saves a result as soon as it is there, in this process, and returns the line to print of it, if any.
        name: what to call a job; several may share a name.

    Returns:
        Name -> the exception of a job that failed.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    failures: dict[str, Exception] = {}
    columns = (TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=len(jobs))
        for job, result in run_jobs(function, jobs, workers or cores()):
            progress.update(bar, advance=1, description=name(job))
            if isinstance(result, Exception):
                failures[name(job)] = result
                line = f"{name(job)}: {type(result).__name__}: {result}"
                progress.console.print(line, style="red", soft_wrap=True)
            elif line := take(job, result):
                progress.console.print(line, highlight=False, soft_wrap=True)
    return failures


def raise_failures(failures: Mapping[str, Exception], count: int) -> None:
    """Reports what `run_with_progress` could not do, of `count` tasks.

    Raises:
        PlaygroundError: anything failed.
    """
    if failures:
        lines = "; ".join(f"{name}: {error}" for name, error in failures.items())
        raise PlaygroundError(f"{len(failures)} of {count} tasks failed ({lines}); the others are saved")


def _in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[tuple[Job, Result | Exception]]:
    """Runs jobs in local processes. A process that dies breaks the others' jobs; these are done again one by one."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # inherited by the workers, which read it before they import NumPy
    waiting, suspects = deque(jobs), list[Job]()
    while waiting:
        with _processes(min(workers, len(waiting))) as executor:
            for job, result in _completed(executor, function, waiting, workers):
                if isinstance(result, BrokenExecutor):
                    suspects.append(job)
                else:
                    yield job, result
    for job in suspects:
        for _ in range(RETRIES):
            with _processes(1) as executor:
                ((_, result),) = _completed(executor, function, deque([job]), 1)
            if not isinstance(result, BrokenExecutor):
                break
        yield job, result


def _completed(
    executor: Executor, function: Callable[[Job], Result], waiting: Sequence[Job] | deque[Job], most: int
) -> Iterator[tuple[Job, Result | Exception]]:
    """Submits jobs, at most `most` at a time, and stops when the executor is broken."""
    waiting = waiting if isinstance(waiting, deque) else deque(waiting)
    running: dict[Future[Result], Job] = {}
    broken = False
    while running or (waiting and not broken):
        while waiting and len(running) < most and not broken:
            try:
                running[executor.submit(function, waiting[0])] = waiting[0]
            except BrokenExecutor:
                broken = True
            else:
                waiting.popleft()
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            result = _outcome(future.result)
            broken = broken or isinstance(result, BrokenExecutor)
            yield running.pop(future), result


def _outcome(call: Callable[[], Result]) -> Result | Exception:
    try:
        return call()
    except Exception as error:
        return error


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """Fresh processes; an error or interrupt ends them at once."""
    spawn = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, spawn, initializer=_leave_interrupts_to_parent)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    pool.shutdown()


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """A Dask cluster as a standard executor; its scheduler gives the jobs of lost workers to others.

    Raises:
        PlaygroundError: nothing answers there, or Dask is not installed.
    """
    try:
        from distributed import Client
    except ImportError as error:
        cure = "pip install 'prompt-playground[cluster]'"
        raise MissingLibraryError(f"workers at {address} need Dask ({error}); {cure}") from error
    try:
        client = Client(address, timeout=5, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        cure = "start one with `dask scheduler`"
        raise PlaygroundError(f"no Dask scheduler answers at {address} ({error}); {cure}") from error
    with client, client.get_executor(pure=False) as executor:
        yield executor


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class JobPool(Generic[Job, Result]):
    """Workers that are given jobs one by one, and whose results are fetched when there is time; see `run_jobs`.

    Args:
        function: of a module, so that workers can import it.
        workers: processes, or a cluster's address. 0 does each job in this process when results are fetched.
    """

    def __init__(self, function: Callable[[Job], Result], workers: Workers):
        self._function, self._workers = function, workers
        self._stack = ExitStack()
        self._executor: Executor | None = None
        self._running: dict[Future[Result], Job] = {}
        self._waiting: deque[Job] = deque()

    @property
    def free(self) -> int:
        """How many jobs are wanted, so that no worker waits."""
        most = CLUSTER_JOBS if isinstance(self._workers, str) else max(1, self._workers + 1)
        return most - len(self._running) - len(self._waiting)

    def submit(self, job: Job) -> None:
        """Gives the workers another job."""
        if self._workers == 0:
            self._waiting.append(job)
            return
        try:
            self._running[self._open().submit(self._function, job)] = job
        except BrokenExecutor:
            self._restart()
            self._running[self._open().submit(self._function, job)] = job

    def poll(self, wait_for_one: bool = False) -> Iterator[tuple[Job, Result | Exception]]:
        """The jobs that are done, with their results or the exceptions that they raised.

        A worker that died takes the jobs of the others with it; all of them come back as failed.

        Args:
            wait_for_one: waits until there is one, if any is running.
        """
        while self._waiting:
            job = self._waiting.popleft()
            yield job, _outcome(partial(self._function, job))
        if not self._running:
            return
        done = wait(self._running, None if wait_for_one else 0.0, FIRST_COMPLETED).done
        results: list[tuple[Job, Result | Exception]] = []
        results += [(self._running.pop(future), _outcome(future.result)) for future in done]
        if any(isinstance(result, BrokenExecutor) for _, result in results):
            results += [(job, BrokenExecutor("a worker died")) for job in self._running.values()]
            self._restart()
        yield from results

    def close(self) -> None:
        """Ends the workers at once."""
        self._restart()

    def _open(self) -> Executor:
        if self._executor is None:
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            workers = self._workers
            opened = cluster(workers) if isinstance(workers, str) else _processes(workers)
            self._executor = self._stack.enter_context(opened)
        return self._executor

    def _restart(self) -> None:
        self._running.clear()
        self._executor = None
        stack, self._stack = self._stack, ExitStack()
        with suppress(_Stop), stack:
            raise _Stop


class _Stop(Exception):
    """Ends processes at once rather than when their jobs are done."""
