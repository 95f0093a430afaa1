"""Experts for the Control Suite: controllers derived from the model, and trained policies played without torch.

All are functions of the present state, without memory, so they can take over anywhere and are easy to clone.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from playground.environment import DomainEnv
from playground.task import Action, Observation

Law = Callable[[Any], np.ndarray]
"""The suite's physics -> controls [A], not yet clipped."""


class LawExpert:
    """Acts by a control law that reads the simulator."""

    def __init__(self, physics: Any, law: Law):
        self._physics, self._law = physics, law

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        return np.clip(self._law(self._physics), -1.0, 1.0).astype(np.float32)


class PolicyExpert:
    """A network trained by `playground train-expert`: linear layers with ELU between, clipped to the action range.

    Args:
        path: safetensors file with `mean`, `std` [F] of the features and `weight0`, `bias0`, ...

    Attributes:
        layers: weight and bias of each.
        timesteps: environment steps that the training took, as its file says.
    """

    def __init__(self, path: Path):
        from safetensors import safe_open

        with safe_open(path, "np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            self.timesteps = int(json.loads(file.metadata()["config"]).get("timesteps", 0))
        self._mean, self._std = tensors["mean"], tensors["std"]
        layers = sum(name.startswith("weight") for name in tensors)
        self.layers = [(tensors[f"weight{i}"], tensors[f"bias{i}"]) for i in range(layers)]

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """Actions [..., A] for `state` [..., F]: of one environment, or of a batch."""
        hidden = np.clip((observation["state"] - self._mean) / self._std, -10.0, 10.0)
        for weight, bias in self.layers[:-1]:
            hidden = hidden @ weight.T + bias
            hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))
        weight, bias = self.layers[-1]
        return np.clip(hidden @ weight.T + bias, -1.0, 1.0).astype(np.float32)


class CommandedExpert(PolicyExpert):
    """A trained policy that is told the world's goal: it reads `state` [F] and, after it, the goal's numbers."""

    def __init__(self, path: Path, env: DomainEnv):
        super().__init__(path)
        self._env = env

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        goal = np.asarray(self._env.goal, np.float32)
        return super().act({"state": np.concatenate([observation["state"], goal])})


def lqr_gain(model: Any, state_cost: Sequence[float], control_cost: float, substeps: int = 1) -> np.ndarray:
    """Gains [A, 2 nv] that balance a model at all joints zero; controls = -gain @ (positions, velocities).

    The steps of `model` are linearised by central differences (MuJoCo's own derivatives refuse its Runge-Kutta).

    Args:
        model: a `mujoco.MjModel`.
        state_cost: of squared positions, then velocities.
        control_cost: of squared controls.
        substeps: physics steps that a control is held for.
    """
    import mujoco
    from scipy.linalg import solve_discrete_are

    data, nv, nu, eps = mujoco.MjData(model), model.nv, model.nu, 1e-4

    def follow(point: np.ndarray) -> np.ndarray:
        mujoco.mj_resetData(model, data)
        data.qpos[:], data.qvel[:], data.ctrl[:] = point[:nv], point[nv : 2 * nv], point[2 * nv :]
        mujoco.mj_step(model, data, substeps)
        return np.concatenate([data.qpos, data.qvel])

    nudges = eps * np.eye(2 * nv + nu)
    slopes = np.stack([(follow(nudge) - follow(-nudge)) / (2 * eps) for nudge in nudges], axis=1)
    a, b = slopes[:, : 2 * nv], slopes[:, 2 * nv :]
    cost = control_cost * np.eye(nu)
    p = solve_discrete_are(a, b, np.diag(state_cost), cost)
    return np.linalg.solve(cost + b.T @ p @ b, b.T @ p @ a)


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _energy(physics: Any, gravity_torque: float, inertia: float) -> float:
    """Pole's energy, joules, zero at rest upright."""
    return 0.5 * inertia * physics.data.qvel[-1] ** 2 + gravity_torque * (np.cos(physics.data.qpos[-1]) - 1)


CAUGHT = 0.244
"""Angle of the cart's pole, radians, below which it is balanced."""


def cartpole_law(physics: Any) -> Law:
    """Pumps the pole's energy up to the upright's, then balances (Astrom and Furuta, 2000).

    It balances gently: twice the gain scores about the same, and labels then leap where a state is hardly another.
    """
    # Pushes per joule that is missing, per metre from the middle, and per metre a second.
    pump, centre, brake = 2.56, 7.03, 0.891
    gain = lqr_gain(physics.model.ptr, (2.0, 20.0, 1.0, 2.0), 10.0)[0]
    gravity_torque, inertia = 0.1 * 9.81 * 0.5, 0.1 / 3

    def law(physics: Any) -> np.ndarray:
        (x, _), (speed, turning) = physics.data.qpos, physics.data.qvel
        angle = _wrapped(physics.data.qpos[1])
        if abs(angle) < CAUGHT:
            return np.array([-gain @ np.array([x, angle, speed, turning])])
        push = pump * _energy(physics, gravity_torque, inertia) * turning * np.cos(angle)
        return np.array([push - centre * x - brake * speed])

    return law


def pendulum_law(physics: Any) -> Law:
    """Pumps energy with full torque, then balances."""
    gain = lqr_gain(physics.model.ptr, (10.0, 1.0), 1.0)[0]
    inertia = float(physics.model.body_inertia[1, 1] + 0.25)

    def law(physics: Any) -> np.ndarray:
        angle, turning = _wrapped(physics.data.qpos[0]), float(physics.data.qvel[0])
        balance = -gain @ np.array([angle, turning])
        if abs(angle) < 0.4 and abs(balance) < 1.5:
            return np.array([balance])
        missing = -_energy(physics, 9.81 * 0.5, inertia)
        # At rest with gravity, not against it: there is a place where full torque and gravity cancel.
        motion = turning if abs(turning) > 0.01 else np.copysign(0.01, np.sin(angle))
        return np.array([3 * missing * motion])

    return law


def pendulum_spin_law(physics: Any, way: float) -> Law:
    """Swings ever wider, goes over the top one way (1 or -1), then keeps pushing."""
    inertia = float(physics.model.body_inertia[1, 1] + 0.25)

    def law(physics: Any) -> np.ndarray:
        swings_back = way * physics.data.qvel[0] < 0 and _energy(physics, 9.81 * 0.5, inertia) < -0.5
        return np.array([-way if swings_back else way])

    return law


def springs_law(physics: Any) -> Law:
    """The linear-quadratic regulator's own best answer."""
    bodies = physics.model.nv
    gain = lqr_gain(physics.model.ptr, (1.0,) * bodies + (0.0,) * bodies, 0.1)
    return lambda physics: -gain @ np.concatenate([physics.data.qpos, physics.data.qvel])


def point_mass_law(physics: Any) -> Law:
    """Proportional-derivative."""
    return lambda physics: 20 * physics.mass_to_target()[:2] - 6 * physics.data.qvel


ARM = 0.12
"""Length of each of the reacher's two limbs, metres."""


def reacher_law(physics: Any) -> Law:
    """Turns the joints towards the target by the damped inverse of the finger's Jacobian.

    Its gains are low enough that it comes to rest: one that chatters about the target cannot be cloned.
    """

    def law(physics: Any) -> np.ndarray:
        shoulder, wrist = physics.data.qpos
        upper, lower = ARM * _direction(shoulder), ARM * _direction(shoulder + wrist)
        jacobian = np.array([[-(upper + lower)[1], -lower[1]], [(upper + lower)[0], lower[0]]])
        squared = jacobian @ jacobian.T + 1e-3 * np.eye(2)
        turn = jacobian.T @ np.linalg.solve(squared, physics.finger_to_target())
        return 1.5 * turn - 0.2 * physics.data.qvel

    return law


def reacher_pose_law(physics: Any) -> Law:
    """Turns the joints to the one pose, of two, that has the finger at the target and the wrist bent to the left.

    Where the target is hidden, the end of any demonstration then shows the very pose that is to be taken.
    """

    def law(physics: Any) -> np.ndarray:
        x, y = physics.named.data.geom_xpos["target", :2]
        wrist = np.arccos(np.clip((x**2 + y**2) / (2 * ARM**2) - 1, -1, 1))
        shoulder = np.arctan2(y, x) - wrist / 2
        missing = np.array([_wrapped(shoulder - physics.data.qpos[0]), wrist - physics.data.qpos[1]])
        return 1.5 * missing - 0.2 * physics.data.qvel

    return law


def _direction(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)])
