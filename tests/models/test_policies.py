import pytest

from layouts import ConfigError, ModelError
from models import POLICIES
from models.baselines import BASELINES
from models.policies import check_policy, find_policy_class, load_policy
from models.storage import write_config


def test_every_baseline_can_be_asked_for_and_read_again():
    assert set(POLICIES) == {"layout", "paper", *BASELINES}
    for name, make in BASELINES.items():
        assert isinstance(make(), find_policy_class(name))
        assert make().kind == name


def test_an_unknown_policy_is_told_with_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match="policy 'oracle': unknown; known are layout, paper"):
        check_policy("oracle")
    write_config(tmp_path, {"kind": "oracle"})
    with pytest.raises(ModelError, match="kind 'oracle' is none of layout, paper"):
        load_policy(tmp_path)
