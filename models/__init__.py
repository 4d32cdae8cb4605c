"""What was learned: who comes and for what, where they go next, and what they buy on the way.

A `ShopperModel` is the whole of it. Its policy decides journeys and nothing else; its needs say what people
come for, wherever it stands; its conversion model says what they buy beyond that, by what they noticed.
Models know neither agents nor time.
"""

from models.baselines import BASELINES
from models.conversion import ConversionModel
from models.encoding import MAX_STOPS, EncodedJourneys, compute_exposures, encode_journeys
from models.gpt2_pointer import GPT2Pointer, PointerConfig
from models.layout_policy import LayoutPolicy
from models.layout_view import LayoutView, view_layout
from models.needs import BasketBank, Baskets, Needs
from models.policies import POLICIES
from models.policy import LEAVE, DecisionDraws, Decisions, Policy, ShopperStates
from models.policy_fitting import PRESETS, check_preset
from models.reference import ReferenceBehaviour, build_reference_model, draw_behaviour
from models.shopper_model import Conversion, Pace, ShopperModel, load_model
from models.storage import MODEL_PARTS
from models.training import fit_model, train_model

__all__ = [
    "BASELINES",
    "LEAVE",
    "MAX_STOPS",
    "MODEL_PARTS",
    "POLICIES",
    "PRESETS",
    "BasketBank",
    "Baskets",
    "Conversion",
    "ConversionModel",
    "DecisionDraws",
    "Decisions",
    "EncodedJourneys",
    "GPT2Pointer",
    "LayoutPolicy",
    "LayoutView",
    "Needs",
    "Pace",
    "PointerConfig",
    "Policy",
    "ReferenceBehaviour",
    "ShopperModel",
    "ShopperStates",
    "build_reference_model",
    "check_preset",
    "compute_exposures",
    "draw_behaviour",
    "encode_journeys",
    "fit_model",
    "load_model",
    "train_model",
    "view_layout",
]
