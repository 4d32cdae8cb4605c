import os
import signal
import threading

import pytest

from scenarios.processes import get_context, holding_interrupts


@pytest.fixture(autouse=True)
def heeds_ctrl_c():
    """Background jobs of a shell are started with Ctrl-C ignored; these tests need Python's own way."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("way", ["to this thread", "to the process, which has another thread"])
def test_ctrl_c_waits_for_the_end_of_the_block(way):
    reached, free = [], threading.Event()
    other = threading.Thread(target=free.wait)
    if way != "to this thread":
        other.start()  # it has no mask, so the system may choose it

    def interrupt_inside():
        with holding_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            reached.extend(range(1000))

    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt_inside()
    finally:
        free.set()
    assert len(reached) == 1000
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_nothing_is_raised_without_ctrl_c():
    with holding_interrupts():
        pass


def test_workers_come_from_a_server_that_has_imported_what_they_need():
    context = get_context()
    assert context.get_start_method() == "forkserver"
    before = dict(os.environ)
    with context.Pool(1) as pool:
        assert pool.apply(is_torch_there)
    assert dict(os.environ) == before


def is_torch_there():
    import sys

    return "torch" in sys.modules and "scenarios.pool" in sys.modules
