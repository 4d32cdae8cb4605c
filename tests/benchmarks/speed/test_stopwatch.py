import pytest

from benchmarks.speed.stopwatch import Stopwatch


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_phase_inside_another_takes_its_time_away_from_it():
    clock = Clock()
    watch = Stopwatch(clock=clock)
    with watch.phase("planning"):
        clock.now += 1
        with watch.phase("deciding"):
            clock.now += 10
        clock.now += 2
    clock.now += 100  # nobody's
    with watch.phase("deciding"):
        clock.now += 5
    assert watch.seconds == {"planning": 3.0, "deciding": 15.0}


def test_calls_are_timed_while_the_block_runs_and_the_method_is_put_back():
    clock = Clock()

    class Policy:
        def decide(self, seconds: float) -> float:
            clock.now += seconds
            return seconds

    watch, original = Stopwatch(clock=clock), Policy.decide
    with watch.timing(Policy, "decide", "deciding"):
        assert Policy().decide(4.0) == 4.0
    Policy().decide(7.0)
    assert watch.seconds == {"deciding": 4.0}
    assert Policy.decide is original


def test_an_error_inside_a_phase_still_ends_it():
    clock = Clock()

    class Policy:
        def decide(self) -> None:
            clock.now += 3
            raise ValueError("halt")

    watch = Stopwatch(clock=clock)
    with watch.timing(Policy, "decide", "deciding"), pytest.raises(ValueError, match="halt"):
        Policy().decide()
    clock.now += 50
    with watch.phase("tables"):
        clock.now += 1
    assert watch.seconds == {"deciding": 3.0, "tables": 1.0}
