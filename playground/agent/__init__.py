"""The agent: the network with a context of prompt and live steps, as a policy."""

from playground.agent.agent import Agent, BatchAgent, agent_for
from playground.agent.context import Context
from playground.agent.ood import OODDetector, OODScore, load_detector
from playground.agent.preprocessing import fit_prompt, fit_steps
from playground.agent.reading import PromptReading, read_prompt

__all__ = [
    "Agent",
    "BatchAgent",
    "Context",
    "OODDetector",
    "OODScore",
    "PromptReading",
    "agent_for",
    "fit_prompt",
    "fit_steps",
    "load_detector",
    "read_prompt",
]
