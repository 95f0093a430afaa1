"""Classic control and Box2D (upstream: gymnasium), with short controllers as experts.

States are centred and scaled to about 1, and angles that can wind up are given by sine and cosine. `CartPole-hidden`
asks to balance at a place that only the prompt tells.
"""

from functools import partial

from playground.domains.classic import controllers
from playground.domains.classic.controllers import Controller
from playground.domains.classic.env import HIDDEN_TARGETS, ClassicEnv, HiddenCartPole, Model
from playground.environment import NO_OP
from playground.task import Amount, Horizons, Task

__all__ = ["FAMILIES", "TASKS", "ClassicEnv", "Controller"]

MODELS = {
    "CartPole": Model(
        upstream="CartPole-v1",
        fps=50.0,
        max_steps=500,
        dimensions=4,
        state=controllers.cartpole_state,
        control=controllers.balance,
        actions=("left", "right"),
    ),
    "MountainCar": Model(
        upstream="MountainCar-v0",
        fps=30.0,
        max_steps=200,
        dimensions=2,
        state=controllers.mountain_car_state,
        control=controllers.rock,
        actions=("left", NO_OP, "right"),
        solved=controllers.ended,
    ),
    "MountainCarContinuous": Model(
        upstream="MountainCarContinuous-v0",
        fps=30.0,
        max_steps=999,
        dimensions=2,
        state=controllers.mountain_car_state,
        control=controllers.rock_gently,
        actions=("push",),
        solved=controllers.ended,
    ),
    "Pendulum": Model(
        upstream="Pendulum-v1",
        fps=30.0,
        max_steps=200,
        dimensions=3,
        state=controllers.pendulum_state,
        control=controllers.swing_up,
        actions=("torque",),
    ),
    "Acrobot": Model(
        upstream="Acrobot-v1",
        fps=15.0,
        max_steps=500,
        dimensions=6,
        state=controllers.acrobot_state,
        control=controllers.pump,
        actions=("left", NO_OP, "right"),
        solved=controllers.ended,
    ),
    "LunarLander": Model(
        upstream="LunarLander-v3",
        fps=50.0,
        max_steps=1000,
        dimensions=9,
        state=controllers.lander_state,
        control=controllers.land,
        actions=(NO_OP, "left engine", "main engine", "right engine"),
        solved=controllers.landed,
    ),
    "LunarLanderContinuous": Model(
        upstream="LunarLanderContinuous-v3",
        fps=50.0,
        max_steps=1000,
        dimensions=9,
        state=controllers.lander_state,
        control=controllers.land,
        actions=("main engine", "side engines"),
        solved=controllers.landed,
    ),
}


def _task(name: str, model: Model, make: type[ClassicEnv] = ClassicEnv) -> Task:
    hidden = make is HiddenCartPole
    return Task(
        id=f"classic/{name}-hidden" if hidden else f"classic/{name}",
        scene=f"classic/{name}",
        fps=model.fps,
        max_steps=model.max_steps,
        make=partial(make, model),
        make_expert=partial(Controller, control=model.control),
        has_success=hidden or model.solved is not None,
        hidden_goal=hidden,
        horizons=Horizons(prompt=500),
        amount=Amount(goals=300, episodes_per_goal=2) if hidden else Amount(goals=100, shard_episodes=25),
    )


TASKS = [_task(name, model) for name, model in MODELS.items()] + [_task("CartPole", MODELS["CartPole"], HiddenCartPole)]

FAMILIES = (HIDDEN_TARGETS,)
