from dataclasses import replace

import numpy as np
import torch

from models import view_layout
from models.candidates import LEAVE_RELATIONS, ZONE_RELATIONS
from models.decoder import Readers, decode_step, embed_step, point, read_prompt, weigh_dwells
from tests.models.test_gpt2_pointer import make_tokens
from tests.models.worlds import make_network

NETWORK = make_network(n_layer=3)


def decode(tokens, prompt, rows=None):
    """States after each token, one step at a time; from step 3 on for `rows` alone."""
    memory, states = None, []
    kept = slice(None)
    with torch.no_grad():
        embedded = NETWORK.embed_journey(tokens, prompt.stops[:-1])
        for step in range(embedded.shape[1]):
            if step == 3 and rows is not None:
                kept, memory = rows, memory.take(rows)
            [(hidden, memory)] = decode_step(NETWORK, [Readers(prompt, embedded[kept, step], memory)], step)
            states.append(hidden)
    return states


def test_step_by_step_equals_the_whole_journey_at_once(corner_shop):
    features = view_layout(corner_shop).zone_features
    tokens = make_tokens(7, 9, len(features))
    prompt = read_prompt(NETWORK, features)
    with torch.no_grad():
        zones, cache = NETWORK.read_layout(NETWORK.embed_zones(torch.from_numpy(features)))
        at_once = NETWORK.read_journeys(NETWORK.embed_journey(tokens, prompt.stops[:-1]), cache)
    assert torch.allclose(prompt.zones, zones, atol=1e-6)
    assert torch.allclose(torch.stack(decode(tokens, prompt), 1), at_once, atol=1e-5)
    assert at_once.std() > 0.1


def test_those_who_left_are_forgotten_and_the_others_go_on_unchanged(corner_shop):
    prompt = read_prompt(NETWORK, view_layout(corner_shop).zone_features)
    tokens = make_tokens(7, 6, corner_shop.n_zones)
    rows = np.array([1, 2, 5])
    together, apart = decode(tokens, prompt), decode(tokens, prompt, rows)
    for step in range(3, 6):
        assert apart[step].shape == (3, 16)
        assert torch.allclose(apart[step], together[step][rows], atol=1e-5)


def test_what_was_seen_before_matters(corner_shop):
    prompt = read_prompt(NETWORK, view_layout(corner_shop).zone_features)
    tokens = make_tokens(4, 5, corner_shop.n_zones)
    other = replace(tokens, zone=tokens.zone.copy())
    other.zone[:, 1] = (other.zone[:, 1] + 1) % corner_shop.n_zones
    assert (decode(tokens, prompt)[4] - decode(other, prompt)[4]).abs().max() > 1e-4


def test_pointing_step_by_step_equals_the_networks_own_head(corner_shop):
    """More rows than are pointed for at a time."""
    n, view = 300, view_layout(corner_shop)
    prompt = read_prompt(NETWORK, view.zone_features)
    draw = torch.Generator().manual_seed(3)
    relations = torch.randn(n, view.n_zones, len(ZONE_RELATIONS), generator=draw)
    leaving, hidden = (torch.randn(n, k, generator=draw) for k in (len(LEAVE_RELATIONS), 16))
    with torch.no_grad():
        expected = NETWORK.point(hidden, prompt.zones, relations, leaving)
    logits = point(NETWORK, hidden, prompt, relations, leaving)
    assert logits.shape == (n, view.n_zones + 1)
    assert torch.allclose(logits, expected, atol=1e-5)
    assert expected.std() > 0.01


def test_dwells_are_weighed_as_the_networks_own_head_does(corner_shop):
    prompt = read_prompt(NETWORK, view_layout(corner_shop).zone_features)
    hidden = torch.randn(40, 16, generator=torch.Generator().manual_seed(4))
    zone, n_wanted = torch.arange(40) % corner_shop.n_zones, torch.arange(40) % 3
    with torch.no_grad():
        expected = NETWORK.dwell_logits(hidden, prompt.zones[zone], n_wanted)
    assert torch.allclose(weigh_dwells(NETWORK, hidden, prompt, zone, n_wanted), expected, atol=1e-5)


def test_tokens_are_embedded_as_the_network_does(corner_shop):
    prompt = read_prompt(NETWORK, view_layout(corner_shop).zone_features)
    tokens = make_tokens(50, 3, corner_shop.n_zones)
    with torch.no_grad():
        expected = NETWORK.embed_journey(tokens, prompt.stops[:-1])
    for step in range(3):
        one = {name: getattr(tokens, name)[:, [step]] for name in ("zone", "dwell_s", "n_wanted")}
        assert torch.allclose(
            embed_step(NETWORK, replace(tokens, **one), prompt), expected[:, step], atol=1e-6
        )
    assert (tokens.zone < 0).any()
    assert (tokens.zone >= 0).any()
