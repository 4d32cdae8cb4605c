import numpy as np
from scipy import stats

from models.policy import choose_by_gumbel

N_DRAWS = 20_000


def draw(logits, n=N_DRAWS, seed=0):
    u = np.random.default_rng(seed).random((n, len(logits)))
    return choose_by_gumbel(np.broadcast_to(np.asarray(logits, dtype=float), u.shape), u)


def test_choices_follow_the_softmax():
    logits = np.array([0.0, 1.5, -1.0, 0.3])
    counts = np.bincount(draw(logits), minlength=4)
    expected = np.exp(logits) / np.exp(logits).sum() * N_DRAWS
    assert stats.chisquare(counts, expected).pvalue > 0.001


def test_what_is_closed_is_never_chosen():
    assert set(draw([0.0, -np.inf, 0.0])) == {0, 2}
    assert set(draw([-np.inf, -50.0, -np.inf])) == {1}


def test_another_option_changes_only_the_choices_that_it_wins():
    u = np.random.default_rng(1).random((N_DRAWS, 3))
    logits = np.zeros((N_DRAWS, 3))
    without = choose_by_gumbel(logits[:, :2], u[:, :2])
    with_third = choose_by_gumbel(logits, u)
    stayed = with_third != 2
    assert (with_third[stayed] == without[stayed]).all()
    assert 0.6 < stayed.mean() < 0.73  # two of three
