"""Replay, DQN and PQN on toy games that need no emulator, and on ale-py's."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from playground.domains.atari.vector import GameStep, VectorGames, rom_name
from playground.errors import BadFileError, UnknownNameError
from playground.rl.dqn import DQN, CentredRMSProp, DQNConfig, dqn_config
from playground.rl.pqn import PQN, PQNConfig
from playground.rl.replay import Replay


class Killed(Exception):
    pass


class SidesGames:
    """The bright half of the picture tells which of two actions is paid; an episode has five steps."""

    def __init__(self, count: int, killed_at: int | None = None):
        self.count, self.actions, self.killed_at, self.played = count, 2, killed_at, 0

    def restart(self, seed: int) -> np.ndarray:
        self._random, self._ages = np.random.default_rng(seed), np.zeros(self.count, int)
        self._pixels = np.zeros((self.count, 4, 84, 84), np.uint8)
        self._draw(np.ones(self.count, bool))
        return self._pixels

    def step(self, actions: np.ndarray) -> GameStep:
        self.played += self.count
        if self.killed_at is not None and self.played > self.killed_at:
            raise Killed
        reward = np.where(actions == self._sides, 1.0, 0.0).astype(np.float32)
        self._ages += 1
        over = self._ages == 5
        self._ages[over] = 0
        self._draw(over)
        return GameStep(self._pixels, reward, over, over)

    def _draw(self, over: np.ndarray) -> None:
        self._sides = self._random.integers(2, size=self.count)
        frames = np.zeros((self.count, 84, 84), np.uint8)
        for game, side in enumerate(self._sides):
            frames[game, :, 42 * side : 42 * side + 42] = 200
        self._pixels = np.concatenate([self._pixels[:, 1:], frames[:, None]], axis=1)
        self._pixels[over, :3] = 0


PQN_TOY = PQNConfig(
    "toy", "nips", games=8, steps=8, batch=32, epsilon_steps=700, segment_steps=512, log_steps=256, average=0.9
)
DQN_TOY = replace(
    dqn_config("dqn", "toy", "nips"),
    games=8,
    batch=16,
    capacity=800,
    target_steps=160,
    epsilon_steps=700,
    start_steps=160,
    rate=3e-4,
    discount=0.5,
    segment_steps=512,
    log_steps=256,
)


def begin(config, games, folder):
    return (PQN if isinstance(config, PQNConfig) else DQN)(config, games, folder)


def state(folder):
    return load_file(folder / "state.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("config", [PQN_TOY, DQN_TOY], ids=lambda config: config.algorithm)
def test_learns_a_toy_and_goes_on_bit_equal_after_a_kill(config, tmp_path):
    torch.set_num_threads(1)
    with pytest.raises(Killed):
        begin(config, SidesGames(8, killed_at=1540), tmp_path / "straight").train(1.0)
    for killed_at in (720, 1540 - 512):  # in the second segment, which is then repeated, and after the third
        with pytest.raises(Killed):
            begin(config, SidesGames(8, killed_at), tmp_path / "killed").train(1.0)
    straight, killed = state(tmp_path / "straight"), state(tmp_path / "killed")
    assert straight.keys() == killed.keys()
    assert all(torch.equal(straight[name], killed[name]) for name in straight)
    rows = [json.loads(line) for line in (tmp_path / "killed" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["agent_steps"] for row in rows] == [256 * n for n in range(1, 7)]
    assert rows[-1]["frames"] == 4 * 1536
    assert rows[0]["score"] < 3.5 < 4.2 < rows[-1]["score"]  # of 5; 2.5 by chance


def test_an_interrupted_run_keeps_what_it_learnt_and_other_settings_are_refused(tmp_path):
    class Interrupting(SidesGames):
        def step(self, actions):
            if self.played >= 160:
                raise KeyboardInterrupt
            return super().step(actions)

    with pytest.raises(KeyboardInterrupt):
        begin(PQN_TOY, Interrupting(8), tmp_path).train(1.0)
    run = begin(PQN_TOY, SidesGames(8), tmp_path)
    run.load()
    assert run.steps == 160
    assert run.core_seconds > 0
    with pytest.raises(BadFileError, match="rate"):
        begin(replace(PQN_TOY, rate=1.0), SidesGames(8), tmp_path).load()


def test_published_settings():
    nature = dqn_config("dqn-2015", "pong", "nature")
    assert nature == DQNConfig("pong")
    assert (nature.batch, nature.capacity, nature.target_steps, nature.discount) == (32, 1_000_000, 10_000, 0.99)
    assert (nature.update_steps, nature.rate, nature.momentum, nature.least_square) == (4, 0.00025, 0.95, 0.01)
    assert (nature.final_epsilon, nature.epsilon_steps, nature.start_steps) == (0.1, 1_000_000, 50_000)
    assert replace(dqn_config("dqn-2013", "pong", "nips"), algorithm="dqn-2015") == replace(
        nature, network="nips", target_steps=0
    )
    with pytest.raises(UnknownNameError, match="dqn-2015"):
        dqn_config("dqn-2016", "pong", "nips")


def test_rmsprop_divides_by_the_spread_of_the_gradient():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimiser = CentredRMSProp([weight], 0.1, 0.95, 0.01)
    weight.grad = torch.tensor([2.0])
    optimiser.step()
    spread = 0.05 * 4.0 - (0.05 * 2.0) ** 2
    assert weight.item() == pytest.approx(1.0 - 0.1 * 2.0 / (spread + 0.01) ** 0.5)


def test_replay_puts_together_what_the_emulator_showed(tmp_path):
    games, random = VectorGames("breakout", 2), np.random.default_rng(0)
    replay = Replay(tmp_path / "replay.bin", 2, 1000, 100)
    pixels, first = games.restart(3), np.ones(2, bool)
    seen, steps = [np.array(pixels)], []
    for _ in range(400):
        actions = random.integers(4, size=2)
        step = games.step(actions)
        replay.add(pixels[:, -1], first, actions, np.sign(step.reward), step.life_lost)
        pixels, first = np.array(step.pixels), step.over
        seen.append(pixels)
        steps.append((actions, step))
    games.close()
    assert sum(step.over.any() for _, step in steps) >= 2
    black = np.array([(picture[:, :3] == 0).all((1, 2, 3)) for picture in seen[:-1]])
    assert (black[1:] == np.array([step.over for _, step in steps[:-1]])).all()  # zeros, not copies, after a reset
    times, which = np.repeat(np.arange(400), 2), np.tile([0, 1], 400)
    assert (replay.pictures(times, which) == np.concatenate(seen[:-1])).all()
    drawn = replay.draw(200, 3, 0.5, random)
    every: dict[bytes, list[tuple[int, int]]] = {}
    for t, g in zip(times.tolist(), which.tolist(), strict=True):
        every.setdefault(seen[t][g].tobytes(), []).append((t, g))
    found = [every[picture.tobytes()] for picture in drawn.pixels]
    assert sum(len(places) == 1 for places in found) > 100
    for n in (n for n in range(200) if len(found[n]) == 1):  # pictures while no ball is there occur again
        t, g = found[n][0]
        rewards, alive = 0.0, 1.0
        for k in range(3):
            rewards += alive * 0.5**k * np.sign(steps[t + k][1].reward[g])
            alive *= not steps[t + k][1].life_lost[g]
        assert drawn.returns[n] == pytest.approx(rewards)
        assert drawn.discounts[n] == alive * 0.125
        if alive:
            assert (drawn.after[n] == seen[t + 3][g]).all()


def test_replay_draws_nothing_across_a_cut(tmp_path):
    replay, random = Replay(tmp_path / "replay.bin", 1, 100, 20), np.random.default_rng(0)
    for t in range(20):
        replay.add(
            np.full((1, 84, 84), t + 1), np.array([t in (0, 10)]), np.zeros(1, int), np.ones(1), np.zeros(1, bool)
        )
        if t == 9:
            replay.cut()
    drawn = replay.draw(300, 2, 1.0, random)
    starts = set(drawn.pixels[:, 3, 0, 0].tolist())
    assert starts == set(range(1, 19)) - {9, 10}
    assert drawn.pixels[drawn.pixels[:, 3, 0, 0] == 11, :3].max() == 0
    with pytest.raises(BadFileError, match="bytes"):
        Replay(tmp_path / "replay.bin", 1, 200, 20)


def test_games_by_any_of_their_names():
    assert {rom_name(name) for name in ("SpaceInvaders", "atari/SpaceInvaders", "space_invaders")} == {"space_invaders"}
    with pytest.raises(UnknownNameError, match="pong"):
        rom_name("Pongg")
