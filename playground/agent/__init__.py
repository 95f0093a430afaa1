"""The agent: the network with a context of prompt and live steps, as a policy."""

from playground.agent.agent import Agent, BatchAgent, agent_for
from playground.agent.context import Context
from playground.agent.reading import asked_by, fit_prompt
from playground.agent.strangeness import Strangeness, strangeness

__all__ = [
    "Agent",
    "BatchAgent",
    "Context",
    "Strangeness",
    "agent_for",
    "asked_by",
    "fit_prompt",
    "strangeness",
]
