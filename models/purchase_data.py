"""What the fit of purchases needs of journeys: what each shopper would have met without what was bought.

See `conversion_fitting` for the likelihood that it goes into.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layouts import DISPLAY_TYPES, Store
from models.conversion import ConversionModel
from models.encoding import EncodedJourneys, compute_exposures, drop_stops_for, keep_planned_stops
from models.layout_view import LayoutView

LEAST_NOTICE = 1e-4  # of a shelf in a segment of the way; less is none
CLEAR_NOTICE = 0.1  # from here on who looks for an article may be held to have met it


@dataclass(frozen=True, eq=False)
class Exposure:
    """Notices of each zone, each counting the less the more was bought unplanned before, shape (n, n_zones).

    Attributes
    ----------
    notices
        What they come to if each purchase spends `spent` of the appetite.
    n_before
        Mean number of unplanned purchases before a notice, by zone, shape as `notices`.
    """

    notices: Tensor
    n_before: Tensor
    spent: float

    @classmethod
    def of(
        cls,
        zone: NDArray[np.int64],
        dwell_s: NDArray[np.floating],
        view: LayoutView,
        n_before: NDArray[np.int64],
        spent: float,
    ) -> Exposure:
        """On journeys with these stops, `n_before` each of which, and the tills, so much had been bought."""
        left = np.exp(-spent * n_before)
        notices = compute_exposures(zone, dwell_s, view, left)
        mean = compute_exposures(zone, dwell_s, view, left * n_before) / np.maximum(notices, 1e-9)
        return cls(torch.from_numpy(notices), torch.from_numpy(mean), spent)

    def after(self, spent: Tensor) -> Tensor:
        """Notices if each purchase spends another part of the appetite: exact to first order."""
        return self.notices * torch.exp((self.spent - spent) * self.n_before)


@dataclass(frozen=True, eq=False)
class Encounters:
    """Where on the way each bought category would have been met, had there been no stop for it.

    The way is cut into segments: the legs, each followed by the stop at its end; the last one leads to the
    tills. Those in which no zone is noticed that offers what was bought are left out.

    Attributes
    ----------
    purchase, slot, zone, notices
        Of each zone that is noticed in a segment: the purchase, purchase times `n_segments` plus number of
        the segment, the zone, the expected number of notices; in order of the segments.
    n_before
        Unplanned purchases made before, by purchase and segment, shape (n_bought, n_segments), padded.
    """

    purchase: Tensor
    slot: Tensor
    zone: Tensor
    notices: Tensor
    n_before: Tensor

    @classmethod
    def of(
        cls,
        zone: NDArray[np.int64],
        dwell_s: NDArray[np.floating],
        is_offered: NDArray[np.bool_],
        view: LayoutView,
        n_before: NDArray[np.int64],
    ) -> Encounters:
        """On ways with these stops, one row for each purchase.

        `zone` and `dwell_s` are of shape (n_bought, n_stops_max), `is_offered` says in which zones what was
        bought stands, (n_bought, n_zones), `n_before` counts at each stop and the tills, (n_bought,
        n_stops_max + 1).
        """
        entries: list[tuple[NDArray[np.int64], ...]] = []
        notices = []

        def add(rows: NDArray[np.int64], segment: int, noticed: NDArray[np.floating]) -> None:
            at, where = np.nonzero((noticed > LEAST_NOTICE) & is_offered[rows])
            entries.append((rows[at], np.full(len(at), segment), where))
            notices.append(noticed[at, where].astype(np.float32))

        place = np.full(len(zone), view.entrance)
        for nth, (stop, dwell) in enumerate(zip(zone.T, dwell_s.T, strict=True)):
            rows = np.flatnonzero(stop >= 0)
            add(rows, 2 * nth, view.leg_notice[place[rows], stop[rows]])
            add(rows, 2 * nth + 1, view.stop_notice(stop[rows], dwell[rows]))
            place[rows] = stop[rows]
        n_stops = zone.shape[1]
        add(np.arange(len(zone)), 2 * n_stops, view.leg_notice[place, view.nearest_checkout[place]])
        purchase, segment, zones = (np.concatenate(column) for column in zip(*entries, strict=True))
        kept, of_kept = np.unique(purchase * (2 * n_stops + 1) + segment, return_inverse=True)
        row, segment = np.divmod(kept, 2 * n_stops + 1)
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        by_segment = np.zeros((len(zone), int(rank.max(initial=0)) + 1), dtype=np.float32)
        by_segment[row, rank] = n_before[row, segment // 2]
        return cls(
            purchase=torch.from_numpy(purchase),
            slot=torch.from_numpy(purchase * by_segment.shape[1] + rank[of_kept]),
            zone=torch.from_numpy(zones),
            notices=torch.from_numpy(np.concatenate(notices)),
            n_before=torch.from_numpy(by_segment),
        )

    def find_first(self, sku: NDArray[np.int64], store: Store) -> NDArray[np.int64]:
        """Zone in which each purchase's SKU (n_bought,) was first noticed clearly, -1 if nowhere."""
        purchase, slot, zone, notices = (
            column.numpy() for column in (self.purchase, self.slot, self.zone, self.notices)
        )
        clear = np.flatnonzero((notices > CLEAR_NOTICE) & store.stands[zone, sku[purchase]])
        clear = clear[np.lexsort((-notices[clear], slot[clear]))]  # of two in a segment the clearer one
        who, nth = np.unique(purchase[clear], return_index=True)
        first = np.full(len(sku), -1)
        first[who] = zone[clear[nth]]
        return first


@dataclass(frozen=True, eq=False)
class PurchaseData:
    """Tensors of one turn: exposures on the way as it stays, and without the stops for what was bought.

    Attributes
    ----------
    view
        The store.
    attributes, bought, exposure, weights
        By shopper: customer attributes, categories bought, notices of each zone, how often they count.
    row, category, store_category, n_further, encounters
        By bought category: shopper, index in the model and in the store, lines beyond the first, where it
        would have been met without its stops and as if it had spent no appetite.
    placed, zone, sku, passed_over, first
        Of those whose first line was taken where it stands: which they are, the place, the article, whether
        (1 or 0) an earlier stop was made at another place of that article, and the place of it that was met
        first (-1: none, or order is not heeded).
    there, of_placed
        Which encounters were at the place where it was taken, and which of `placed` each belongs to.
    stands, is_display
        Whether a SKU stands in a zone, and a zone is a display; as numbers.
    heeds_order
        Whether it tells something where on the way a purchase was made.
    """

    view: LayoutView
    attributes: Tensor
    bought: Tensor
    exposure: Exposure
    weights: Tensor
    row: Tensor
    category: Tensor
    store_category: NDArray[np.int64]
    n_further: Tensor
    encounters: Encounters
    placed: Tensor
    zone: Tensor
    sku: Tensor
    passed_over: Tensor
    first: Tensor
    there: Tensor
    of_placed: Tensor
    stands: Tensor
    is_display: Tensor
    heeds_order: bool

    @classmethod
    def of(
        cls,
        model: ConversionModel,
        journeys: EncodedJourneys,
        view: LayoutView,
        share: NDArray[np.float64],
        rng: np.random.Generator,
        *,
        weights: NDArray[np.floating] | None = None,
        heeds_order: bool = True,
    ) -> PurchaseData:
        """Collect what a turn needs; what was planned is drawn by `share`."""
        store = view.store
        is_planned = rng.random(share.shape) < share
        stays = keep_planned_stops(journeys, is_planned, store)
        index = np.array([model.categories.index(name) for name in store.categories])
        bought = journeys.bought_categories(store)
        row, category = np.nonzero(bought)
        in_model = np.zeros((journeys.n, len(model.categories)), dtype=np.float32)
        in_model[:, index] = bought
        zone, dwell_s = np.where(stays, journeys.zone, -1), journeys.dwell_s
        without = np.where(stays[row], drop_stops_for(journeys, row, category, store), -1)
        line = _first_lines(journeys, store)
        is_unplanned = ~is_planned[row, category]
        n_before, n_before_own = _count_unplanned_before(journeys, line, row, is_unplanned)
        n_lines = np.zeros((journeys.n, len(store.categories)), dtype=np.float32)
        np.add.at(n_lines, (journeys.pick_row, store.sku_category[journeys.pick_sku]), 1.0)
        pick_zone = journeys.zone[journeys.pick_row[line], journeys.pick_stop[line]]
        pick_sku = journeys.pick_sku[line]
        placed = np.flatnonzero(store.stands[pick_zone, pick_sku])
        is_display = [zone.zone_type in DISPLAY_TYPES for zone in store.zones]
        count = np.ones(journeys.n) if weights is None else weights
        is_offered = np.zeros((len(store.categories), store.n_zones), dtype=bool)
        np.logical_or.at(is_offered, store.sku_category, store.stands.T)
        before = n_before[row] - n_before_own
        encounters = Encounters.of(without, dwell_s[row], is_offered[category], view, before)
        there, of_placed = _find_there(encounters, placed, pick_zone)
        first = encounters.find_first(pick_sku, store)[placed] if heeds_order else np.full(len(placed), -1)
        return cls(
            view=view,
            attributes=model.attributes.one_hot(model.attributes.encode(journeys.attributes)),
            bought=torch.from_numpy(in_model),
            exposure=Exposure.of(zone, dwell_s, view, n_before, model.spent),
            weights=torch.from_numpy(np.asarray(count, dtype=np.float32)),
            row=torch.from_numpy(row),
            category=torch.from_numpy(index[category]),
            store_category=category,
            n_further=torch.from_numpy(n_lines[row, category] - 1.0),
            encounters=encounters,
            placed=torch.from_numpy(placed),
            zone=torch.from_numpy(pick_zone[placed]),
            sku=torch.from_numpy(pick_sku[placed]),
            passed_over=torch.from_numpy(_find_passed_over(journeys, line[placed], store).astype(np.float32)),
            first=torch.from_numpy(first),
            there=torch.from_numpy(there),
            of_placed=torch.from_numpy(of_placed),
            stands=torch.from_numpy(store.stands.astype(np.float32)),
            is_display=torch.tensor(is_display, dtype=torch.float32),
            heeds_order=heeds_order,
        )


def _find_there(
    encounters: Encounters, placed: NDArray[np.int64], pick_zone: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which encounters were at the zone of their own purchase, and where in `placed` that is."""
    nth = np.full(len(pick_zone), -1)
    nth[placed] = np.arange(len(placed))
    purchase, zone = encounters.purchase.numpy(), encounters.zone.numpy()
    there = np.flatnonzero((nth[purchase] >= 0) & (zone == pick_zone[purchase]))
    return there, nth[purchase[there]]


def _first_lines(journeys: EncodedJourneys, store: Store) -> NDArray[np.int64]:
    """Receipt line that came first of each bought category, ordered by shopper and category."""
    category = store.sku_category[journeys.pick_sku]
    order = np.lexsort((journeys.pick_stop, category, journeys.pick_row))
    code = journeys.pick_row[order] * len(store.categories) + category[order]
    first: NDArray[np.int64] = order[np.unique(code, return_index=True)[1]]
    return first


def _count_unplanned_before(
    journeys: EncodedJourneys,
    line: NDArray[np.int64],
    row: NDArray[np.int64],
    is_unplanned: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many categories had been bought unplanned before each stop and the tills.

    `line` is the first line of each bought category, `row` its shopper. Returns the number of each shopper,
    shape (n, n_stops_max + 1), and the part of it that is the category's own, (n_bought, n_stops_max + 1).
    """
    is_after = np.arange(journeys.zone.shape[1] + 1) > journeys.pick_stop[line][:, None]
    own = (is_after & is_unplanned[:, None]).astype(np.int64)
    total = np.zeros((journeys.n, own.shape[1]), dtype=np.int64)
    np.add.at(total, row, own)
    return total, own


def _find_passed_over(journeys: EncodedJourneys, line: NDArray[np.int64], store: Store) -> NDArray[np.bool_]:
    """Whether each receipt line was taken after a stop at another place of its SKU, shape (len(line),)."""
    row, stop, sku = journeys.pick_row[line], journeys.pick_stop[line], journeys.pick_sku[line]
    zone = journeys.zone[row]  # (len(line), n_stops_max)
    is_before = (np.arange(zone.shape[1]) < stop[:, None]) & (zone >= 0)
    is_other = zone != zone[np.arange(len(line)), stop][:, None]
    found: NDArray[np.bool_] = (is_before & is_other & store.stands[zone, sku[:, None]]).any(axis=1)
    return found
