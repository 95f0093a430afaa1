"""The agent: the network with a context of prompt and live steps, as a policy."""

from playground.agent.agent import Agent, BatchAgent, agent_for
from playground.agent.context import Context
from playground.agent.ood import OODScore, ood_score
from playground.agent.preprocessing import fit_prompt, predict_goal

__all__ = [
    "Agent",
    "BatchAgent",
    "Context",
    "OODScore",
    "agent_for",
    "fit_prompt",
    "ood_score",
    "predict_goal",
]
