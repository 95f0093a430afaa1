"""The guard of what was won: ratios of times that are taken in turns in one run, never times."""

import pytest
import torch

from playground.agent import Agent
from playground.bench.measure import sample
from playground.bench.peers import JatShaped, measure_peers
from playground.bench.products import bare_products
from playground.model import GeneralistModel, choose_backend, preset
from playground.tokens.timestep import TimestepSpec
from tests.toy import ToyEnv

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> GeneralistModel:
    torch.manual_seed(0)
    return GeneralistModel(preset("small")).eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@torch.inference_mode()
def test_one_row_is_quicker_than_a_batch_of_one(model: GeneralistModel):
    """Found: extending 2.7 times, decoding 8.1 times as quick."""
    backend, cache, x = choose_backend(model), model.new_cache(1, 100), torch.randn(1, 1, 256)
    cache.length += 60
    found = sample(
        {
            "extend": lambda: backend.extend(x, cache, [0]),
            "extend batch": lambda: model.trunk(x, cache),
            "decode": lambda: backend.decode(x, False, 6),
            "decode batch": lambda: model.decode(x, False, 6),
        },
        seconds=0.5,
    )
    assert found["extend"].median < 0.6 * found["extend batch"].median
    assert found["decode"].median < 0.35 * found["decode batch"].median


def test_a_decision_stays_near_its_products(model: GeneralistModel):
    """Found: 1.3 to 1.9 times in shipped worlds."""
    env = ToyEnv()
    agent = Agent(model, TimestepSpec.from_spaces(env.observation_space, env.action_space))
    observation, _ = env.reset(seed=0)
    bare = bare_products(model, lambda: agent.act(observation))
    found = sample({"act": lambda: agent.act(observation), "products": bare}, seconds=0.5)
    assert 1 < found["act"].median / found["products"].median < 3


def test_decisions_are_quicker_than_those_of_peers():
    """Behind 16 timesteps; the differences grow with their number. Found: 9, 62 and 4 times."""
    flat, uncached, jat = (case.ratio for case in list(measure_peers(seconds=0.2, past=16))[1:])
    assert flat > 4 and uncached > 20 and jat > 2.5


def test_jat_shaped_policy_has_a_true_cache():
    """The same actions as over all timesteps at once: later ones do not change earlier ones."""
    torch.manual_seed(0)
    policy = JatShaped(width=32, layers=2)
    inputs = [(torch.randn(1, 24), torch.randn(1, 6), torch.randn(1, 1)) for _ in range(3)]
    first = [policy(*step) for step in inputs]
    assert policy.cache[0][0].shape[2] == 4 * 3
    policy.cache = [(k[:, :, :8], v[:, :, :8]) for k, v in policy.cache]
    torch.testing.assert_close(policy(*inputs[2]), first[2])
    assert not torch.allclose(policy(*inputs[2]), first[2])  # the past counts
