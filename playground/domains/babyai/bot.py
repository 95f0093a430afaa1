"""The expert of the BabyAI levels: upstream's bot, for any state of a running episode.

The bot keeps a stack of subgoals and a map of the cells it has seen: an agent that copies it needs a memory too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.task import Action, Observation

if TYPE_CHECKING:
    from minigrid.utils.baby_ai_bot import BabyAIBot

    from playground.domains.babyai import BabyAIEnv

MOVES, TOGGLE, DONE = (0, 1, 2), 5, 6
"""Actions by number: 0 left, 1 right, 2 forward, 3 pick up, 4 drop, 5 toggle, 6 done."""

REPLAN_LIMIT = 50
"""Turns of the bot's planning loop before it has to act; upstream's loop has no bound."""


class BotExpert:
    """Upstream's bot: it plans from what it has seen so far, and replans around whatever was executed.

    Four things are added: it takes over in the middle of an episode, it gives up instead of looping for ever, it
    solves what upstream's cannot (a key inside a box, an object in hand at the start, doors behind doors, doors that
    were closed again), and where another drives it plans anew from what that has led to: upstream's would go back and
    undo it. Once it has given up it returns `done` for as long as nothing else is executed: a few layouts cannot be
    solved, as their key is locked up.
    """

    def __init__(self, env: BabyAIEnv):
        self._env = env
        self.reset()

    def reset(self) -> None:
        """Forgets what has been seen and planned."""
        self._bot: BabyAIBot | None = None
        self._step = -1  # the environment's step at which the bot last planned
        self._advised = DONE
        self._given_up = False

    def act(self, observation: Observation) -> Action:
        """The bot's next action for the environment's present state, int64 []."""
        env = self._env
        if env.steps <= self._step:  # another episode
            self.reset()
        if self._given_up and env.last_action == DONE:
            return np.asarray(DONE, np.int64)
        action = None
        if self._bot is not None and env.steps == self._step + 1 and self._plan_holds():
            action = _replan(self._bot, env.last_action)
        for prepare in (_trust_plan, _forget_closed_rooms, _open_known_door):
            if action is None:
                self._bot = _new_bot(env.upstream, self._bot)
                prepare(self._bot)
                action = _replan(self._bot, None)
        self._step = env.steps
        self._given_up = action is None
        self._advised = DONE if action is None else action
        return np.asarray(self._advised, np.int64)

    def _plan_holds(self) -> bool:
        """Whether what was executed is what the plan said, or another step while it says to walk somewhere."""
        from minigrid.utils.baby_ai_bot import GoNextToSubgoal

        assert self._bot is not None
        executed, stack = self._env.last_action, self._bot.stack
        if not stack or executed == self._advised:
            return bool(stack)
        return isinstance(stack[-1], GoNextToSubgoal) and executed in MOVES


class _PlanBroken(Exception):
    """The world is not as the plan supposed."""


class _OpenBox:
    """A subgoal in upstream's form: opens the box in front, which vanishes and leaves what it held."""

    def update_agent_attributes(self) -> None:
        pass

    def replan_before_action(self) -> int:
        return TOGGLE

    def replan_after_action(self, executed: int) -> None:
        raise _PlanBroken  # opened or not, look again

    def is_exploratory(self) -> bool:
        return False


def _replan(bot: BabyAIBot, executed: int | None) -> int | None:
    """`BabyAIBot.replan` with a bound; None where the plan has broken down.

    Args:
        bot: changed in place.
        executed: the last action if the bot planned just before it, None at its first plan.
    """
    from minigrid.utils.baby_ai_bot import DisappearedBoxError

    try:
        bot._process_obs()
        for subgoal in bot.stack:
            subgoal.update_agent_attributes()
        if executed is not None:
            bot._check_erroneous_box_opening(executed)
            bot.stack[-1].replan_after_action(executed)
        while bot.stack and bot.stack[-1].is_exploratory():
            bot.stack.pop()
        for _ in range(REPLAN_LIMIT):
            if not bot.stack:
                return DONE
            action = bot.stack[-1].replan_before_action()
            if action is not None:
                bot._remember_current_state()
                return int(action)
    except (_PlanBroken, DisappearedBoxError, AssertionError, TypeError, AttributeError, IndexError):
        pass  # the latter four are upstream's ways of saying that the plan is broken: it takes cells and paths as given
    return None


def _new_bot(level: Any, previous: BabyAIBot | None) -> BabyAIBot:
    """A bot that plans what is still to be done from the present state, with the map of a previous one."""
    from minigrid.envs.babyai.core.verifier import OpenInstr, PutNextInstr
    from minigrid.utils.baby_ai_bot import BabyAIBot, DropSubgoal, GoNextToSubgoal

    bot = BabyAIBot(level)
    bot.stack = []
    if previous is not None:
        bot.vis_mask = previous.vis_mask
    bot._process_obs()
    instructions = list(_remaining(level.instrs))
    for instruction in reversed(instructions):
        bot._process_instr(instruction)
    first, held = instructions[0], level.carrying
    if held is None:
        if isinstance(first, OpenInstr):
            _fetch_boxed_key(bot, first)
    elif isinstance(first, PutNextInstr) and any(held is thing for thing in first.desc_move.obj_set):
        del bot.stack[-2:]  # it is in hand: neither walk to it nor pick it up
    elif not (isinstance(first, OpenInstr) and held.type == "key"):
        position = bot._find_drop_pos()
        if position is not None:
            bot.stack += [DropSubgoal(bot), GoNextToSubgoal(bot, position)]
    return bot


def _remaining(instruction: Any) -> Iterator[Any]:
    """The clauses of a mission that are not done yet, in the order in which they are due."""
    from minigrid.envs.babyai.core.verifier import AfterInstr, SeqInstr

    if not isinstance(instruction, SeqInstr):
        yield instruction
        return
    for half in "ba" if isinstance(instruction, AfterInstr) else "ab":
        if getattr(instruction, f"{half}_done") != "success":
            yield from _remaining(getattr(instruction, f"instr_{half}"))


def _fetch_boxed_key(bot: BabyAIBot, instruction: Any) -> None:
    """Puts "open a box" on top of the plan if all doors to open are locked and their keys lie nowhere."""
    from minigrid.envs.babyai.core.verifier import ObjDesc
    from minigrid.utils.baby_ai_bot import GoNextToSubgoal

    doors = instruction.desc.obj_set
    box = ObjDesc("box")
    if (
        all(door.is_locked and not ObjDesc("key", door.color).find_matching_objs(bot.mission)[0] for door in doors)
        and box.find_matching_objs(bot.mission)[0]
    ):
        bot.stack += [_OpenBox(), GoNextToSubgoal(bot, box)]


def _trust_plan(bot: BabyAIBot) -> None:
    """Leaves the plan as it is."""


def _forget_closed_rooms(bot: BabyAIBot) -> None:
    """Takes cells that were seen but lie behind closed doors for unseen, so that doors are opened to look for things.

    Upstream's bot never closes one, and finds no way through those that another has closed.
    """
    level = bot.mission
    _, _, reached = bot._breadth_first_search(
        [(*level.agent_pos, *level.dir_vec)], lambda *_: False, ignore_blockers=True
    )
    seen, bot.vis_mask = bot.vis_mask, np.zeros_like(bot.vis_mask)
    for place in reached:
        bot.vis_mask[place] = seen[place]


def _open_known_door(bot: BabyAIBot) -> None:
    """Puts "unlock a door" on top of the plan, of a door seen whose key is in hand or was seen as well.

    Upstream's bot loops for ever where the nearest closed door is the one it lacks the key of.
    """
    from minigrid.envs.babyai.core.verifier import ObjDesc
    from minigrid.utils.baby_ai_bot import GoNextToSubgoal, OpenSubgoal

    doors, positions = ObjDesc("door").find_matching_objs(bot.mission)
    held = bot.mission.carrying
    for door, position in zip(doors, positions, strict=True):
        _, keys = ObjDesc("key", door.color).find_matching_objs(bot.mission)
        in_hand = held is not None and held.type == "key" and held.color == door.color
        if door.is_locked and bot.vis_mask[position] and (in_hand or any(bot.vis_mask[key] for key in keys)):
            bot.stack += [OpenSubgoal(bot), GoNextToSubgoal(bot, door, reason="Open")]
            return
