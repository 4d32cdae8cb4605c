"""What was learned: who comes and for what, where they go next, and what they buy on the way.

A `ShopperModel` is the whole of it. Its policy decides journeys and nothing else; its needs say what people
come for, wherever it stands; its conversion model says what they buy beyond that, by what they noticed.
Models know neither agents nor time.
"""

from models.baselines import BASELINES
from models.category_priors import Match, match_categories
from models.conversion import ConversionModel
from models.encoding import MAX_STOPS, EncodedJourneys, compute_exposures, encode_journeys
from models.finetuning import finetune_model, take_sessions
from models.gpt2_pointer import GPT2Pointer, PointerConfig
from models.habits import Habits
from models.layout_policy import LayoutPolicy
from models.layout_view import LayoutView, view_layout
from models.needs import BasketBank, Baskets, Needs
from models.network_finetuning import FinetuningConfig
from models.policies import POLICIES
from models.policy import LEAVE, DecisionDraws, Decisions, Memory, Party, Policy, SharedPolicy, ShopperStates
from models.policy_fitting import PRESETS, check_preset
from models.policy_training import TrainingStore
from models.pretraining import COMMON_LEVELS, PretrainingConfig, pretrain_policy
from models.reference import HOURLY_SHARE, ReferenceBehaviour, build_reference_model, draw_behaviour
from models.shopper_model import Conversion, Pace, ShopperModel, load_model
from models.standing import StandingPlaces
from models.storage import MODEL_PARTS
from models.towns import TownPolicy, draw_town
from models.training import MIN_JOURNEYS, fit_model
from models.velocity_needs import BlendedNeeds, VelocityNeeds, expect_wanted

__all__ = [
    "BASELINES",
    "COMMON_LEVELS",
    "HOURLY_SHARE",
    "LEAVE",
    "MAX_STOPS",
    "MIN_JOURNEYS",
    "MODEL_PARTS",
    "POLICIES",
    "PRESETS",
    "BasketBank",
    "Baskets",
    "BlendedNeeds",
    "Conversion",
    "ConversionModel",
    "DecisionDraws",
    "Decisions",
    "EncodedJourneys",
    "FinetuningConfig",
    "GPT2Pointer",
    "Habits",
    "LayoutPolicy",
    "LayoutView",
    "Match",
    "Memory",
    "Needs",
    "Pace",
    "Party",
    "PointerConfig",
    "Policy",
    "PretrainingConfig",
    "ReferenceBehaviour",
    "SharedPolicy",
    "ShopperModel",
    "ShopperStates",
    "StandingPlaces",
    "TownPolicy",
    "TrainingStore",
    "VelocityNeeds",
    "build_reference_model",
    "check_preset",
    "compute_exposures",
    "draw_behaviour",
    "draw_town",
    "encode_journeys",
    "expect_wanted",
    "finetune_model",
    "fit_model",
    "load_model",
    "match_categories",
    "pretrain_policy",
    "take_sessions",
    "view_layout",
]
