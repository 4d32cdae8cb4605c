"""Names for the arrays that signatures speak of."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]

AnyArray = TypeVar("AnyArray", bound=NDArray[Any])


def lock(array: AnyArray) -> AnyArray:
    """Make an array read-only, so that what copies of a store share stays what it is."""
    array.flags.writeable = False
    return array
