import numpy as np
import pytest
import torch

from playground.domains.atari.q_network import (
    ARTICLE_EXACT,
    ARTICLE_PARAMETERS,
    NETWORKS,
    NumpyQNetwork,
    load_q_network,
    network_spec,
)
from playground.errors import BadFileError, UnknownNameError
from playground.rl.q_network import QNetwork, save_policy


@pytest.mark.parametrize(
    ("network", "actions", "biases", "count"),
    [
        ("nips", 3, True, 676_915),
        ("nips", 4, True, 677_172),
        ("nips", 6, True, 677_686),
        ("nips", 18, True, 680_770),
        ("nips", 18, False, 680_448),
        ("nature", 3, True, 1_685_667),
        ("nature", 4, True, 1_686_180),
        ("nature", 6, True, 1_687_206),
        ("nature", 18, True, 1_693_362),
        ("nature", 18, False, 1_692_672),
    ],
)
def test_counts_are_exact_and_normalising_adds_none(network, actions, biases, count):
    spec = network_spec(network)
    assert spec.parameters(actions, biases) == count
    for normalised in (False, True):
        tensors = QNetwork(spec, actions, normalised).state_dict()
        assert sum(t.numel() for name, t in tensors.items() if biases or name.endswith("weight")) == count


def test_shapes_are_one_wider_than_the_articles():
    assert network_spec("nips").feature_shapes() == [(4, 84, 84), (16, 20, 20), (32, 9, 9)]
    assert network_spec("nature").feature_shapes() == [(4, 84, 84), (32, 20, 20), (64, 9, 9), (64, 7, 7)]


@pytest.mark.parametrize(("network", "total"), [("nips", 540_672), ("nature", 1_130_496)])
def test_the_articles_powers_of_two_stand_beside_the_exact_weights(network, total):
    article = ARTICLE_PARAMETERS[network]
    exact = [int(np.prod(shape)) for shape in network_spec(network).weight_shapes(18)]
    assert sum(article) == total
    assert len(article) == len(exact)
    assert exact[:2] == list(article[:2])  # the first filters are what the article says
    assert all(0.85 < found / told < 1.6 for found, told in zip(exact, article, strict=True))


def test_the_articles_shapes_counted_exactly():
    for network, last in (("nips", 8), ("nature", 6)):
        shapes = network_spec(network).weight_shapes(18)
        filters = shapes[-3][0]
        shapes[-2] = (shapes[-2][0], filters * last * last)
        assert ARTICLE_EXACT[network] == sum(int(np.prod(shape)) for shape in shapes)


def test_multiplications_of_a_decision():
    assert network_spec("nips").multiplications(6) == 2_967_040
    assert network_spec("nature").multiplications(6) == 9_346_048


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("normalised", [False, True])
def test_numpy_acts_as_torch_does(network, normalised):
    torch.manual_seed(0)
    net = QNetwork(network_spec(network), 6, normalised, reduced=False)
    played = NumpyQNetwork(net.spec, {k: v.numpy() for k, v in net.state_dict().items()}, normalised)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 84, 84)).astype(np.uint8)
    expected = net(torch.from_numpy(pixels[None]))[0].detach().numpy()
    assert np.abs(played.values(pixels) - expected).max() < 1e-6


def test_a_saved_policy_is_the_network_in_half_precision(tmp_path):
    torch.manual_seed(0)
    net = QNetwork(network_spec("nips"), 4, True, reduced=False)
    save_policy(net, tmp_path, {"game": "pong"})
    pixels = np.random.default_rng(0).integers(0, 256, (4, 84, 84)).astype(np.uint8)
    found = load_q_network(tmp_path).values(pixels)
    assert np.abs(found - net(torch.from_numpy(pixels[None]))[0].detach().numpy()).max() < 2e-3
    assert (tmp_path / "model.safetensors").stat().st_size < 1.4e6


def test_damaged_policies_and_unknown_networks_are_told(tmp_path):
    with pytest.raises(BadFileError, match="train one"):
        load_q_network(tmp_path)
    save_policy(QNetwork(network_spec("nips"), 4, True), tmp_path, {})
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BadFileError, match="train one"):
        load_q_network(tmp_path)
    save_policy(QNetwork(network_spec("nips"), 4, True), tmp_path, {})
    config = (tmp_path / "config.json").read_text(encoding="utf-8").replace("nips", "nature")
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(BadFileError):
        load_q_network(tmp_path)
    with pytest.raises(UnknownNameError, match="nature"):
        network_spec("natur")
