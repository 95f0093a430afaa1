"""What all experiments share: cases on all cores, a result that grows and can be continued, intervals, the report."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from playground.domains import matching
from playground.errors import DAMAGED, BadFileError, PlaygroundError, UnknownNameError
from playground.evaluation.evaluate import fingerprint
from playground.evaluation.scoring import RESAMPLES, bootstrap_interval
from playground.files import write_json_lines
from playground.parallel import Workers, run_with_progress

CONTROLS = ("nearest", "expert", "random")
"""Agents without weights. Their episodes are the same under every checkpoint and are not played again."""

RESULT, FIGURE, REPORT = "result.json", "figure.png", "report.md"


@dataclass(frozen=True)
class Case:
    """One subject under one condition: the piece of an experiment that one process does.

    Attributes:
        subject: a scene, a goal family or a task.
        condition: under which prompt or goal.
        agent: who acts; empty where the condition tells.
        episodes, seed, checkpoint: as in `Options`.
    """

    subject: str
    condition: str
    agent: str
    episodes: int
    seed: int
    checkpoint: str | None

    @property
    def key(self) -> str:
        """Its name in the result."""
        return f"{self.subject} {self.condition} {self.agent}".rstrip()


@dataclass(frozen=True)
class Options:
    """The options that every experiment has.

    Attributes:
        out: folder of the result.
        episodes: per condition.
        seed: another one gives other starts.
        scenes: glob of the subjects: scenes, goal families' tasks, or tasks.
        checkpoint: checkpoint folder; None takes the shipped one.
        workers: processes, or a cluster's address; None takes all cores.
    """

    out: Path
    episodes: int = 50
    seed: int = 0
    scenes: str = "*"
    checkpoint: str | None = None
    workers: Workers | None = None

    def command(self, name: str) -> str:
        """What makes this result, as a line for the shell."""
        scenes = "" if self.scenes == "*" else f" --scenes '{self.scenes}'"
        return f"playground experiment {name} --out {self.out.name} --episodes {self.episodes}{scenes}"


def choose_subjects(kind: str, options: Options, known: Iterable[str]) -> list[str]:
    """The known names that the options choose.

    Raises:
        UnknownNameError: there is none of this kind.
    """
    known = list(known)
    chosen = matching(known, options.scenes)
    if not chosen:
        raise UnknownNameError(kind, options.scenes, known)
    return chosen


def run_cases(
    name: str,
    options: Options,
    cases: Iterable[tuple[str, str, str]],
    work: Callable[[Case], list[dict[str, Any]]],
    conclude: Callable[[dict[str, list[dict[str, Any]]]], dict[str, Any]],
) -> dict[str, Any]:
    """`run` for the options' checkpoint: a `Case` for each subject, condition and agent."""
    jobs = [Case(*case, options.episodes, options.seed, options.checkpoint) for case in cases]
    return run(name, options, fingerprint(options.checkpoint), jobs, work, conclude)


def run(
    name: str,
    options: Options,
    weights: str,
    jobs: Sequence[Any],
    work: Callable[[Any], list[dict[str, Any]]],
    conclude: Callable[[dict[str, list[dict[str, Any]]]], dict[str, Any]],
) -> dict[str, Any]:
    """Does the jobs that `result.json` lacks, saves after each, and concludes.

    A `result.json` of other weights lacks all but what `CONTROLS` did; one of other episodes or seeds lacks all.

    Args:
        name: of the experiment.
        options: where and how much.
        weights: tells one set of weights from another.
        jobs: `Case`s, or what else has a `key` that names it in the result; done in this order.
        work: job -> one record per episode; must be importable by other processes.
        conclude: records by key -> what else the result holds, "summary" among it.

    Raises:
        BadFileError: there is a `result.json` of something else.
        PlaygroundError: some jobs failed; all others were done and saved.
    """
    settings = {"episodes": options.episodes, "seed": options.seed, "weights": weights}
    records = _finished(options.out / RESULT, name, settings)
    left = [job for job in jobs if job.key not in records]

    def save(job: Any, result: list[dict[str, Any]]) -> str:
        records[job.key] = result
        unfinished = {"experiment": name, "settings": settings, "complete": False, "records": records}
        write_json_lines(options.out / RESULT, unfinished)
        return ""

    failures = run_with_progress(work, left, options.workers, save, attrgetter("key"))
    wanted = {job.key: records[job.key] for job in jobs if job.key in records}
    if not wanted:
        raise PlaygroundError(f"{name}: all {len(jobs)} jobs failed; the first: {next(iter(failures.values()))}")
    report = {
        "experiment": name,
        "settings": settings,
        "complete": not failures,
        **conclude(wanted),
        "failures": {key: str(error) for key, error in failures.items()},
        "records": records,
    }
    write_json_lines(options.out / RESULT, report)
    return report


def _finished(file: Path, name: str, settings: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        experiment, earlier, records = found["experiment"], dict(found["settings"]), dict(found["records"])
    except DAMAGED as error:
        raise BadFileError(f"{file} is no result of an experiment ({error}); give another folder") from error
    if experiment != name:
        raise BadFileError(f"{file} is of the experiment {experiment!r}, not {name!r}; give another folder")
    if earlier == settings:
        return records
    if {**earlier, "weights": settings["weights"]} != settings:
        return {}
    return {key: episodes for key, episodes in records.items() if key.rpartition(" ")[2] in CONTROLS}


def mean_of_groups(groups: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Mean over groups of the groups' means, and its 95 % interval from resampled episodes; NaN without any."""
    groups = [group for group in groups if len(group)]
    if not groups:
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(0)
    resampled = np.stack(
        [np.asarray(g, float)[rng.integers(len(g), size=(RESAMPLES, len(g)))].mean(axis=1) for g in groups]
    )
    low, high = bootstrap_interval(resampled.mean(axis=0))
    return float(np.mean([np.mean(g) for g in groups])), low, high


def flat(name: str, groups: Sequence[Sequence[float]]) -> dict[str, float | None]:
    """`name`, `name_low` and `name_high` of `mean_of_groups`; None (JSON's null) where nothing was measured."""
    values = mean_of_groups(groups)
    return {
        key: None if np.isnan(value) else round(value, 4)
        for key, value in zip((name, f"{name}_low", f"{name}_high"), values, strict=True)
    }


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """Area under the ROC curve: how probably a positive's score exceeds a negative's; None without both kinds."""
    from scipy.stats import rankdata

    flags = np.asarray(positive, bool)
    if flags.all() or not flags.any():
        return None
    ranks = rankdata(scores)
    count = int(flags.sum())
    return float((ranks[flags].sum() - count * (count + 1) / 2) / (count * (len(flags) - count)))


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; numbers with three significant digits."""
    cells = [[f"{c:.3g}" if isinstance(c, float) else "–" if c is None else str(c) for c in row] for row in rows]
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_report(out: Path, title: str, command: str, parts: Sequence[str]) -> None:
    """Writes the one-page report beside result and figure."""
    text = "\n\n".join([f"# {title}", f"`{command}`", f"![{title}]({FIGURE})", *parts])
    (out / REPORT).write_text(text + "\n", encoding="utf-8")
