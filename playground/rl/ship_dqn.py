"""Ships a run of `train-dqn`: its curve always, its policy only where it plays well enough to be watched."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from playground import domains
from playground.domains.atari.q_network import Q_POLICIES, load_q_network
from playground.errors import DAMAGED, BadFileError
from playground.files import atomic_write, write_json
from playground.policies import DQNPolicy
from playground.rollout import EpisodeSpec, IndependentPolicies, Rollout
from playground.task import EVALUATION_SEEDS

EPSILON = 0.01
"""Share of random moves when a policy is measured, and when it is watched."""

GATES = {"breakout": 30.0, "pong": 10.0, "boxing": 60.0, "freeway": 20.0}
"""Game -> mean score from which on a policy is shipped; other games have no task and ship their curve only."""

CURVE_ROWS = 200
"""Rows of a shipped curve at most."""


def play_episodes(folder: Path, task: str, episodes: int, epsilon: float = EPSILON) -> list[float]:
    """Scores of a policy in whole episodes of a task: sticky actions, at most 2,048 decisions."""
    env, network = domains.make(task, 64), load_q_network(folder)
    scores = []
    for seed in EVALUATION_SEEDS[:episodes]:
        policy = IndependentPolicies([DQNPolicy(network, env, seed, epsilon)])
        *_, (_, last) = Rollout([env], [EpisodeSpec(seed)], policy)
        scores.append(last.total_reward)
    env.close()
    return scores


def ship_dqn(run: Path, episodes: int = 50, to: Path = Q_POLICIES) -> dict[str, Any]:
    """Measures a run's policy and writes `curve.json`, and beside it the policy if it passes its gate.

    Returns:
        The policy's configuration, with `score`, `scores` and `passed`.

    Raises:
        BadFileError: `run` is no run of `train-dqn`.
    """
    try:
        config: dict[str, Any] = json.loads((run / "policy" / "config.json").read_text(encoding="utf-8"))
        rows = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    except DAMAGED as error:
        raise BadFileError(f"{run} is no run of train-dqn ({error}); give the folder that was its --out") from error
    game = config["game"]
    names = {task.name.lower(): task.id for task in domains.tasks("atari/*")}
    folder = (
        to / f"{game}-{config['network']}" if config["algorithm"] == "pqn" else to / f"{game}-{config['algorithm']}"
    )
    kept = rows[:: -(-len(rows) // CURVE_ROWS)]
    curve = [{key: row[key] for key in ("agent_steps", "frames", "core_hours", "score")} for row in [*kept, rows[-1]]]
    if game in names:
        scores = play_episodes(run / "policy", names[game], episodes)
        config |= {"score": float(np.mean(scores)), "scores": scores, "epsilon": EPSILON, "sticky": 0.25}
    config["passed"] = game in GATES and game in names and config["score"] >= GATES[game]
    write_json(folder / "curve.json", {**config, "curve": curve})
    if config["passed"]:
        write_json(folder / "config.json", config)
        with atomic_write(folder / "model.safetensors") as unfinished:
            unfinished.write_bytes((run / "policy" / "model.safetensors").read_bytes())
    return config
