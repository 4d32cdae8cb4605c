import numpy as np
import torch

from models import LEAVE
from models.baselines import LSTMPolicy
from tests.models.baselines.chains import Crowd, draw_journeys


def alternate(stops, rng):
    """Begin at 1 or 3, four stops between, and end where one did not begin."""
    if not stops:
        return int(rng.choice([1, 3]))
    if len(stops) == 5:
        return 4 - stops[0]
    return LEAVE if len(stops) > 5 else (2, 4)[len(stops) % 2]


def test_the_beginning_is_remembered_to_the_end(tiny_store, tiny_view):
    journeys = draw_journeys(tiny_store, alternate, 400)
    policy = LSTMPolicy(n_hidden=32, n_epochs=60, learning_rate=1e-2, patience=20)
    policy.fit(journeys, tiny_store, np.random.default_rng(0))
    crowd = Crowd(policy, tiny_view, 200).walk()
    walks = [crowd.stops_of(shopper) for shopper in range(200)]
    assert np.mean([len(stops) == 6 and stops[-1] == 4 - stops[0] for stops in walks]) > 0.9


def test_the_same_generator_gives_the_same_network_and_leaves_torch_alone(tiny_store):
    journeys = draw_journeys(tiny_store, alternate, 50)
    state = torch.random.get_rng_state()
    first, again, other = (
        LSTMPolicy(n_hidden=8, n_epochs=1).fit(journeys, tiny_store, np.random.default_rng(seed)).network_
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.out.weight, other.out.weight)
