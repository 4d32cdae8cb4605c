"""What is known before a store has told anything: effects estimated from published receipts of other stores.

`displays.json` holds them; `models.category_priors` reads it. The other modules are how it was made:
`python -m scenarios.category_priors` runs them.
"""

from models.priors.display_effects import (
    CategoryEffect,
    DisplayPanel,
    KindEffects,
    build_display_panel,
    fit_categories,
    fit_kinds,
)
from models.priors.fixed_effects import PoissonFit, fit_poisson_with_levels
from models.priors.shrinkage import ShrunkEstimates, shrink_estimates

__all__ = [
    "CategoryEffect",
    "DisplayPanel",
    "KindEffects",
    "PoissonFit",
    "ShrunkEstimates",
    "build_display_panel",
    "fit_categories",
    "fit_kinds",
    "fit_poisson_with_levels",
    "shrink_estimates",
]
