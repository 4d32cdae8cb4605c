import numpy as np
import pytest
from scipy import stats

from layouts import ModelError, ZoneType
from models import LEAVE, DecisionDraws, ReferenceBehaviour, ShopperStates, build_reference_model, view_layout
from models.reference import MISSIONS, draw_behaviour, draw_lists

N_LISTS = 6000


@pytest.fixture(scope="module")
def lists(corner_shop):
    return draw_lists(corner_shop, ReferenceBehaviour(), np.random.default_rng(0), N_LISTS)


def test_missions_come_in_their_shares(lists):
    counts = [(lists.attributes["mission"] == mission).sum() for mission in MISSIONS]
    expected = np.array(ReferenceBehaviour().mission_share) * N_LISTS
    assert stats.chisquare(counts, expected).pvalue > 0.001


def test_lists_name_each_category_once_and_grow_with_the_mission(lists, corner_shop):
    category = corner_shop.sku_category[[corner_shop.sku_index[sku] for sku in lists.sku_id]]
    pairs = lists.row * 1000 + category
    assert len(np.unique(pairs)) == len(pairs)
    n_lines = np.bincount(lists.row, minlength=N_LISTS)
    assert n_lines.min() >= 1
    assert n_lines.max() <= len(corner_shop.categories)
    quick, fill_in, major = (n_lines[lists.attributes["mission"] == mission].mean() for mission in MISSIONS)
    assert quick == pytest.approx(1.6, abs=0.15)
    assert fill_in == pytest.approx(4.0, abs=0.25)
    assert major > 1.6 * fill_in  # 9 categories, but the shop has only 13
    assert (lists.planned_share == 1).all()


def test_skus_of_a_category_are_needed_by_their_velocity(lists, corner_shop):
    category = corner_shop.categories.index(corner_shop.skus[0].category)
    skus = np.flatnonzero(corner_shop.sku_category == category)
    velocity = np.array([corner_shop.skus[i].velocity + 0.1 for i in skus])
    drawn = np.array([corner_shop.sku_index[sku] for sku in lists.sku_id])
    counts = np.array([(drawn == i).sum() for i in skus])
    assert stats.chisquare(counts, velocity / velocity.sum() * counts.sum()).pvalue > 0.001


def test_the_same_rng_builds_the_same_town(corner_shop):
    def build(seed):
        return build_reference_model(corner_shop, np.random.default_rng(seed), n_baskets=50)

    a, b, c = build(1), build(1), build(2)
    assert a.policy.behaviour == b.policy.behaviour
    assert a.conversion.category_effect == b.conversion.category_effect
    assert a.needs.sku_id.tolist() == b.needs.sku_id.tolist()
    assert a.policy.behaviour != c.policy.behaviour


def test_behaviours_differ_within_reason():
    drawn = [draw_behaviour(np.random.default_rng(seed)) for seed in range(40)]
    for behaviour in drawn:
        assert sum(behaviour.mission_share) == pytest.approx(1.0)
        assert min(behaviour.mission_share) > 0
        assert behaviour.list_mean[0] < behaviour.list_mean[1] < behaviour.list_mean[2]
    assert np.std([behaviour.display_effect for behaviour in drawn]) > 0.1


def states_at_door(view, wanted):
    n = len(wanted)
    return ShopperStates(
        attributes=np.zeros((n, 1), dtype=int),
        place=np.full(n, view.entrance),
        n_wanted_here=wanted,
        n_wanted=wanted.sum(axis=1),
        n_visits=np.zeros(wanted.shape, dtype=int),
        last_dwell_s=np.zeros(n),
        n_stops=0,
    )


def decide(corner_shop, wanted, behaviour=None, seed=0):
    model = build_reference_model(
        corner_shop, np.random.default_rng(0), behaviour=behaviour or ReferenceBehaviour()
    )
    view, rng = view_layout(corner_shop), np.random.default_rng(seed)
    n = len(wanted)
    draws = DecisionDraws(next_zone=rng.random((n, view.n_zones + 1)), dwell=rng.random((n, view.n_zones)))
    return model.policy.decide(states_at_door(view, wanted), view, draws)


def test_nobody_leaves_with_a_list_and_most_leave_without(corner_shop):
    wanted = np.zeros((2000, corner_shop.n_zones), dtype=int)
    wanted[:1000, 5] = wanted[:1000, 14] = 1
    decisions = decide(corner_shop, wanted)
    assert (decisions.zone[:1000] != LEAVE).all()
    assert np.isin(decisions.zone[:1000], [5, 14]).mean() > 0.9  # few look at something else first
    assert (decisions.zone[1000:] == LEAVE).mean() > 0.7
    assert ((decisions.dwell_s >= 3) & (decisions.dwell_s <= 240)).all()


def test_the_nearer_need_comes_first_as_the_logit_says(corner_shop):
    wanted = np.zeros((8000, corner_shop.n_zones), dtype=int)
    wanted[:, 5] = wanted[:, 14] = 1
    behaviour = ReferenceBehaviour(browse_utility=-50.0, distance_weight=0.3)
    zone = decide(corner_shop, wanted, behaviour).zone
    distance = view_layout(corner_shop).distance_m[view_layout(corner_shop).entrance]
    expected = 1 / (1 + np.exp(-0.3 * (distance[14] - distance[5])))
    assert expected > 0.6
    assert (zone == 5).mean() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 8000))


def test_displays_sell_more_by_their_effect(corner_shop):
    view = view_layout(corner_shop)

    def hazard(effect):
        behaviour = ReferenceBehaviour(display_effect=effect)
        model = build_reference_model(corner_shop, np.random.default_rng(0), behaviour=behaviour)
        return model.conversion.compute_hazard(view).sum(axis=1)

    kinds = (ZoneType.ENDCAP, ZoneType.PROMO, ZoneType.CHECKOUT)
    on_display = np.array([zone.zone_type in kinds for zone in corner_shop.zones])
    stocked = corner_shop.stands.any(axis=1)
    plain, doubled = hazard(1.0), hazard(2.0)
    assert doubled[on_display & stocked] == pytest.approx(2 * plain[on_display & stocked])
    assert doubled[~on_display] == pytest.approx(plain[~on_display])


def test_sku_shares_and_units_are_distributions(corner_shop):
    view = view_layout(corner_shop)
    conversion = build_reference_model(corner_shop, np.random.default_rng(0)).conversion
    share = conversion.compute_sku_share(view)
    total = np.zeros((corner_shop.n_zones, len(corner_shop.categories)))
    np.add.at(total.T, corner_shop.sku_category, share.T)
    assert total[total > 0] == pytest.approx(1.0)
    assert np.array_equal(share > 0, corner_shop.stands)
    assert conversion.compute_units(view).sum(axis=1) == pytest.approx(1.0)


def test_it_is_a_program_and_cannot_be_saved(corner_shop, tmp_path):
    model = build_reference_model(corner_shop, np.random.default_rng(0), n_baskets=10)
    with pytest.raises(ModelError, match="ReferencePolicy cannot be saved"):
        model.save_pretrained(tmp_path / "model")
