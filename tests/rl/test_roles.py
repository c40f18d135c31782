import pytest

from rl.roles import load_roles, require_same_tokenizer
from training.distributed import Distributed
from training.errors import RunError
from training.models import load_tokenizer
from training.tiny import make_tiny_model


def test_only_policy_and_value_model_are_trained(roles):
    def trained(model):
        return {parameter.requires_grad for parameter in model.parameters()}

    assert trained(roles.policy) == trained(roles.value_model) == {True}
    assert trained(roles.ref_policy) == trained(roles.reward_model) == {False}
    assert not any(
        model.training for model in (roles.policy, roles.value_model, roles.reward_model)
    )


def test_another_vocabulary_is_refused(policy_folder, tmp_path):
    other = make_tiny_model(["zebra"], tmp_path / "m", size="test", vocabulary_size=263, seed=0)
    with pytest.raises(RunError, match="its vocabulary differs from the policy's"):
        load_roles(str(policy_folder), str(other), Distributed.start(), "fp32")


def test_another_chat_template_is_refused(policy_folder):
    ours, theirs = load_tokenizer(policy_folder), load_tokenizer(policy_folder)
    theirs.chat_template = "{{ messages }}"
    with pytest.raises(RunError, match="rm: its chat template differs"):
        require_same_tokenizer(ours, theirs, "rm")
