from dataclasses import replace

import numpy as np
import pytest
import torch

from models import MAX_STOPS, view_layout
from models.candidates import LEAVE_RELATIONS, ZONE_RELATIONS
from models.gpt2_pointer import DWELL_EDGES_S, N_DWELL_BINS, JourneyTokens, bin_dwell, draw_dwell
from tests.models.worlds import CODER, make_network


@pytest.fixture(scope="module")
def network():
    return make_network(n_layer=2)


@pytest.fixture
def features(corner_shop):
    return torch.from_numpy(view_layout(corner_shop).zone_features)


def make_tokens(n, n_steps, n_zones, seed=0):
    """Random journeys; the first token of each is at the door."""
    rng = np.random.default_rng(seed)
    zone = rng.integers(0, n_zones, (n, n_steps))
    zone[:, 0] = -1
    missions, genders = rng.integers(0, 3, n), 3 + rng.integers(0, 3, n)
    return JourneyTokens(
        attributes=np.stack([missions, genders], axis=1),
        zone=zone,
        dwell_s=rng.uniform(2, 100, (n, n_steps)),
        n_wanted=rng.poisson(2.0, (n, n_steps)),
    )


def read(network, features, tokens):
    with torch.no_grad():
        embedded = network.embed_zones(features)
        zones, prompt = network.read_layout(embedded)
        return zones, network.read_journeys(network.embed_journey(tokens, embedded), prompt)


def test_the_order_of_the_zones_does_not_matter(network, features):
    order = np.random.default_rng(3).permutation(len(features))
    tokens = make_tokens(4, 5, len(features))
    new_index = np.argsort(order)
    reordered = replace(tokens, zone=np.where(tokens.zone >= 0, new_index[tokens.zone], -1))
    zones, hidden = read(network, features, tokens)
    zones_after, hidden_after = read(network, features[order], reordered)
    assert torch.allclose(zones_after, zones[order], atol=1e-5)
    assert torch.allclose(hidden_after, hidden, atol=1e-5)
    assert zones.std(0).mean() > 0.1  # the zones are told apart at all


def test_zones_are_read_in_context(network, features):
    """A zone reads otherwise once another zone is gone, also one that comes after it."""
    with torch.no_grad():
        whole, _ = network.read_layout(network.embed_zones(features))
        part, _ = network.read_layout(network.embed_zones(features[:-1]))
    assert (whole[:-1] - part).abs().max() > 1e-4


def test_what_comes_later_does_not_change_what_was_read(network, features):
    tokens = make_tokens(3, 6, len(features))
    later = replace(tokens, zone=tokens.zone.copy(), n_wanted=tokens.n_wanted.copy())
    later.zone[:, 4:], later.n_wanted[:, 4:] = 0, 9
    _, hidden = read(network, features, tokens)
    _, changed = read(network, features, later)
    assert torch.equal(hidden[:, :4], changed[:, :4])
    assert (hidden[:, 4:] - changed[:, 4:]).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["attributes", "zone", "dwell_s", "n_wanted"])
def test_everything_about_a_token_is_read(network, features, name):
    tokens = make_tokens(2, 4, len(features))
    value = getattr(tokens, name).copy()
    value[0] = {"attributes": [1, 4], "zone": [-1, 3, 3, 4], "dwell_s": 3.0, "n_wanted": 0}[name]
    tokens_before = replace(tokens, **{name: value + (name == "dwell_s") * 90})
    _, hidden = read(network, features, replace(tokens, **{name: value}))
    _, other = read(network, features, tokens if name != "dwell_s" else tokens_before)
    assert (hidden[0] - other[0]).abs().max() > 1e-4


def test_dwell_at_the_door_counts_for_nothing(network, features):
    tokens = make_tokens(2, 1, len(features))
    _, hidden = read(network, features, tokens)
    _, other = read(network, features, replace(tokens, dwell_s=tokens.dwell_s + 100))
    assert torch.equal(hidden, other)


def test_the_longest_journey_fits(network, features):
    _, hidden = read(network, features, make_tokens(1, MAX_STOPS + 1, len(features)))
    assert hidden.shape == (1, MAX_STOPS + 1, 16)


def test_pointer_gives_each_zone_its_logit_and_leaving_the_last(network, features):
    n, n_zones = 3, len(features)
    rng = np.random.default_rng(0)
    hidden, zones = torch.randn(n, 16), torch.randn(n_zones, 16)
    relations = torch.from_numpy(rng.normal(size=(n, n_zones, len(ZONE_RELATIONS)))).float()
    leaving = torch.from_numpy(rng.normal(size=(n, len(LEAVE_RELATIONS)))).float()
    order = torch.from_numpy(rng.permutation(n_zones))
    with torch.no_grad():
        logits = network.point(hidden, zones, relations, leaving)
        reordered = network.point(hidden, zones[order], relations[:, order], leaving)
        away = network.point(hidden, zones, relations, leaving + 1.0)
    assert logits.shape == (n, n_zones + 1)
    assert torch.allclose(reordered[:, :-1], logits[:, :-1][:, order], atol=1e-5)
    assert torch.equal(away[:, :-1], logits[:, :-1])
    assert (away[:, -1] != logits[:, -1]).all()


def test_dwell_bins_hold_what_lies_between_their_edges():
    edges = DWELL_EDGES_S
    assert bin_dwell(edges[:-1]).tolist() == list(range(N_DWELL_BINS))
    assert bin_dwell(np.array([0.0, 1.9, 299.0, 301.0, 5000.0])).tolist() == [0, 0, 15, 15, 15]
    middle = np.sqrt(edges[:-1] * edges[1:])
    assert bin_dwell(middle).tolist() == list(range(N_DWELL_BINS))


def test_dwell_draws_invert_the_cdf():
    """A uniform at the CDF of an edge gives that edge; halfway in a bin the geometric middle."""
    probability = np.random.default_rng(0).dirichlet(np.ones(N_DWELL_BINS))
    below = np.concatenate([[0.0], np.cumsum(probability)])
    rows = np.tile(probability, (N_DWELL_BINS, 1))
    assert draw_dwell(rows, below[1:] - 1e-12) == pytest.approx(DWELL_EDGES_S[1:])
    halfway = (below[1:] + below[:-1]) / 2
    assert draw_dwell(rows, halfway) == pytest.approx(np.sqrt(DWELL_EDGES_S[1:] * DWELL_EDGES_S[:-1]))


def test_dwell_draws_fall_into_bins_as_often_as_they_should():
    n = 20_000
    probability = np.tile(np.r_[0.0, 0.2, 0.0, 0.5, 0.3, np.zeros(N_DWELL_BINS - 5)], (n, 1))
    u = np.random.default_rng(2).random(n)
    dwell = draw_dwell(probability, u)
    share = np.bincount(bin_dwell(dwell), minlength=N_DWELL_BINS) / n
    assert share == pytest.approx(probability[0], abs=4 * np.sqrt(0.25 / n))
    assert (np.diff(dwell[np.argsort(u)]) >= 0).all()


def test_levels_beyond_those_of_the_network_do_not_exist():
    assert make_network().attribute_in.num_embeddings == CODER.n_levels
