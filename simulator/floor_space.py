"""The floor as a space of Mesa's, for Mesa's own viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.framework import ContinuousSpace

if TYPE_CHECKING:
    from simulator.store_model import StoreModel


class FloorSpace(ContinuousSpace):
    """The store's floor in metres with everybody inside, as Mesa's viewers draw it.

    A view, no storage: who is inside is asked of the model, where they are of the shoppers (``agent.pos``),
    so nothing is kept up to date while nobody looks.

    Parameters
    ----------
    model
        The store.
    """

    def __init__(self, model: StoreModel) -> None:
        x_min, y_min, x_max, y_max = model.store.floor.bounds
        super().__init__(x_max, y_max, torus=False, x_min=x_min, y_min=y_min)
        self._model = model

    @property
    def agents(self) -> Any:
        """Everybody inside, an ``AgentSet``."""
        return self._model.agents

    def place_agent(self, agent: Any, pos: Any) -> None:
        """Refuse: shoppers come in by the doors and go where they walk."""
        raise NotImplementedError("shoppers walk; give them itineraries instead of placing them")

    move_agent = place_agent
    remove_agent = place_agent
