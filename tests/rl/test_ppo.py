"""PPO: bookkeeping that can be checked in seconds."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from playground.domains.dm_control.bodies import COMMANDED, at_speed
from playground.domains.dm_control.experts import CommandedExpert, PolicyExpert
from playground.errors import BadFileError, BadValueError, UnknownNameError
from playground.rl.actor_critic import RunningMoments
from playground.rl.ppo import PPO, PPOConfig, train, train_expert

SMALL = {"episodes": 32, "steps": 8, "batch": 128, "width": 16}


def test_running_moments_equal_those_of_all_values() -> None:
    values = torch.randn(300, 4) * torch.tensor([1.0, 5.0, 0.1, 30.0]) + 3
    moments = RunningMoments(4)
    for part in values.split(70):
        moments.update(part)
    torch.testing.assert_close(moments.mean, values.mean(0), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(moments.std, values.std(0, unbiased=False), rtol=1e-3, atol=1e-3)


def test_a_fall_is_an_end(monkeypatch) -> None:
    """With a constant critic, falling loses all that was still expected; the time limit loses nothing."""
    run = PPO(PPOConfig("Walker2d", **SMALL))
    with torch.no_grad():
        run.net.critic[-1].weight.zero_()
        run.net.critic[-1].bias.fill_(2.0)
    falls = []
    step = run.batch.step

    def noted(actions: np.ndarray):
        result = step(actions)
        if len(falls) == 7:
            run.batch.fallen[:16] = result[2][:16] = True
        falls.append(result)
        return result

    monkeypatch.setattr(run.batch, "step", noted)
    samples, _ = run.collect()
    last = samples.advantage.view(8, 32)[-1] - torch.from_numpy(falls[-1][0]).float()
    value = samples.value.view(8, 32)[-1]
    torch.testing.assert_close(last[:16], -value[:16])
    torch.testing.assert_close(last[16:], (run.discount - 1) * value[16:])


def test_a_time_limit_is_not_an_end() -> None:
    """With a constant critic and reward, restarting leaves the advantage what it is elsewhere."""
    run = PPO(PPOConfig("cheetah-speed_2", **SMALL))
    with torch.no_grad():
        for layer in run.net.critic:
            if isinstance(layer, torch.nn.Linear):
                layer.weight.zero_()
        run.net.critic[-1].bias.fill_(2.0)
    run.batch._ages[:] = run.batch._limit - 1  # every episode ends at the first step
    samples, _ = run.collect()
    first = samples.advantage.view(8, 32)[0]
    value = samples.value.view(8, 32)[0]
    assert (first - (run.discount - 1) * value).abs().max() < 0.9  # the reward alone, which is below 0.9 at the start
    assert (run.batch._ages == 7).all()


@pytest.mark.slow
def test_training_improves() -> None:
    run = PPO(PPOConfig("cheetah-run_backward", episodes=64, steps=16, batch=512, width=32))
    rewards = []
    for _ in range(40):
        samples, reward = run.collect()
        run.update(samples)
        rewards.append(reward)
    assert np.mean(rewards[-5:]) > 2 * np.mean(rewards[:5])


@pytest.mark.slow
def test_a_run_resumes_and_exports_what_the_expert_plays(tmp_path: Path) -> None:
    out, checkpoint = tmp_path / "out.safetensors", tmp_path / "run.safetensors"
    config = PPOConfig("cheetah-run", minutes=0.001, **SMALL)
    score = train(config, out, checkpoint)
    resumed = PPO(config)
    resumed.load(checkpoint)
    rollout = SMALL["episodes"] * SMALL["steps"]
    assert resumed.timesteps >= rollout and resumed.timesteps % rollout == 0 and resumed.best == score
    assert resumed.optimiser.state_dict()["state"][0]["exp_avg"].abs().sum() > 0
    observation = resumed.batch.features()[:3]
    resumed.export(out)
    expert = PolicyExpert(out)
    expected = resumed.net.act(observation)
    played = np.stack([expert.act({"state": row}) for row in observation])
    np.testing.assert_allclose(played, expected, atol=1e-4)
    other = PPO(PPOConfig("cheetah-run", **(SMALL | {"width": 8})))
    with pytest.raises(BadFileError, match="width"):
        other.load(checkpoint)


@pytest.mark.slow
def test_a_run_is_made_from_settings_and_may_begin_from_another_tasks(tmp_path: Path) -> None:
    settings = ["minutes=0.001", *(f"{name}={value}" for name, value in SMALL.items())]
    runs = tmp_path / "runs"
    with pytest.raises(BadFileError, match="train cheetah-run first"):
        train_expert("cheetah-run_backward", tmp_path / "back.safetensors", "cheetah-run", settings, runs)
    assert train_expert("cheetah-run", tmp_path / "out.safetensors", None, settings, runs).is_file()
    assert train_expert("cheetah-run_backward", tmp_path / "back.safetensors", "cheetah-run", settings, runs).is_file()
    assert PolicyExpert(tmp_path / "back.safetensors") and len(list(runs.iterdir())) == 2


def test_impossible_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean learning_rate"):
        train_expert("cheetah-run", tmp_path / "out", settings=["learningrate=1"])
    with pytest.raises(BadValueError, match="clip is 0"):
        train_expert("cheetah-run", tmp_path / "out", settings=["clip=0"])
    with pytest.raises(BadValueError, match="cheetah-run"):
        PPOConfig("cheetah-fly")
    with pytest.raises(BadValueError, match="fill"):
        PPOConfig("cheetah-run", episodes=4, steps=4)


def test_a_commanded_expert_learns_and_plays_its_speed(tmp_path: Path) -> None:
    config = PPOConfig("cheetah-speed", **SMALL)
    run = PPO(config)
    low, high = COMMANDED["cheetah-speed"].speeds
    commands = run.batch.commands.copy()
    assert low <= commands.min() < -1 and 1 < commands.max() <= high
    np.testing.assert_array_equal(run.batch.features()[:, -1], commands.astype(np.float32))
    reward, _, _ = run.batch.step(np.zeros((32, run.batch.actions)))
    np.testing.assert_allclose(reward, at_speed(run.batch.readings, commands))
    for _ in range(100):
        run.batch.step(np.zeros((32, run.batch.actions)))
    assert 0 < (run.batch.commands != commands).sum() < 32  # some were told another speed on the way
    run.export(tmp_path / "cheetah-speed.safetensors")
    env: Any = SimpleNamespace(goal=(3.0,))
    expert = CommandedExpert(tmp_path / "cheetah-speed.safetensors", env)
    state = run.batch.features()[0, :-1]
    expected = run.net.act(np.append(state, np.float32(3.0))[None])[0]
    np.testing.assert_allclose(expert.act({"state": state}), expected, atol=1e-4)
