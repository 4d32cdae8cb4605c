import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from layouts import ModelError
from models import load_model
from models.storage import CONFIG_FILE, WEIGHTS_FILE
from simulator import Luck, draw_population
from tests.models.worlds import make_model, plan

FIELDS = (
    "stop_shopper",
    "stop_zone",
    "stop_cell",
    "stop_dwell_s",
    "pick_stop",
    "pick_sku",
    "pick_qty",
    "pick_planned",
    "missed",
)


@pytest.fixture(scope="module")
def saved(corner_shop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "small"
    model = make_model(corner_shop)
    model.save_pretrained(folder)
    return model, folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to damage."""
    shutil.copytree(saved[1], tmp_path / "copy")
    return tmp_path / "copy"


def test_saved_and_loaded_shoppers_do_the_same(saved, corner_shop):
    model, folder = saved
    loaded = load_model(folder)
    before, after = plan(model, corner_shop, 100), plan(loaded, corner_shop, 100)
    for name in FIELDS:
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert before.n_picks > 100
    people, _ = draw_population(model, corner_shop, 50, Luck(3))
    same, _ = draw_population(loaded, corner_shop, 50, Luck(3))
    assert np.array_equal(people.arrival_s, same.arrival_s)
    assert np.array_equal(people.speed_mps, same.speed_mps)
    for name in ("name", "pace", "hourly_share", "shoppers_per_day", "knowledge"):
        assert getattr(model, name) == getattr(loaded, name)


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    model, folder = saved
    model.save_pretrained(tmp_path / "again")
    load_model(folder).save_pretrained(tmp_path / "once-more")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 7
    for other in ("again", "once-more"):
        for path in files:
            assert (folder / path).read_bytes() == (tmp_path / other / path).read_bytes(), path


def test_nothing_that_runs_code_is_written(saved):
    assert {path.suffix for path in saved[1].rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_loading_leaves_torchs_own_luck_alone(saved):
    before = torch.get_rng_state()
    load_model(saved[1])
    assert torch.equal(torch.get_rng_state(), before)


def edit_config(path, **changes):
    config = json.loads(path.read_text())
    for key, value in changes.items():
        if value is None:
            del config[key]
        else:
            config[key] = value
    path.write_text(json.dumps(config))


DAMAGES = {
    "no folder": lambda folder: shutil.rmtree(folder),
    "empty folder": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
    "no policy": lambda folder: shutil.rmtree(folder / "policy"),
    "no weights": lambda folder: (folder / "conversion" / WEIGHTS_FILE).unlink(),
    "half the weights": lambda folder: (folder / "policy" / WEIGHTS_FILE).write_bytes(
        (folder / "policy" / WEIGHTS_FILE).read_bytes()[:1000]
    ),
    "weights of another part": lambda folder: shutil.copy(
        folder / "needs" / WEIGHTS_FILE, folder / "policy" / WEIGHTS_FILE
    ),
    "policy of another size": lambda folder: edit_config(
        folder / "policy" / CONFIG_FILE, network={"n_levels": 6, "n_embd": 32}
    ),
    "policy of an impossible size": lambda folder: edit_config(
        folder / "policy" / CONFIG_FILE, network={"n_levels": 6, "n_embd": 15, "n_head": 2}
    ),
    "policy of unknown options": lambda folder: edit_config(
        folder / "policy" / CONFIG_FILE, network={"n_levels": 6, "n_experts": 8}
    ),
    "attributes as a list": lambda folder: edit_config(
        folder / "policy" / CONFIG_FILE, attributes=["mission"]
    ),
    "habits without a place": lambda folder: edit_config(
        folder / "policy" / CONFIG_FILE, habits={"places": [], "leaving": 0.0}
    ),
    "habits of no number": lambda folder: edit_config(
        folder / "policy" / CONFIG_FILE,
        habits={"places": [{"xy": [0.0, 0.0], "sku_ids": [], "weight": math.nan}], "leaving": 0.0},
    ),
    "no texts": lambda folder: edit_config(folder / "needs" / CONFIG_FILE, texts={}),
    "too few texts": lambda folder: edit_config(
        folder / "needs" / CONFIG_FILE,
        texts={"sku_id": ["A"], "attribute.mission": ["quick"], "attribute.gender": ["male"]},
    ),
    "not JSON": lambda folder: (folder / CONFIG_FILE).write_text("{"),
    "another model's config": lambda folder: (folder / CONFIG_FILE).write_text('{"model_type": "gpt2"}'),
    "a later format": lambda folder: edit_config(folder / CONFIG_FILE, format=99),
    "no pace": lambda folder: edit_config(folder / CONFIG_FILE, pace=None),
    "unknown pace": lambda folder: edit_config(folder / CONFIG_FILE, pace={"stride_m": 0.7}),
    "text for a number": lambda folder: edit_config(folder / CONFIG_FILE, shoppers_per_day="many"),
    "number for a list": lambda folder: edit_config(folder / CONFIG_FILE, hourly_share=3),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_and_foreign_folders_give_one_line(damage, folder):
    DAMAGES[damage](folder)
    with pytest.raises(ModelError) as error:
        load_model(folder)
    assert "\n" not in str(error.value)
    assert folder.name in str(error.value)


def test_a_part_that_was_not_learned_cannot_be_saved(saved, tmp_path):
    model, _ = saved

    class Scripted:
        pass

    with pytest.raises(ModelError, match="policy: a Scripted cannot be saved"):
        replace(model, policy=Scripted()).save_pretrained(tmp_path / "out")
