"""Mesa, without what importing it does to the rest of the process.

``import mesa`` sets the start method of :mod:`multiprocessing` to "spawn" for everybody. Whoever imports the
simulator keeps the method that they had chosen, or none if they had not chosen yet.
"""

import multiprocessing

_method = multiprocessing.get_start_method(allow_none=True)

import mesa  # noqa: E402
from mesa.space import ContinuousSpace  # noqa: E402

multiprocessing.set_start_method(_method, force=True)

__all__ = ["ContinuousSpace", "mesa"]
