"""Looks inside: by layer, what the prompt's values carry of the wish, and how much each head looks at the prompt.

python demos/inspect_agent.py --first metaworld/faucet-open#0 --second metaworld/faucet-close#0
"""

import numpy as np
import typer

from playground import find_prompt, load_model, open_session
from playground.agent import agent_for


def main(
    task: str = "metaworld/faucet-open",
    first: str = "metaworld/faucet-open#0",
    second: str = "metaworld/faucet-close#0",
    steps: int = 20,
    checkpoint: str | None = None,
) -> None:
    """Patches each layer's values of the second prompt into the first, in states that were seen under the first."""
    length = min(len(prompt) for text in (first, second) if (prompt := find_prompt(text)))
    prompts = {text: prompt for text in (first, second) if (prompt := find_prompt(f"{text}[:{length}]"))}
    model = load_model(checkpoint)
    with open_session(task, "model", prompts[first], checkpoint=checkpoint) as session:
        seen = [session.step().observation for _ in range(steps)]
        agent = agent_for(model, session.env)

    other = agent.read(prompts[second]).cache

    def decide(text: str, layers: range = range(0)) -> np.ndarray:
        """Distributions over actions at every step, cumulated, so that near bins count as near."""
        agent.reset()
        agent.condition(prompts[text])
        for layer in layers:
            agent.context.patch(0, layer, values=other.values[layer])
        return np.stack([np.asarray(agent.act(observation).probabilities) for observation in seen]).cumsum(-1)

    wanted = decide(second)
    apart = ((decide(first) - wanted) ** 2).sum()
    with model.caching("blocks.*.attn.hook_pattern") as cache:
        decide(first)
    count = model.config.layers
    print(f"{second} patched into {first}: 0 acts as under the first, 1 as under the second")
    for name, layers in [("all", range(count)), *((str(i), range(i, i + 1)) for i in range(count))]:
        carried = 1 - ((decide(first, layers) - wanted) ** 2).sum() / apart
        print(f"layer {name:3}   its values carry {carried:5.2f}", end="")
        for pattern in [] if name == "all" else cache[f"blocks.{name}.attn.hook_pattern"][0, :, -1]:
            print(f"   {pattern[: len(other)].sum():.2f}", end="")
        print("   of each head's attention" if name != "all" else "")


if __name__ == "__main__":
    typer.run(main)
