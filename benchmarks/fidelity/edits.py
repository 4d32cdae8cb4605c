"""Changes of a store, from one swap to another floor plan, each tagged with its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.fidelity import floor_edits as floor
from benchmarks.fidelity import goods_edits as goods
from benchmarks.fidelity.null_edits import relabel
from layouts import Store

KINDS = ("small", "goods", "displays", "structure", "null")


@dataclass(frozen=True, eq=False)
class Edit:
    """A change of a store.

    Attributes
    ----------
    name, kind
        What is changed, and one of `KINDS`: a few goods, many goods, what displays show, the geometry,
        nothing.
    store
        The store after it.
    """

    name: str
    kind: str
    store: Store


def draw_edits(store: Store, rng: np.random.Generator) -> list[Edit]:
    """Draw the edits of a store; those that it has no room for are left out.

    Returns
    -------
    edits
        Valid stores with another content than `store`, the null edit last.
    """
    makers: list[tuple[str, str, Callable[[Store, np.random.Generator], Store | None]]] = [
        ("one-swap", "small", lambda s, r: goods.swap_random(s, r, 1)),
        ("six-swaps", "goods", lambda s, r: goods.swap_random(s, r, 6)),
        ("forty-swaps", "goods", lambda s, r: goods.swap_random(s, r, 40)),
        ("staples-front", "goods", lambda s, r: goods.move_staples(s, to_back=False)),
        ("staples-back", "goods", lambda s, r: goods.move_staples(s, to_back=True)),
        ("other-goods-on-one-display", "small", goods.show_on_one_display),
        ("other-displays", "displays", goods.fill_displays),
        ("no-displays", "displays", goods.empty_displays),
        ("no-till-racks", "small", goods.empty_racks),
        ("table-at-the-door", "structure", floor.add_table_at_door),
        ("table-in-the-middle", "structure", floor.add_table_anywhere),
        ("closed-aisle", "structure", floor.close_aisle),
        ("reversed-aisles", "structure", goods.reverse_aisles),
        ("moved-door", "structure", floor.move_door),
        ("moved-tills", "structure", floor.move_tills),
    ]
    edits = []
    for name, kind, make in makers:
        edited = make(store, rng)
        if edited is not None and edited.content_hash != store.content_hash:
            edits.append(Edit(name, kind, replace(edited, name=f"{store.name}--{name}")))
    return [*edits, Edit("relabelled", "null", relabel(store, rng))]
