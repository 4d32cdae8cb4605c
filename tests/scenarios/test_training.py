from dataclasses import replace

import numpy as np
import pytest

from layouts import ObservationError, bundled_store
from models import PRESETS, load_model
from scenarios import rehearsal
from scenarios.observe import observe_reference_shopper
from scenarios.training import write_trained
from tests.models.worlds import plan


@pytest.fixture(scope="module")
def shop():
    return bundled_store("corner-shop")


@pytest.fixture(scope="module")
def observations(shop):
    return observe_reference_shopper(shop, n_shoppers=100, seed=3)


@pytest.fixture(scope="module", autouse=True)
def short_training():
    short = replace(PRESETS["tiny"], policy=replace(PRESETS["tiny"].policy, max_epochs=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "tiny", short)
        patch.setattr(rehearsal, "N_SHOPPERS", 500)
        yield


def test_too_few_journeys_are_refused_and_nothing_is_written(shop, observations, tmp_path):
    few = observations.tracks["session_id"].unique()[:20]
    part = replace(observations, tracks=observations.tracks[observations.tracks["session_id"].isin(few)])
    with pytest.raises(ObservationError, match="at least 30 are needed"):
        write_trained(shop, part, tmp_path / "model", preset="tiny")
    assert list(tmp_path.iterdir()) == []


def test_training_writes_a_folder_with_its_card(shop, observations, tmp_path):
    model = write_trained(shop, observations, tmp_path / "model", preset="tiny", seed=4)
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"# {shop.name}-tiny" in card
    assert shop.content_hash[:16] in card
    assert "seed 4" in card
    assert "2 epochs" in card
    loaded = load_model(tmp_path / "model")
    before, after = plan(model, shop, 60), plan(loaded, shop, 60)
    assert np.array_equal(before.stop_zone, after.stop_zone)
    assert np.array_equal(before.pick_sku, after.pick_sku)
