"""Jobs on processes and on a cluster: nothing is lost when a worker is killed in the middle."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from playground.errors import BadValueError, PlaygroundError
from playground.parallel import JobPool, parse_workers, raise_failures, run_jobs, run_with_progress


@dataclass(frozen=True)
class Job:
    """Squares a number; the worker of `deadly` jobs is killed, the first `deaths` times."""

    number: int
    folder: Path
    deaths: int = 0


def square(job: Job) -> int:
    marks = len(list(job.folder.glob(f"{job.number}-*")))
    (job.folder / f"{job.number}-{marks}").touch()
    if marks < job.deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    if job.number < 0:
        raise ValueError(f"{job.number} is negative")
    time.sleep(0.05)
    return job.number**2


def outcomes(jobs: list[Job], workers: int | str) -> dict[int, int | Exception]:
    pairs = [(job.number, result) for job, result in run_jobs(square, jobs, workers)]
    assert len(pairs) == len(jobs)
    return dict(pairs)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_and_errors_belong_to_their_jobs(tmp_path: Path, workers: int):
    found = outcomes([Job(number, tmp_path) for number in (3, -1, 5)], workers)
    assert found[3] == 9 and found[5] == 25 and isinstance(found[-1], ValueError)


@pytest.mark.slow
def test_killed_process_costs_nothing(tmp_path: Path):
    jobs = [Job(number, tmp_path, deaths=int(number == 2)) for number in range(6)]
    assert outcomes(jobs, 2) == {number: number**2 for number in range(6)}


@pytest.mark.slow
def test_deadly_job_is_given_up_and_the_others_are_done(tmp_path: Path):
    jobs = [Job(number, tmp_path, deaths=9 * (number == 0)) for number in range(4)]
    found = outcomes(jobs, 2)
    assert isinstance(found.pop(0), Exception) and found == {1: 1, 2: 4, 3: 9}


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a cluster of two worker processes on this machine."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.mark.slow
def test_killed_machine_of_a_cluster_costs_nothing(tmp_path: Path, scheduler: str):
    jobs = [Job(number, tmp_path, deaths=int(number == 2)) for number in (0, 1, 2, 3, -4, 5)]
    found = outcomes(jobs, scheduler)
    assert isinstance(found.pop(-4), ValueError)
    assert found == {number: number**2 for number in (0, 1, 2, 3, 5)}
    assert len(list(tmp_path.glob("2-*"))) >= 2


@pytest.mark.slow
def test_nobody_at_the_address():
    with pytest.raises(PlaygroundError, match="dask scheduler"):
        list(run_jobs(square, [], "tcp://127.0.0.1:9"))


def test_workers_are_a_number_or_an_address():
    assert parse_workers("3") == 3 and parse_workers("tcp://a:1") == "tcp://a:1" and int(parse_workers(None)) >= 1
    for text in ("0", "-1", "many"):
        with pytest.raises(BadValueError, match=text):
            parse_workers(text)


def test_a_failure_is_told_and_costs_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    jobs = [Job(number, tmp_path) for number in (2, -3, 4)]
    taken: list[int] = []

    def take(job: Job, result: int) -> str:
        taken.append(result)
        return f"{job.number} squared is {result}" if job.number == 2 else ""

    failures = run_with_progress(square, jobs, 1, take, lambda job: f"number {job.number}")
    out = capsys.readouterr().out
    assert taken == [4, 16] and "2 squared is 4" in out and "ValueError: -3 is negative" in out
    raise_failures({}, 3)
    with pytest.raises(
        PlaygroundError, match=r"1 of 3 tasks failed \(number -3: -3 is negative\); the others are saved"
    ):
        raise_failures(failures, len(jobs))


def test_a_pool_goes_on_when_a_worker_is_killed(tmp_path: Path):
    pool = JobPool(square, 2)
    try:
        for number in range(3):
            pool.submit(Job(number, tmp_path, deaths=int(number == 1)))
        results: list[tuple[Job, int | Exception]] = []
        while len(results) < 3:
            results += pool.poll(wait_for_one=True)
        assert any(isinstance(result, BrokenExecutor) for _, result in results)
        assert pool.free == 3
        pool.submit(Job(5, tmp_path))
        ((job, result),) = pool.poll(wait_for_one=True)
        assert (job.number, result) == (5, 25)
    finally:
        pool.close()


def test_a_pool_without_workers_does_the_jobs_itself(tmp_path: Path):
    pool = JobPool(square, 0)
    pool.submit(Job(3, tmp_path))
    assert [result for _, result in pool.poll()] == [9] and not list(pool.poll()) and pool.free == 1
