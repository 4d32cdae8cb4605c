"""Work that is handed out, lost with those who had it, and found again."""

import os
import signal
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layouts import ConfigError, bundled_store
from models import build_reference_model
from models.hypotheses import Hypothesis
from scenarios.execution import (
    LOT_SHOPPERS,
    MAX_BREAKS,
    Execution,
    ExecutorCrew,
    WorkersLostError,
    divide_into_lots,
    hire,
)
from scenarios.monte_carlo import Job, RunConfig
from scenarios.parts import Parts
from scenarios.runs import run_job
from tests.models.worlds import make_conversion, make_model


@pytest.fixture(scope="module")
def job():
    shop = bundled_store("corner-shop")
    model = build_reference_model(shop, np.random.default_rng(0), n_baskets=200)
    return Job(model, ((shop, RunConfig(n_shoppers=10, n_replications=6, seed=1)),))


class FakeExecutor(Executor):
    """Lives lots at once in this process; those in `deadly` break it, as a killed worker does."""

    def __init__(self, deadly, seen):
        self.deadly, self.seen, self.broken = deadly, seen, False

    def submit(self, work, lot):
        if self.broken:
            raise BrokenProcessPool("a worker died")
        future = Future()
        self.seen.append(lot)
        if self.deadly(lot):
            self.broken = True
            future.set_exception(BrokenProcessPool("a worker died"))
        else:
            future.set_result(work(lot))
        return future


def make_crew(job, deadly):
    seen, kept, stopped = [], [], []
    crew = ExecutorCrew(
        job,
        start=lambda: FakeExecutor(deadly, seen),
        stop=stopped.append,
        work=lambda lot: f"answer to {lot}",
        keep=lambda lot, answer: kept.append((lot, answer)),
        count_hands=lambda: 2,
    )
    return crew, seen, kept, stopped


TASKS = [(0, replication) for replication in range(20)]


def test_every_task_is_lived_and_kept_once(job):
    crew, seen, kept, _ = make_crew(job, lambda lot: False)
    assert sorted(crew.run(TASKS)) == TASKS
    assert [task for lot in seen for task in lot] == TASKS
    assert all(answer == f"answer to {lot}" for lot, answer in kept)


def test_lots_in_lost_hands_are_handed_out_again(job):
    deaths = iter([False, False, True, False, True, *[False] * 100])
    crew, _, kept, stopped = make_crew(job, lambda lot: next(deaths))
    assert sorted(crew.run(TASKS)) == TASKS
    assert sorted(task for lot, _ in kept for task in lot) == TASKS
    assert len(stopped) == 2


def test_a_task_that_always_kills_is_given_up_after_all_others_are_done(job):
    crew, seen, _, _ = make_crew(job, lambda lot: (0, 3) in lot)
    done = []
    with pytest.raises(WorkersLostError, match=r"case 0 replication 3 .*a worker died"):
        done.extend(crew.run(TASKS))  # what came before the error stays in the list
    lot_of_3 = next(lot for lot in seen if (0, 3) in lot)
    assert sorted(done) == [task for task in TASKS if task not in lot_of_3]
    assert MAX_BREAKS <= seen.count(lot_of_3) <= MAX_BREAKS + len(TASKS)


def test_an_error_of_the_work_itself_is_told_and_not_tried_again(job):
    crew, seen, _, _ = make_crew(job, lambda lot: False)
    crew._work = lambda lot: 1 / 0

    class Honest(FakeExecutor):
        def submit(self, work, lot):
            future = Future()
            self.seen.append(lot)
            try:
                future.set_result(work(lot))
            except ZeroDivisionError as error:
                future.set_exception(error)
            return future

    crew._start = lambda: Honest(lambda lot: False, seen)
    with pytest.raises(ZeroDivisionError):
        list(crew.run(TASKS[:1]))
    assert len(seen) == 1


@pytest.mark.parametrize(("n_tasks", "n_hands"), [(1, 1), (7, 2), (1000, 3)])
def test_lots_hold_every_task_once_and_leave_work_for_every_hand(job, n_tasks, n_hands):
    tasks = [(0, replication) for replication in range(n_tasks)]
    lots = divide_into_lots(tasks, job, n_hands)
    assert [task for lot in lots for task in lot] == tasks
    assert len(lots) >= min(n_tasks, n_hands)
    assert max(map(len, lots)) * 10 <= LOT_SHOPPERS


def test_killed_processes_are_replaced_and_nothing_is_lost(job, tmp_path):
    """Really killed, while the second replication of six is under way or done."""
    n_killed = 0
    parts = Parts(job, tmp_path)
    with hire(job, Execution(n_workers=2), tmp_path) as crew:
        for task in crew.run(job.list_tasks(6)):
            assert parts.take_up(task)
            if n_killed == 0:
                for process in crew._executor._processes.values():
                    os.kill(process.pid, signal.SIGKILL)
                n_killed += 1
    assert n_killed == 1
    assert parts.n_finished == 6


def test_a_model_of_many_tensors_goes_to_the_processes(tmp_path):
    """More than there are files that a process can be started with."""
    shop = bundled_store("corner-shop")
    model = make_model(shop)
    several = tuple(Hypothesis(model.needs, make_conversion(shop, seed=seed)) for seed in range(15))
    n_tensors = sum(len(list(hypothesis.conversion.parameters())) for hypothesis in several)
    assert n_tensors > 253
    job = Job(
        replace(model, hypotheses=several), ((shop, RunConfig(n_shoppers=10, n_replications=2, seed=1)),)
    )
    with hire(job, Execution(n_workers=2), tmp_path) as crew:
        assert sorted(crew.run(job.list_tasks(2))) == job.list_tasks(2)


@pytest.mark.parametrize("error", [EOFError("unexpected EOF"), BrokenPipeError(32, "Broken pipe")])
def test_a_worker_that_is_killed_while_it_starts_is_replaced(job, tmp_path, monkeypatch, error):
    failures = iter([error])
    original = ProcessPoolExecutor.submit

    def submit(pool, *arguments):
        if (failure := next(failures, None)) is not None:
            raise failure
        return original(pool, *arguments)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
    with hire(job, Execution(n_workers=2), tmp_path) as crew:
        assert sorted(crew.run(job.list_tasks(3))) == job.list_tasks(3)


def test_executions_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="n_workers must be at least 1, got 0"):
        Execution(n_workers=0)
    with pytest.raises(ConfigError, match="resume: needs the folder `work`"):
        Execution(resume=True)


def test_a_part_is_never_half_there(job, tmp_path):
    """Cut short, emptied or without its figures, it is lived again."""
    complete = run_job(job, 3)
    parts = Parts(job, Path(complete.folder))
    place = complete.folder / "parts" / "0000"
    (place / "000000" / "receipts.parquet").write_bytes(b"PAR1")
    (place / "000001" / "part.json").unlink()
    assert parts.find_finished(job.list_tasks(3)) == {(0, 2)}
    assert [path.name for path in place.iterdir()] == ["000002"]


def test_tables_are_read_back_as_they_were(job):
    parts = run_job(job, 2)
    assert list(parts) == [(0, 0), (0, 1)]
    assert len(parts) == 2
    [fresh] = job.live([(0, 1)])
    read = parts[0, 1]
    for name, value in vars(fresh).items():
        same = getattr(read, name)
        if hasattr(value, "columns"):
            assert list(same.dtypes) == list(value.dtypes)
            assert same.equals(value)
        else:
            assert np.array_equal(same, value) if isinstance(value, np.ndarray) else same == value
    with pytest.raises(KeyError):
        parts[0, 2]


def test_a_temporary_folder_goes_with_its_result(job):
    parts = run_job(job, 1)
    folder = parts.folder
    assert folder.is_dir()
    del parts
    assert not folder.exists()
