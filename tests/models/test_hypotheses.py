import json
from dataclasses import replace

import numpy as np
import pytest

from layouts import ModelError
from models import load_model
from models.conversion_fitting import draw_priors, estimate_planned_share, fit_conversion, publish_priors
from models.hypotheses import Hypothesis, draw_hypotheses
from tests.models.worlds import encode_itineraries, make_conversion, make_model, plan

MISSION = {"mission": np.full(200, "quick", dtype=object), "gender": np.full(200, "male", dtype=object)}


@pytest.fixture(scope="module")
def drawn(corner_shop):
    """A model with three hypotheses fitted to its own journeys."""
    model = make_model(corner_shop)
    journeys = encode_itineraries(plan(model, corner_shop, 200), MISSION)
    start = fit_conversion(
        make_conversion(corner_shop), journeys, corner_shop, rng=np.random.default_rng(1), n_turns=1
    )
    share = estimate_planned_share(start, journeys, corner_shop, rng=np.random.default_rng(2), n_turns=1)

    def draw(seed):
        return draw_hypotheses(
            start,
            share,
            journeys,
            corner_shop,
            priors=publish_priors(start),
            make_needs=lambda of_basket: model.needs.replan(
                np.full(len(model.needs.row), of_basket[of_basket > 0].mean())
            ),
            rng=np.random.default_rng(seed),
            n=3,
        )

    return model, draw


def test_hypotheses_differ_and_follow_the_seed(drawn):
    _, draw = drawn
    first, again, other = draw(5), draw(5), draw(6)
    levels = [float(h.conversion.hazard_level.detach()) for h in first]
    assert len(set(levels)) == 3
    assert levels == [float(h.conversion.hazard_level.detach()) for h in again]
    assert levels != [float(h.conversion.hazard_level.detach()) for h in other]


def test_priors_are_moved_by_their_spread(corner_shop):
    """Means of 300 draws within four standard errors of the prior's."""
    priors = publish_priors(make_conversion(corner_shop))
    rng = np.random.default_rng(0)
    moved = np.array([float(draw_priors(priors, rng)["hazard_level"].mean) for _ in range(300)])
    prior = priors["hazard_level"]
    assert moved.std() == pytest.approx(float(prior.sd), rel=0.2)
    assert moved.mean() == pytest.approx(float(prior.mean), abs=4 * float(prior.sd) / np.sqrt(300))


def test_replications_take_hypotheses_in_turn(drawn, corner_shop):
    model, draw = drawn
    full = replace(model, hypotheses=draw(5))
    assert [full.for_replication(r).conversion for r in range(4)] == [
        full.hypotheses[k].conversion for k in (0, 1, 2, 0)
    ]
    assert full.for_replication(1).needs is full.hypotheses[1].needs
    assert not full.for_replication(1).hypotheses
    assert model.for_replication(3) is model


def test_saved_and_loaded_they_are_the_same(drawn, tmp_path):
    model, draw = drawn
    full = replace(model, hypotheses=draw(5))
    full.save_pretrained(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert len(loaded.hypotheses) == 3
    for before, after in zip(full.hypotheses, loaded.hypotheses, strict=True):
        assert isinstance(after, Hypothesis)
        assert after.needs.line_shares == pytest.approx(before.needs.line_shares, abs=1e-6)
        assert after.conversion.habituation == before.conversion.habituation


def test_hypotheses_of_other_baskets_are_refused(drawn, tmp_path):
    model, draw = drawn
    folder = tmp_path / "model"
    replace(model, hypotheses=draw(5)).save_pretrained(folder)
    shorter = model.needs.replan(model.needs.line_shares[:-1])
    short = replace(
        shorter, row=model.needs.row[:-1], sku_id=model.needs.sku_id[:-1], qty=model.needs.qty[:-1]
    )
    short.save_pretrained(folder / "needs")
    with pytest.raises(ModelError, match="hypothesis 0 does not fit the baskets"):
        load_model(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_hypotheses": "three"}))
    with pytest.raises(ModelError, match="n_hypotheses"):
        load_model(folder)
