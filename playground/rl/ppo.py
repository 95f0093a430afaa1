"""Trains the learned experts of the MuJoCo bodies: PPO on batched physics, one command per task, on one core.

    playground train-expert cheetah-run --minutes 6 --out cheetah-run.safetensors

Own code because the libraries step one environment object per episode: batched `mujoco.rollout` gives ten times the
steps per second, and that is where the time goes. The settings follow rl_games' for the Control Suite (normalised
observations and values, step size steered by the KL divergence, actions kept in bounds by a loss) and episodes that
end by their time limit are bootstrapped. `B` episodes, `T` steps, `F` features, `A` action dimensions.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from playground.domains.dm_control import EXPERTS
from playground.domains.dm_control.bodies import BODIES, COMMANDED
from playground.domains.dm_control.experts import PolicyExpert
from playground.domains.dm_control.vector_bodies import EPISODE_STEPS, VectorBodies
from playground.domains.mujoco.bodies import BODIES as LOCOMOTION
from playground.domains.mujoco.vector_bodies import VectorLocomotion
from playground.errors import BadFileError, BadValueError
from playground.files import atomic_write, check_file_target
from playground.rl.actor_critic import ActorCritic, log_density
from playground.settings import POSITIVE, assign, check_range

RUNS = Path("runs/ppo")
"""Where unfinished runs are kept."""

TRAINED_TASKS = (*BODIES, *COMMANDED, *LOCOMOTION)
"""Whose experts are trained here."""


@dataclass(frozen=True)
class PPOConfig:
    """Settings of one training run.

    Attributes:
        task: a key of `BODIES` or `COMMANDED` of the Control Suite, or one of gymnasium's, such as `Hopper`.
        minutes: wall clock of this run, a resumed one gets as many again.
        episodes: B, stepped at once.
        steps: T, steps of each between updates.
        batch: timesteps per gradient step.
        epochs: passes over the B * T timesteps.
        width: of the two hidden layers of policy and critic.
        learning_rate: at first.
        target_kl: KL divergence of an update, which steers the learning rate.
        clip: largest change of an action's probability that still counts.
        gae_lambda: decay of generalised advantage estimation; the discount is the body's.
        max_episode_steps: of the Control Suite's episodes in training. The time limit is bootstrapped, and beginnings
            are where the variety is.
        coarse: physics steps taken as one while acting: 2 nearly doubles the walker's speed; evaluations are exact.
        takeover: share of the episodes that begin where other experts of the body would hand over.
        seed: of everything.
    """

    task: str
    minutes: float = 6.0
    episodes: int = 256
    steps: int = 32
    batch: int = 2048
    epochs: int = 4
    width: int = 128
    learning_rate: float = 1e-3
    target_kl: float = 0.01
    clip: float = 0.2
    gae_lambda: float = 0.95
    max_episode_steps: int = 500
    coarse: int = 1
    takeover: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task not in TRAINED_TASKS:
            raise BadValueError(f"no trained task {self.task!r}; take one of {', '.join(TRAINED_TASKS)}")
        if self.task in LOCOMOTION and (self.takeover or self.coarse != 1):
            raise BadValueError(f"takeover and coarse are not for {self.task}; leave them out")
        check_range(self, ("minutes", "learning_rate", "target_kl", "clip", "coarse"), POSITIVE, label="ppo")
        check_range(self, ("width", "epochs", "max_episode_steps"), 1, label="ppo")
        check_range(self, ("takeover", "gae_lambda"), 0, 1, label="ppo")
        if self.episodes * self.steps < self.batch:
            raise BadValueError(f"{self.episodes} episodes of {self.steps} steps do not fill a batch of {self.batch}")


@cache
def handed_over(task: str, episodes: int = 64, steps: int = 400) -> np.ndarray:
    """States [N, n] in which the other trained experts of the same body are on their way.

    Raises:
        BadFileError: there is no other.
    """
    states = []
    domain = (BODIES | COMMANDED)[task].domain
    for other in (name for name, body in BODIES.items() if body.domain == domain and name != task):
        path = EXPERTS / f"{other}.safetensors"
        if path.exists():
            expert, batch = PolicyExpert(path), VectorBodies(other, episodes, seed=1)
            for step in range(1, steps + 1):
                batch.step(expert.act({"state": batch.features()}))
                if step % 20 == 0:
                    states.append(batch.states)
    if not states:
        raise BadFileError(f"no expert to take over from for {task} in {EXPERTS}; train one, or use takeover 0")
    return np.concatenate(states)


@dataclass
class Transitions:
    """B * T timesteps, flattened; values and returns in reward units."""

    observation: Tensor
    action: Tensor
    density: Tensor
    mean: Tensor
    advantage: Tensor
    value: Tensor
    returns: Tensor


class PPO:
    """One training run: networks, optimiser and the simulated batch."""

    def __init__(self, config: PPOConfig):
        torch.manual_seed(config.seed)
        self.config = config
        self.batch: VectorBodies | VectorLocomotion
        if config.task in LOCOMOTION:
            self.batch = VectorLocomotion(config.task, config.episodes, config.seed)
        else:
            self.batch = VectorBodies(
                config.task, config.episodes, config.seed, coarse=config.coarse, limit=config.max_episode_steps
            )
        if isinstance(self.batch, VectorBodies) and config.takeover:
            self.batch.take_over(handed_over(config.task), config.takeover)
        self.batch.spread_ages()
        self.discount = self.batch.body.discount
        self.net = ActorCritic(self.batch.features().shape[1], self.batch.actions, config.width)
        self.optimiser = torch.optim.Adam(self.net.parameters(), config.learning_rate, eps=1e-5)
        self.timesteps, self.best = 0, -np.inf

    @torch.no_grad()
    def collect(self) -> tuple[Transitions, float]:
        """Acts for T steps; returns the samples and the mean reward per step."""
        config, net = self.config, self.net
        size = (config.steps, config.episodes)
        observations = torch.empty(*size, net.features)
        actions, means = torch.empty(*size, self.batch.actions), torch.empty(*size, self.batch.actions)
        densities, rewards, values = torch.empty(size), torch.empty(size), torch.empty(size)
        following, ends = torch.empty(size), torch.zeros(size)
        earned = 0.0
        for t in range(config.steps):
            observation = torch.from_numpy(self.batch.features())
            mean = net.policy(net.inputs(observation))
            action = mean + net.log_std.exp() * torch.randn_like(mean)
            observations[t], means[t], actions[t] = observation, mean, action
            densities[t], values[t] = log_density(mean, net.log_std, action), net.value(observation)
            reward, shaped, ended = self.batch.step(action.clamp(-1, 1).numpy())
            earned += float(reward.mean())
            rewards[t], ends[t] = torch.from_numpy(shaped), torch.from_numpy(ended)
            if t:
                following[t - 1] = torch.where(ends[t - 1] > 0, following[t - 1], values[t])
            if ended.any():  # the time limit is not the task's end: its last state is worth what the critic says
                going = torch.from_numpy(~self.batch.fallen)
                following[t] = net.value(torch.from_numpy(self.batch.features())) * going
                self.batch.restart(ended)
        last = net.value(torch.from_numpy(self.batch.features()))
        following[-1] = torch.where(ends[-1] > 0, following[-1], last)
        advantages, carried = torch.empty(size), torch.zeros(config.episodes)
        for t in reversed(range(config.steps)):
            surprise = rewards[t] + self.discount * following[t] - values[t]
            carried = surprise + self.discount * config.gae_lambda * (1 - ends[t]) * carried
            advantages[t] = carried
        self.timesteps += config.steps * config.episodes
        flat = (x.flatten(0, 1) for x in (observations, actions, densities, means, advantages, values))
        observation, action, density, mean, advantage, value = flat
        samples = Transitions(observation, action, density, mean, advantage, value, advantage + value)
        return samples, earned / config.steps

    def update(self, samples: Transitions) -> None:
        """Takes the gradient steps of one iteration and adapts the learning rate."""
        config, net = self.config, self.net
        old_std = net.log_std.detach().clone()
        net.returns.update(samples.returns[:, None])
        normalised = (samples.returns - net.returns.mean) / net.returns.std
        inputs = net.inputs(samples.observation)
        advantage = (samples.advantage - samples.advantage.mean()) / (samples.advantage.std() + 1e-8)
        for _ in range(config.epochs):
            divergences = []
            for index in torch.randperm(len(inputs)).split(config.batch):
                mean = net.policy(inputs[index])
                ratio = (log_density(mean, net.log_std, samples.action[index]) - samples.density[index]).exp()
                gain = torch.minimum(
                    ratio * advantage[index], ratio.clamp(1 - config.clip, 1 + config.clip) * advantage[index]
                ).mean()
                error = (net.critic(inputs[index])[:, 0] - normalised[index]).square().mean()
                outside = (mean.abs() - 1.1).clamp(min=0).square().sum(-1).mean()
                loss = -gain + error + 0.01 * outside
                self.optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                self.optimiser.step()
                with torch.no_grad():
                    moved = (samples.mean[index] - mean).square() + (2 * old_std).exp()
                    ratio_of_std = net.log_std - old_std
                    kl = (ratio_of_std + moved / (2 * (2 * net.log_std).exp()) - 0.5).sum(-1).mean()
                    divergences.append(float(kl))
            self._steer(float(np.mean(divergences)))
        net.inputs.update(samples.observation)

    def _steer(self, divergence: float) -> None:
        group = self.optimiser.param_groups[0]
        if divergence > 2 * self.config.target_kl:
            group["lr"] = max(group["lr"] / 1.5, 1e-5)
        elif divergence < self.config.target_kl / 2:
            group["lr"] = min(group["lr"] * 1.5, 3e-3)

    def save(self, path: Path) -> None:
        """Writes everything that `load` needs to go on, atomically."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in state.items()}
        rate = self.optimiser.param_groups[0]["lr"]
        progress = {"timesteps": self.timesteps, "best": float(self.best), "rate": rate}
        _write(path, tensors, {"config": json.dumps(asdict(self.config)), "progress": json.dumps(progress)})

    def load(self, path: Path) -> None:
        """Goes on from a file of `save`.

        Raises:
            BadFileError: it holds networks of another shape.
        """
        with safe_open(path, "pt") as file:
            progress = json.loads(file.metadata()["progress"])
            is_same_measure = json.loads(file.metadata()["config"]).get("takeover", 0.0) == self.config.takeover
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        try:
            self.net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")})
        except RuntimeError as error:
            raise BadFileError(f"{path}: {error}; train with the width it was saved with, or delete it") from error
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("adam."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = value
        groups = self.optimiser.state_dict()["param_groups"]
        groups[0]["lr"] = progress["rate"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.timesteps, self.best = progress["timesteps"], progress["best"] if is_same_measure else -np.inf

    def adopt(self, path: Path) -> None:
        """Starts from another task's checkpoint: its networks and input moments, with a critic's scale of its own."""
        self.load(path)
        self.timesteps, self.best = 0, -np.inf
        with torch.no_grad():
            self.net.log_std.clamp_(min=-1.0)
            self.net.returns.count.fill_(1e-3)
        for layer in self.net.critic.children():
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()

    def export(self, path: Path) -> None:
        """Writes the deterministic policy alone, as `playground.domains.dm_control.experts` plays it."""
        linears = [layer for layer in self.net.policy if isinstance(layer, nn.Linear)]
        tensors = {"mean": self.net.inputs.mean, "std": self.net.inputs.std}
        for index, layer in enumerate(linears):
            tensors |= {f"weight{index}": layer.weight.detach(), f"bias{index}": layer.bias.detach()}
        about = {"task": self.config.task, "activation": "elu", "timesteps": self.timesteps, "score": self.best}
        _write(path, tensors, {"config": json.dumps(about)})


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    with atomic_write(path) as unfinished:
        save_file({name: value.contiguous() for name, value in tensors.items()}, unfinished, metadata)


def evaluate(config: PPOConfig, net: ActorCritic, episodes: int, seed: int = 777) -> float:
    """Mean return of whole episodes by a network's mean action, begun as in training."""
    if config.task in LOCOMOTION:
        bodies = VectorLocomotion(config.task, episodes, seed, starts=episodes)
        returns, going = np.zeros(episodes), np.ones(episodes, bool)
        while going.any():
            reward, _, ended = bodies.step(net.act(bodies.features()))
            returns += reward * going
            going &= ~ended
        return float(returns.mean())
    batch = VectorBodies(config.task, episodes, seed, starts=episodes)
    if config.takeover:
        batch.take_over(handed_over(config.task), config.takeover)
    total = 0.0
    for _ in range(EPISODE_STEPS):
        total += float(batch.step(net.act(batch.features()))[0].mean())
    return total


def train(config: PPOConfig, out: Path, checkpoint: Path, start: Path | None = None) -> float:
    """Trains for `config.minutes`, keeping the best policy of the regular evaluations in `out`.

    Args:
        config: settings.
        out: expert file.
        checkpoint: is written at every evaluation, and gone on from if it exists.
        start: another task's checkpoint to begin from where there is none of its own.

    Returns:
        The best mean return.
    """
    run = PPO(config)
    if checkpoint.exists():
        run.load(checkpoint)
    elif start is not None:
        run.adopt(start)
    else:
        samples, _ = run.collect()
        run.net.inputs.update(samples.observation)
    began = evaluated = time.monotonic()
    while True:
        samples, reward = run.collect()
        run.update(samples)
        now = time.monotonic()
        is_over = now - began >= 60 * config.minutes
        if not is_over and now - evaluated < min(40.0, 15 * config.minutes):
            continue
        score = evaluate(config, run.net, 24)
        if score > run.best:
            run.best = score
            run.export(out)
        run.save(checkpoint)
        print(
            f"{config.task}  {(now - began) / 60:5.1f} min  {run.timesteps / 1e6:6.2f} M steps  "
            f"acting {1000 * reward:6.1f}  evaluated {score:6.1f}  best {run.best:6.1f}  "
            f"rate {run.optimiser.param_groups[0]['lr']:.0e}  std {float(run.net.log_std.exp().mean().detach()):.2f}",
            flush=True,
        )
        evaluated = time.monotonic()
        if is_over:
            return run.best


def train_expert(
    task: str, out: Path | None = None, start: str | None = None, settings: Sequence[str] = (), runs: Path = RUNS
) -> Path:
    """Trains the expert of a task on one core; the same call goes on where the last one ended.

    Args:
        task: one of `TRAINED_TASKS`.
        out: expert file; by default the one that the task's expert is loaded from.
        start: task whose run to begin from where there is none of this one.
        settings: such as `minutes=6`, see `playground.settings.assign`.
        runs: folder of what resuming needs.

    Returns:
        The expert file.

    Raises:
        UnknownNameError: a setting does not exist.
        BadValueError: the task or a setting cannot be, or the expert file cannot be written.
        BadFileError: the run to go on with, or to begin from, is missing or of another shape.
    """
    torch.set_num_threads(1)
    config = assign(PPOConfig(task), settings)
    target = out or EXPERTS / f"{task}.safetensors"
    check_file_target(target)
    beginning = None if start is None else runs / f"{start}.safetensors"
    if beginning is not None and not beginning.is_file():
        raise BadFileError(f"{beginning}: no run to begin from; train {start} first")
    train(config, target, runs / f"{task}.safetensors", beginning)
    return target
