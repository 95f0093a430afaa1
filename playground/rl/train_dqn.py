"""Training DQN's networks on a game by one of the Q-learning algorithms: what `playground train-dqn` runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from playground.domains.atari.q_network import network_spec
from playground.domains.atari.vector import VectorGames, rom_name
from playground.files import check_folder_target
from playground.rl.dqn import DQN, dqn_config
from playground.rl.pqn import PQN, PQNConfig
from playground.rl.q_training import QTraining

ALGORITHMS = ("dqn-2013", "dqn-2015", "dqn", "pqn")
"""What `train_dqn` knows by name."""


def train_dqn(
    game: str,
    out: Path,
    network: str = "nips",
    algorithm: str = "pqn",
    hours: float = 1.0,
    seed: int = 0,
    tell: Callable[[dict[str, Any]], None] = lambda row: None,
) -> QTraining:
    """Trains on one core until the run in `out` has used `hours` of processor time, and goes on with what is there.

    Args:
        game: name of the game, such as `Breakout` or `space_invaders`.
        out: folder of the run: `state.safetensors`, `log.jsonl`, and the policy in `policy/`.
        network: `nips` or `nature`.
        algorithm: one of ALGORITHMS.
        hours: of processor time, that of earlier calls included.
        seed: of everything.
        tell: is called with every row of the curve.

    Raises:
        UnknownNameError: there is no such game, network or algorithm.
        BadFileError: `out` holds another run, or a damaged one.
        BadValueError: `out` cannot be written.
    """
    check_folder_target(out)
    torch.set_num_threads(1)
    rom = rom_name(game)
    network_spec(network)
    config = PQNConfig(rom, network, seed=seed) if algorithm == "pqn" else dqn_config(algorithm, rom, network, seed)
    games = VectorGames(rom, config.games)
    try:
        run = PQN(config, games, out) if isinstance(config, PQNConfig) else DQN(config, games, out)
        run.train(hours, tell)
    finally:
        games.close()
    return run
