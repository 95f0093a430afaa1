"""Sokoban: the solver against plain search, boards that have solutions, and hidden goals."""

from collections import deque

import numpy as np
import pytest

from playground.domains import families, task
from playground.domains.goals import PARTS, TRAINED
from playground.domains.sokoban import PUZZLES, TASKS, SokobanEnv, SolverExpert, goal_part
from playground.domains.sokoban.env import AGENT, BOX, MARK
from playground.domains.sokoban.solver import MOVES, State
from playground.errors import BadValueError
from playground.task import EVALUATION_SEEDS, Task

SEEDS = EVALUATION_SEEDS[:8]
HIDDEN = [task.id for task in TASKS if task.hidden_goal]


def world(id: str) -> tuple[SokobanEnv, SolverExpert]:
    env = task(id).make(70)
    return env, SolverExpert(env)


def fewest_moves(env: SokobanEnv) -> int | None:
    """By breadth-first search forwards, with the environment's own steps."""
    start = env.state
    reached, queue = {start}, deque([(start, 0)])
    while queue:
        state, moves = queue.popleft()
        for action in range(len(MOVES)):
            env.state, env.success = state, False
            _, _, ended, _, _ = env.step(np.asarray(action))
            if env.success:
                env.state, env.success = start, False
                return moves + 1
            if not ended and env.state not in reached:
                reached.add(env.state)
                queue.append((env.state, moves + 1))
    env.state = start
    return None


@pytest.mark.parametrize("id", ["sokoban/1-box", "sokoban/2-boxes", *HIDDEN])
def test_solver_finds_the_fewest_moves(id: str) -> None:
    env, _ = world(id)
    puzzle = PUZZLES[id.partition("/")[2]]
    for seed in SEEDS[:3]:
        env.reset(seed=seed)
        assert puzzle.least <= env.distances[env.state] <= puzzle.most
        assert fewest_moves(env) == env.distances[env.state]


def test_solver_knows_what_is_lost() -> None:
    """A box in a corner that is no mark never comes out again."""
    env, _ = world("sokoban/1-box")
    env.reset(seed=SEEDS[0])
    free = frozenset(range(8, 13)) | {15, 19, 22, 26}
    env._free, env._marks, env._distances = free, (10,), None
    env.state = (10, (8,))
    assert env.state not in env.distances and fewest_moves(env) is None
    env.state = (8, (9,))
    assert env.distances[env.state] == fewest_moves(env) == 1


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_expert_takes_the_fewest_moves(task: Task) -> None:
    env, expert = world(task.id)
    for seed in SEEDS:
        observation, _ = env.reset(seed=seed)
        moves, ended, total = env.distances[env.state], False, 0.0
        for _ in range(moves):
            assert not ended
            observation, reward, ended, _, _ = env.step(expert.act(observation))
            total += reward
        assert ended and env.success and total == (1 if task.hidden_goal else PUZZLES[task.name].boxes)


def test_observation_is_the_whole_board() -> None:
    env, _ = world("sokoban/3-boxes")
    observation, _ = env.reset(seed=SEEDS[0])
    objects = observation["grid"].reshape(-1, 3)
    agent, boxes = env.state
    assert objects[agent, 0] == AGENT and all(objects[list(boxes), 0] == BOX) and (objects[:, 0] == MARK).sum() >= 2
    for action in range(4):
        after: State | None = env.after(action)
        seen = env.step(np.asarray(action))[0]["grid"].reshape(-1, 3)
        assert seen[env.state[0], 0] == AGENT and (after is None or env.state == after)


@pytest.mark.parametrize("id", HIDDEN)
def test_hidden_goal_is_neither_told_nor_seen(id: str) -> None:
    """Boards of trained goals have both choices open, and the wanted one is the first as often as the second."""
    env, _ = world(id)
    numbers = []
    for seed in EVALUATION_SEEDS[:40]:
        observation, _ = env.reset(seed=seed)
        assert observation["mission"] == "" and goal_part(str(env.goal)) == TRAINED
        assert all(env.state in env._solve(wanted) for wanted in (0, 1))
        numbers.append(env._wanted)
        colours = set(observation["grid"][..., 1][np.isin(observation["grid"][..., 0], (BOX, MARK))])
        assert 4 not in colours  # yellow is never seen in training
    assert 10 <= sum(numbers) <= 30


@pytest.mark.parametrize("id", HIDDEN)
def test_demonstration_fulfils_its_goal_and_a_shadow_of_the_other_goal_fails(id: str) -> None:
    family, rng = families()[id], np.random.default_rng(0)
    (env, expert), (shadow, _) = world(id), world(id)
    for part in PARTS:
        goal = family.draw(part, rng)
        observation, _ = env.reset(seed=SEEDS[0], options={"goal": goal})
        pair = env._box_colours if "box-" in id else env._mark_colours
        words = str(goal).split()
        other = " ".join([*words[:-2], _colour(pair, words[-2]), words[-1]])
        shadow.enter(env, other)
        ended = False
        while not ended:
            action = expert.act(observation)
            observation, _, ended, _, _ = env.step(action)
            shadow.step(action)
        assert env.success and not shadow.success
        assert family.error(goal, env.achieved) == 0 and family.error(other, shadow.achieved) == 1
    with pytest.raises(BadValueError, match=r"goal of sokoban/.* is 'fly'; give one such as"):
        env.reset(seed=1, options={"goal": "fly"})
    with pytest.raises(BadValueError, match="cannot enter"):
        shadow.enter(task("sokoban/1-box").make(64), goal)


def _colour(pair: tuple[int, ...], wanted: str) -> str:
    """The colour of the other one of two."""
    from playground.domains.grid_worlds import COLOURS

    return next(COLOURS[colour] for colour in pair if COLOURS[colour] != wanted)


def test_goals_where_there_are_none() -> None:
    with pytest.raises(BadValueError, match="reset it without one"):
        world("sokoban/2-boxes")[0].reset(seed=1, options={"goal": "push the red box"})
