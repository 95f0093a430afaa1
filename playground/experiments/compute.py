"""Compute: what the experts and the one agent cost, in parameters, arithmetic, time and experience, task by task.

The article asks whether a generalist compresses its experts. Networks are counted by one counter, torch's
`FlopCounterMode`, at a decision with a full prompt in the cache. What no network does stays apart: look-ahead is
counted in emulator steps, and laws and scripts are code. An operation is a multiplication or an addition.
"""

import json
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from playground import assets, domains
from playground.agent import Agent, agent_for
from playground.demonstrations import find_prompt, shipped_counts
from playground.domains.atari.experts import FreewayExpert, PaddleExpert
from playground.domains.atari.q_network import ARTICLE_EXACT, ARTICLE_PARAMETERS, NETWORKS, Q_POLICIES
from playground.domains.dm_control.experts import PolicyExpert
from playground.environment import DomainEnv
from playground.experiments.running import FIGURE, Case, Options, choose_subjects, run_cases, table, write_report
from playground.model import GeneralistModel, load_model, preset
from playground.rl.q_network import QNetwork
from playground.rollout import EnvRunner
from playground.scores import normalise, reference_scores
from playground.task import EVALUATION_SEEDS, Expert, Observation, Task

STEPS = 40
"""Decisions of each task that are timed."""

SIZES = ("gato-79m", "gato-364m", "gato-1b")
"""Gato's sizes, whose parameters are counted without weights."""

PUBLISHED = (
    ("DQN 2013, 18 actions", 680_770, 5.9e6, "Mnih et al. 2013"),
    ("DQN 2015, 18 actions", 1_693_362, 18.7e6, "Mnih et al. 2015"),
    ("Policy Distillation, ten games", 6_756_721, None, "Rusu et al. 2015"),
    ("IMPALA, deep", 1_600_000, None, "Espeholt et al. 2018"),
    ("JAT", 192_700_000, 0.7e9, "Gallouédec et al. 2024, trunk, 4 tokens a step"),
    ("Gato, 79M, one Atari step", 79_000_000, 3.5e9, "Reed et al. 2022, 2 x weights x 22 tokens"),
    ("Gato, 1.18B, one Atari step", 1_180_000_000, 52e9, "Reed et al. 2022, 2 x weights x 22 tokens"),
)
"""Name, parameters, operations a decision, source."""


def compute(options: Options) -> dict[str, Any]:
    """Runs the experiment on the tasks that have shipped demonstrations; see `run`.

    Raises:
        UnknownNameError: no task matches.
    """
    counts = shipped_counts()
    chosen = choose_subjects("task", options, [task.id for task in domains.tasks() if task.id in counts])
    report = run_cases("compute", options, [(id, "cost", "") for id in chosen], _work, conclude)
    _report(report, options)
    return report


def _work(case: Case) -> list[dict[str, Any]]:
    """The job of one worker process: one record, of one task."""
    torch.set_num_threads(1)
    task = domains.task(case.subject)
    env = task.make(64)
    try:
        model = load_model(case.checkpoint)
        return [expert_cost(task, env) | agent_cost(task, env, model)]
    finally:
        env.close()


def expert_cost(task: Task, env: DomainEnv) -> dict[str, Any]:
    """What a task's expert is, holds, computes and needed.

    Returns:
        `kind`, `parameters` (0 for code), `operations` a decision (None where no network decides), `emulated`, frames
        tried ahead in a decision, `milliseconds` a decision, and `experience`, environment steps that training took.
    """
    expert = task.make_expert(env)
    cost: dict[str, Any] = {"kind": "code", "parameters": 0, "operations": None, "emulated": 0.0, "experience": 0}
    if isinstance(expert, PolicyExpert):
        sizes = [(weight.size, bias.size) for weight, bias in expert.layers]
        cost |= {"kind": "trained policy", "parameters": sum(map(sum, sizes)), "experience": expert.timesteps}
        cost["operations"] = 2 * sum(weights for weights, _ in sizes)
    frames = _CountedConsole(env) if isinstance(expert, PaddleExpert | FreewayExpert) else None
    milliseconds = _time_expert(env, expert, frames)
    if frames is not None:
        cost |= {"kind": "look-ahead", "emulated": frames.tried / STEPS}
        frames.remove(env)
    return {f"expert_{name}": value for name, value in (cost | {"milliseconds": milliseconds}).items()}


class _CountedConsole:
    """Stands before an Atari environment's console and counts the frames that an expert tries."""

    def __init__(self, env: Any):
        self._console, self.tried = env.console, 0
        env.console = self

    def act(self, button: Any) -> Any:
        self.tried += 1
        return self._console.act(button)

    def remove(self, env: Any) -> None:
        """Gives the environment its console back."""
        env.console = self._console

    def __getattr__(self, name: str) -> Any:
        return getattr(self._console, name)


def _time_expert(env: DomainEnv, expert: Expert, frames: _CountedConsole | None) -> float:
    """Median milliseconds of `STEPS` decisions; only what the expert itself tries is counted in `frames`."""
    runner, times, tried = EnvRunner(env), [], 0
    event = runner.start(EVALUATION_SEEDS[0])
    expert.reset()
    for _ in range(STEPS):
        before, began = 0 if frames is None else frames.tried, perf_counter()
        action = expert.act(event.observation)
        times.append(1e3 * (perf_counter() - began))
        tried += 0 if frames is None else frames.tried - before
        event = runner.step(action)
        if event.done:
            event = runner.start(EVALUATION_SEEDS[1])
            expert.reset()
    if frames is not None:
        frames.tried = tried
    return median(times)


def agent_cost(task: Task, env: DomainEnv, model: GeneralistModel) -> dict[str, Any]:
    """What the agent computes in a task, its prompt read and kept.

    Returns:
        `agent_milliseconds` and `agent_operations` of a decision, and `prompt_operations` of reading the prompt.
    """
    agent = agent_for(model, env)
    prompt = find_prompt(f"{task.id}#0")
    assert prompt is not None
    agent.condition(prompt)
    runner, times = EnvRunner(env), []
    event = runner.start(EVALUATION_SEEDS[0])
    agent.reset()
    for _ in range(STEPS):
        decision = agent.act(event.observation)
        times.append(decision.latency_ms)
        event = runner.step(decision.action)
        if event.done:
            event = runner.start(EVALUATION_SEEDS[1])
            agent.reset()
    return {"agent_milliseconds": median(times), **_operations(agent_for(model, env), model, prompt, event.observation)}


def _operations(agent: Agent, model: GeneralistModel, prompt: Any, observation: Observation) -> dict[str, int]:
    # A hook keeps the decision in plain torch, which the counter sees; compiled loops do the same arithmetic.
    handle = model.register_forward_hook(lambda *_: None)
    try:
        with FlopCounterMode(display=False) as reading:
            agent.condition(prompt)
        agent.act(observation)
        with FlopCounterMode(display=False) as deciding:
            agent.act(observation)
    finally:
        handle.remove()
    return {"agent_operations": deciding.get_total_flops(), "prompt_operations": reading.get_total_flops()}


def q_network_cost(name: str, actions: int = 18) -> dict[str, int]:
    """Parameters and operations of one of DQN's networks."""
    network = QNetwork(NETWORKS[name], actions, False, reduced=False)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 4, 84, 84, dtype=torch.uint8))
    return {"parameters": NETWORKS[name].parameters(actions), "operations": counter.get_total_flops()}


def conclude(records: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The sums, the verdict for each domain, both DQNs, and the games side by side."""
    tasks = {key.split(" ")[0]: rows[0] for key, rows in records.items()}
    with torch.device("meta"):
        sizes = {name: sum(p.numel() for p in GeneralistModel(preset(name)).parameters()) for name in SIZES}
    evaluated = _evaluated()
    scores = reference_scores()
    for id, row in tasks.items():
        found, known = evaluated.get(id), scores.get(id)
        score = None if found is None else float(np.mean(found["scores"]))
        row |= {"agent": score, "share": None if score is None or known is None else normalise(score, known)}
    agent = sum(p.numel() for p in load_model(None).parameters())
    dqn = {name: q_network_cost(name) for name in NETWORKS}
    deciding = [row["expert_operations"] or 0 for row in tasks.values()]
    summary = {
        "tasks": len(tasks),
        "agent_parameters": agent,
        "agent_flops_per_decision": float(np.mean([row["agent_operations"] for row in tasks.values()])),
        "agent_ms_per_decision": float(np.mean([row["agent_milliseconds"] for row in tasks.values()])),
        "experts_parameters": sum(row["expert_parameters"] for row in tasks.values()),
        "experts_flops_per_decision": float(np.mean(deciding)),
        "experts_ms_per_decision": float(np.mean([row["expert_milliseconds"] for row in tasks.values()])),
        "experts_training_steps": sum(row["expert_experience"] for row in tasks.values()),
        "dqn_2013_parameters": dqn["nips"]["parameters"],
        "dqn_2013_flops_per_decision": dqn["nips"]["operations"],
        "dqn_2015_parameters": dqn["nature"]["parameters"],
        "dqn_2015_flops_per_decision": dqn["nature"]["operations"],
        "article_2013_parameters": sum(ARTICLE_PARAMETERS["nips"]),
        "article_2015_parameters": sum(ARTICLE_PARAMETERS["nature"]),
        **{f"{name.replace('-', '_')}_parameters": count for name, count in sizes.items()},
    }
    return {"summary": summary, "domains": _domains(tasks, agent), "games": _games(tasks), "tasks": tasks}


def _evaluated() -> dict[str, Any]:
    file = assets.ASSETS / "checkpoint" / "evaluation.json"
    return json.loads(file.read_text(encoding="utf-8"))["tasks"] if file.exists() else {}


def _domains(tasks: dict[str, dict[str, Any]], agent: int) -> dict[str, dict[str, Any]]:
    """For each domain whether one agent is smaller than its experts together, and computes less than one of them."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted({id.split("/")[0] for id in tasks}):
        rows = [row for id, row in tasks.items() if id.startswith(f"{name}/")]
        held = sum(row["expert_parameters"] for row in rows)
        computed = [row["expert_operations"] for row in rows if row["expert_operations"]]
        shares = [row["share"] for row in rows if row["share"] is not None]
        needed = float(np.mean([row["agent_operations"] for row in rows]))
        found[name] = {
            "tasks": len(rows),
            "networks": len(computed),
            "experts_parameters": held,
            "experts_flops_per_decision": float(np.mean(computed)) if computed else None,
            "agent_flops_per_decision": needed,
            "experts_ms": float(np.mean([row["expert_milliseconds"] for row in rows])),
            "agent_ms": float(np.mean([row["agent_milliseconds"] for row in rows])),
            "share": float(np.mean(shares)) if shares else None,
            "smaller": held > agent,
            "cheaper": bool(computed) and float(np.mean(computed)) > needed,
        }
    return found


def _games(tasks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Scores in Atari's games of everybody who plays them, and of the best DQN that was trained, shipped or not."""
    games: dict[str, dict[str, Any]] = {}
    scores = reference_scores()
    for id in (id for id in tasks if id.startswith("atari/")):
        known = scores.get(id, {})
        games[id] = {"dqn": None, "agent": tasks[id]["agent"], **{who: known.get(who) for who in ("expert", "random")}}
    for file in sorted(Q_POLICIES.glob("*/curve.json")):
        curve = json.loads(file.read_text(encoding="utf-8"))
        for id, game in games.items():
            beaten = -np.inf if game["dqn"] is None else game["dqn"]
            if id.split("/")[1].lower() == curve["game"] and curve.get("score", -np.inf) > beaten:
                game |= {"dqn": curve["score"], "dqn_network": curve["network"], "dqn_steps": curve["agent_steps"]}
    return games


def verdict(summary: dict[str, Any], parts: dict[str, dict[str, Any]]) -> str:
    """The first lines of the report: is the agent a compression of its experts?"""
    ratio = summary["agent_parameters"] / max(summary["experts_parameters"], 1)
    more = summary["agent_flops_per_decision"] / max(summary["experts_flops_per_decision"], 1)
    both = [name for name, part in parts.items() if part["smaller"] and part["cheaper"]]
    either = [name for name, part in parts.items() if part["smaller"] != part["cheaper"]]
    held = sum(part["networks"] for part in parts.values())
    return (
        f"**The agent is {'a' if both or either else 'no'} compression of its experts.** "
        f"Only {held} of {summary['tasks']} experts are networks; the others are code. "
        f"The agent holds {ratio:.1f} times the weights of all of them together. "
        f"It does {more:.0f} times the arithmetic of the mean expert for a decision. "
        f"It is smaller and cheaper in {', '.join(both) or 'no domain'}, "
        f"one of the two in {', '.join(either) or 'no domain'}.\n\n"
        "The article guessed that DQN needs orders of magnitude fewer weights and less compute than Gato. "
        f"Gato's 1.18 billion are {1.18e9 / summary['dqn_2015_parameters']:.0f} networks of 2015. "
        f"This agent holds {summary['agent_parameters'] / summary['dqn_2015_parameters']:.1f} of them, for all tasks, "
        f"and does {summary['agent_flops_per_decision'] / summary['dqn_2015_flops_per_decision']:.2f} times the "
        "arithmetic of one for a decision."
    )


def _report(report: dict[str, Any], options: Options) -> None:
    from matplotlib.figure import Figure

    tasks, summary = report["tasks"], report["summary"]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    for name in report["domains"]:
        rows = [row for id, row in tasks.items() if id.startswith(f"{name}/")]
        axis.plot(
            [row["expert_milliseconds"] for row in rows], [row["agent_milliseconds"] for row in rows], "o", label=name
        )
    axis.axline((0.1, 0.1), slope=1, color="k", lw=0.6)
    axis.set(xscale="log", yscale="log", xlabel="expert, ms a decision", ylabel="agent, ms a decision")
    axis.legend(fontsize=8)
    figure.savefig(options.out / FIGURE, dpi=110)
    sums = ("tasks", "networks", "experts_parameters", "experts_flops_per_decision", "agent_flops_per_decision")
    columns = [*sums, "experts_ms", "agent_ms", "share"]
    ours = [[name, summary[f"{name.replace('-', '_')}_parameters"], None, "this package's layout"] for name in SIZES]
    experts = ("kind", "parameters", "operations", "emulated", "milliseconds", "experience")
    keys = [*(f"expert_{name}" for name in experts), "agent_operations", "agent_milliseconds", "share"]
    parts = [
        verdict(summary, report["domains"]),
        f"One agent of {summary['agent_parameters']:,} parameters; operations are multiplications and additions, "
        "counted by torch at a decision with a cached prompt. `share` is the agent's normalised score. "
        "An expert that was begun from another's run counts its own steps only, and searches by hand are not recorded.",
        table(("domain", *columns), [[name, *(part[c] for c in columns)] for name, part in report["domains"].items()]),
        "The article's table of DQN's weights, in powers of two and without biases, beside the exact counts. Its "
        "shapes are one short: an 84 pixel picture under an 8 x 8 filter with stride 4 gives 20 places, not 19.",
        table(
            (
                "network",
                "article",
                "article's shapes exactly",
                "exact, without biases",
                "exact, 4 actions",
                "exact, 18 actions",
                "operations",
            ),
            [
                [
                    spec.source.split(",")[0],
                    sum(ARTICLE_PARAMETERS[name]),
                    ARTICLE_EXACT[name],
                    spec.parameters(18, biases=False),
                    spec.parameters(4),
                    spec.parameters(18),
                    2 * spec.multiplications(18),
                ]
                for name, spec in NETWORKS.items()
            ],
        ),
        table(("published", "parameters", "operations", "source"), [*map(list, PUBLISHED), *ours]),
        "Games: scores, and those of the DQN with the best one that was trained here.",
        table(
            ("game", "dqn", "agent", "expert", "random"),
            [
                [id, *(game[who] for who in ("dqn", "agent", "expert", "random"))]
                for id, game in report["games"].items()
            ],
        ),
        table(("task", *keys), [[id, *(row[key] for key in keys)] for id, row in sorted(tasks.items())]),
    ]
    write_report(options.out, "Compute", options.command("compute"), parts)
