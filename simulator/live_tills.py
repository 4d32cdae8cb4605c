"""Tills whose queues change while people stand in them: some give up, tills open and close."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from layouts import CheckoutType
from simulator.checkout import ServiceNoise, TillChoice, Turn, draw_factors, draw_service_factors
from simulator.luck import FloatArray, Purpose

if TYPE_CHECKING:
    from simulator.live_shopper import LiveShopper
    from simulator.live_store import LiveStore
    from simulator.store_model import StoreModel

TILLS = -1  # processes have negative numbers in the event queue: at equal times they act before shoppers


class LiveTills:
    """The tills of a store while people can give up and tills open and close.

    Where nobody gives up and all tills are open, everybody is served when :class:`Checkouts` serves them.

    Parameters
    ----------
    model
        The store.
    live
        Where shoppers are woken.

    Attributes
    ----------
    queues
        Who is at each till, the one being served first.
    is_open
        Whether each till takes more people.
    openings
        Every opening and closing, in order: time [s], till, whether it opened.
    """

    def __init__(self, model: StoreModel, live: LiveStore) -> None:
        self.model, self._live = model, live
        config, checkouts = model.config, model.store.checkouts
        self._is_self = [checkout.checkout_type is CheckoutType.SELF for checkout in checkouts]
        staffed = [till for till, is_self in enumerate(self._is_self) if not is_self]
        self._rule, self._self_service, patience = config.till_opening, config.self_service, config.patience
        n_open = len(staffed) if self._rule is None else self._rule.min_open
        self._staffed = staffed
        self.queues: list[list[LiveShopper]] = [[] for _ in checkouts]
        self.is_open = [is_self or till in staffed[:n_open] for till, is_self in enumerate(self._is_self)]
        self.openings: list[tuple[float, int, bool]] = []
        self._called: list[tuple[float, int]] = []  # when a till that was called for will open
        n, luck = model.population.n, model.luck
        self._service_factor: list[float] = draw_service_factors(config.checkout, n, luck).tolist()
        self._queue_limit, self._patience_s = [math.inf] * n, [math.inf] * n
        if patience is not None and patience.queue_limit is not None:
            limit = draw_factors(
                ServiceNoise.LOGNORMAL, patience.queue_limit_cv, n, luck, Purpose.QUEUE_LIMIT
            )
            self._queue_limit = (patience.queue_limit * limit).tolist()
        if patience is not None and patience.wait_s is not None:
            wait = draw_factors(patience.wait_noise, patience.wait_cv, n, luck, Purpose.PATIENCE)
            self._patience_s = (patience.wait_s * wait).tolist()

    @property
    def n_open(self) -> int:
        """Number of tills that take people now, self-checkouts included."""
        return sum(self.is_open)

    def queue_lengths(self) -> list[int]:
        """People at each till, the one being served included."""
        return [len(queue) for queue in self.queues]

    def choose(self, t_s: float, distance_m: FloatArray, n_items: int) -> int:
        """Choose a till for a basket of `n_items` units; `distance_m` (n_tills,) breaks ties."""
        tills = [till for till, is_open in enumerate(self.is_open) if is_open and self._takes(till, n_items)]
        tills = tills or [till for till, is_open in enumerate(self.is_open) if is_open]
        if self.model.config.checkout.choice is TillChoice.FIRST_FREE:
            load = {till: self._free_s(till, t_s) for till in tills}
        else:
            load = {till: float(len(self.queues[till])) for till in tills}
        return min(tills, key=lambda till: (load[till], distance_m[till], till))

    def is_acceptable(self, till: int, shopper: int) -> bool:
        """Whether the queue at a till is short enough for a shopper to join."""
        return len(self.queues[till]) < self._queue_limit[shopper]

    def join(self, shopper: LiveShopper, till: int, t_s: float, *, ready_s: float) -> float:
        """Let a shopper join a queue at `t_s`, to be there, if nobody is ahead, at `ready_s`.

        Returns
        -------
        next_s
            When they will have been served, or until when they are ready to wait [s].
        """
        service_s = self._expected_service_s(till, shopper.n_items) * self._service_factor[shopper.unique_id]
        queue = self.queues[till]
        queue.append(shopper)
        shopper.turn = Turn(till, (), ready_s, math.inf)
        shopper.ready_s, shopper.service_s = ready_s, service_s
        self._review(t_s)
        if len(queue) == 1:
            return self._start(shopper, ready_s)
        return t_s + self._patience_s[shopper.unique_id]

    def leave(self, shopper: LiveShopper, t_s: float) -> None:
        """Let a shopper go who has been served or gives up; those behind them move up."""
        assert shopper.turn is not None
        queue = self.queues[shopper.turn.till]
        place = queue.index(shopper)
        queue.pop(place)
        if place == 0 and queue:
            self._live.wake(queue[0].unique_id, self._start(queue[0], max(queue[0].ready_s, t_s)))
        for n_ahead in range(place, len(queue)):
            queue[n_ahead].move_up(t_s, n_ahead)
        self._review(t_s)

    def act(self, t_s: float) -> float:
        """Open the tills that are due; return when the next one is."""
        while self._called and self._called[0][0] <= t_s:
            _, till = self._called.pop(0)
            self.is_open[till] = True
            self.openings.append((t_s, till, True))
        return self._called[0][0] if self._called else math.inf

    def _takes(self, till: int, n_items: int) -> bool:
        rule = self._self_service
        return not self._is_self[till] or rule is None or rule.max_items is None or n_items <= rule.max_items

    def _expected_service_s(self, till: int, n_items: int) -> float:
        rule = self._self_service
        if rule is not None and self._is_self[till]:
            return rule.base_service_s + rule.item_service_s * n_items
        checkout = self.model.config.checkout
        return checkout.base_service_s + checkout.item_service_s * n_items

    def _free_s(self, till: int, t_s: float) -> float:
        """When a till will have served everybody who is there now, if nobody gives up."""
        free_s = t_s
        for place, shopper in enumerate(self.queues[till]):
            assert shopper.turn is not None
            free_s = shopper.turn.end_s if place == 0 else max(shopper.ready_s, free_s) + shopper.service_s
        return free_s

    def _start(self, shopper: LiveShopper, start_s: float) -> float:
        """Begin a service; return when it ends."""
        assert shopper.turn is not None
        end_s = start_s + shopper.service_s
        shopper.turn = Turn(shopper.turn.till, (), start_s, end_s)
        self.model.record_turn(shopper.unique_id, shopper.turn, shopper.ready_s)
        return end_s

    def _review(self, t_s: float) -> None:
        """Call for another till, or close one, if the rule says so."""
        rule = self._rule
        if rule is None:
            return
        is_open, called = self.is_open, {till for _, till in self._called}
        tills = [till for till in self._staffed if is_open[till]]
        n_people = sum(len(self.queues[till]) for till in tills)
        idle = [till for till in self._staffed if not is_open[till] and till not in called]
        if idle and n_people > rule.open_above * (len(tills) + len(called)):
            self._called.append((t_s + rule.delay_s, idle[0]))
            self._live.wake(TILLS, self._called[0][0])
        elif len(tills) > rule.min_open and not called and n_people < rule.close_below * len(tills):
            till = min(tills[rule.min_open :], key=lambda till: (len(self.queues[till]), -till))
            is_open[till] = False
            self.openings.append((t_s, till, False))
