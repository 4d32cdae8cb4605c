"""The model is a Mesa model as Mesa's users know them, and safe from what Mesa 3.3 gets wrong."""

import subprocess
import sys

import mesa
import numpy as np
import pytest

from layouts import Store
from simulator import Luck, Shopper, SimulationConfig, StoreModel, build_tables
from tests.simulator.scripted import build_scripted_model


def run_until_somebody_is_inside(model: StoreModel, n: int = 1) -> StoreModel:
    while len(model.agents) < n:
        model.step()
    return model


# as people know it


def test_agents_are_a_set_that_can_be_grouped_and_aggregated(tiny_store: Store) -> None:
    model = run_until_somebody_is_inside(build_scripted_model(tiny_store, within_s=60.0), 12)
    assert model.agent_types == [Shopper]
    assert sum(model.agents.groupby("activity").count().values()) == model.n_inside == 12
    speeds = model.population.speed_mps[[shopper.unique_id for shopper in model.agents]]
    assert model.agents.agg("speed_mps", np.mean) == pytest.approx(speeds.mean())


def test_figures_are_a_data_frame_per_interval(tiny_store: Store) -> None:
    model = build_scripted_model(tiny_store, 20)
    model.run_model()
    figures = model.datacollector.get_model_vars_dataframe()
    assert list(figures) == ["time_s", "n_inside", "queue_lengths", "n_served", "revenue"]
    assert figures["revenue"].iloc[-1] == pytest.approx(build_tables(model).sessions["revenue"].sum())


def test_the_space_shows_everybody_on_the_floor_where_they_are(tiny_store: Store) -> None:
    model = run_until_somebody_is_inside(build_scripted_model(tiny_store, within_s=60.0), 5)
    space = model.space
    assert isinstance(space, mesa.space.ContinuousSpace)  # what Mesa's viewers know how to draw
    assert (space.x_min, space.y_min, space.x_max, space.y_max) == tiny_store.floor.bounds
    assert list(space.agents) == list(model.agents)
    for shopper in space.agents:
        assert shopper.pos == pytest.approx(tuple(shopper.position_at(model.time_s)))
        x, y = shopper.pos
        assert space.x_min <= x <= space.x_max
        assert space.y_min <= y <= space.y_max


@pytest.mark.filterwarnings("ignore::UserWarning")  # Mesa's own use of solara
def test_mesas_renderer_draws_the_floor(tiny_store: Store) -> None:
    pytest.importorskip("solara", reason="Mesa's viewers need solara, which nothing else here does")
    from mesa.visualization import SpaceRenderer
    from mesa.visualization.components import AgentPortrayalStyle

    model = run_until_somebody_is_inside(build_scripted_model(tiny_store, within_s=60.0), 5)
    renderer = SpaceRenderer(model, backend="matplotlib")
    renderer.draw_agents(lambda shopper: AgentPortrayalStyle(color="black"))
    drawn = np.concatenate([dots.get_offsets() for dots in renderer.canvas.collections])
    assert np.allclose(sorted(drawn.tolist()), sorted(shopper.pos for shopper in model.agents))


def test_shoppers_cannot_be_placed(tiny_store: Store) -> None:
    model = run_until_somebody_is_inside(build_scripted_model(tiny_store, within_s=60.0))
    shopper = next(iter(model.agents))
    with pytest.raises(NotImplementedError, match="shoppers walk"):
        model.space.move_agent(shopper, (1.0, 1.0))
    with pytest.raises(AttributeError, match="shoppers walk"):
        shopper.pos = (1.0, 1.0)


# seeds


@pytest.mark.parametrize("given", [5, np.int64(5), "5"])
def test_a_seed_may_be_any_integer(tiny_store: Store, given: int | str) -> None:
    model = StoreModel(tiny_store, seed=given)
    assert model.luck == Luck(5)
    assert model.random.random() == StoreModel(tiny_store, rng=5).random.random()


def test_a_generator_gives_the_same_luck_in_the_same_state(tiny_store: Store) -> None:
    lucks = [StoreModel(tiny_store, rng=np.random.default_rng(seed)).luck for seed in (1, 1, 2)]
    assert lucks[0] == lucks[1] != lucks[2]
    by_sequence = [StoreModel(tiny_store, rng=np.random.SeedSequence(seed)).luck for seed in (1, 1, 2)]
    assert by_sequence[0] == by_sequence[1] != by_sequence[2]


def test_batch_run_repeats_no_seed_if_the_seeds_are_listed(tiny_store: Store) -> None:
    rows = mesa.batch_run(
        StoreModel,
        {"store": [tiny_store], "seed": [1, 2, 3], "config": [SimulationConfig(collect_every_s=1)]},
        max_steps=4_000,
        data_collection_period=3_600,
        display_progress=False,
    )
    last = {row["seed"]: row["revenue"] for row in rows}  # rows come in order of time
    assert len(set(last.values())) == 3


# what Mesa gets wrong


@pytest.mark.parametrize("method", ["fork", "forkserver", None])
def test_importing_leaves_the_start_method_of_processes_alone(method: str | None) -> None:
    script = (
        "import multiprocessing\n"
        f"if {method!r}: multiprocessing.set_start_method({method!r})\n"
        "import simulator\n"
        "print(multiprocessing.get_start_method(allow_none=True))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(method)


def test_activating_agents_by_hand_changes_nothing(tiny_store: Store) -> None:
    ours, theirs = (build_scripted_model(tiny_store, 30, within_s=200.0) for _ in range(2))
    while ours.running:
        ours.step()
        ours.agents.shuffle_do("step")
    theirs.run()
    assert np.array_equal(ours.exit_s, theirs.exit_s)


def test_those_who_are_gone_do_nothing_any_more(tiny_store: Store) -> None:
    model = run_until_somebody_is_inside(build_scripted_model(tiny_store, within_s=60.0), 5)
    held = list(model.agents)
    model.run()
    exit_s = model.exit_s.copy()
    assert [shopper.act(exit_s.max() + 100.0) for shopper in held] == [None] * 5
    assert np.array_equal(model.exit_s, exit_s)
    assert len(model.agents) == 0
