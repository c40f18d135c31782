"""The reward model: a transformer with one bias-free score head on the last real token.

Saved and loaded as a plain AutoModelForSequenceClassification with one label. `B` rows, `S` tokens,
`D` hidden size. Adapters and ensembles are left out here.
"""

import json
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.errors import RunError
from training.models import (
    deterministic_config,
    fit_vocabulary,
    load_reporting,
    quiet_transformers,
    resolve_model,
)
from training.text import pad_sequences

FINGERPRINT_FILE = "fingerprint.json"
FINGERPRINT_TOLERANCE = 1e-3


class RewardModel(nn.Module):
    """Wraps the Hugging Face model, so that scores never depend on which ids mean padding."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scores (B,) and the hidden states (B, D) of the last real tokens they are read from."""
        hidden = self.model.base_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=False,
        ).last_hidden_state
        pooled = hidden[torch.arange(hidden.shape[0]), last_real_token(attention_mask)].float()
        # The head stays in fp32: differences of scores are small beside the scores themselves.
        with torch.autocast(pooled.device.type, enabled=False):
            return pooled @ self.head.weight[0], pooled

    def score(self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor) -> Tensor:
        """Scores (B,). The last real token of each row should be EOS."""
        scores: Tensor = self(input_ids, attention_mask, position_ids)[0]
        return scores

    @property
    def head(self) -> nn.Linear:
        head = self.model.score
        assert isinstance(head, nn.Linear)
        return head


def last_real_token(attention_mask: Tensor) -> Tensor:
    """Column of the last 1 of each row (B,), for padding on either side."""
    columns = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    return (columns * attention_mask).argmax(dim=1)


def start_reward_model(
    model: str | Path, tokenizer: PreTrainedTokenizerBase, *, seed: int
) -> RewardModel:
    """A reward model on the body of a causal model, with a new seeded N(0, 1/(D+1)) head."""
    loaded, missing = _load(model)
    # Tied or not, the causal head is dropped; the only new weight may be the score head.
    if missing - {"score.weight"}:
        raise RunError(
            f"{resolve_model(model)}: weights missing for {sorted(missing)[0]}. Start the reward "
            "model from a complete causal model, such as an SFT run."
        )
    reward_model = RewardModel(fit_vocabulary(loaded, tokenizer))
    weight = reward_model.head.weight
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        weight.normal_(0.0, 1 / math.sqrt(weight.shape[1] + 1), generator=generator)
    return reward_model


def load_reward_model(model: str | Path) -> RewardModel:
    """A trained reward model in eval mode, checked to score as it did when it was saved."""
    source = resolve_model(model)
    loaded, missing = _load(model)
    if missing:
        raise RunError(
            f"{source}: has no trained weights for {sorted(missing)[0]}, so its scores would be "
            "random. Give a run of `prefloop train rm`."
        )
    reward_model = RewardModel(loaded).eval()
    _check_fingerprint(reward_model, Path(source) / FINGERPRINT_FILE)
    return reward_model


def make_fingerprint(reward_model: RewardModel, rows: list[list[int]]) -> dict[str, object]:
    """Token ids and their scores, to be stored beside the weights."""
    return {"input_ids": rows, "scores": _scores(reward_model, rows).tolist()}


def _load(model: str | Path) -> tuple[PreTrainedModel, set[str]]:
    quiet_transformers()
    source = resolve_model(model)
    try:
        config = deterministic_config(source)
        config.num_labels = 1
        loaded, info = load_reporting(AutoModelForSequenceClassification, source, config)
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise RunError(f"{source}: no reward model loads from it ({reason}).") from error
    head: object = getattr(loaded, "score", None)
    if not isinstance(head, nn.Linear) or len(list(head.parameters())) > 1 or head.out_features > 1:
        raise RunError(
            f"{source}: {type(loaded).__name__} has no bias-free score head with one output. "
            "Start from a decoder-only model such as Llama or Qwen."
        )
    return loaded, set(info["missing_keys"]) | {key[0] for key in info["mismatched_keys"]}


def _check_fingerprint(reward_model: RewardModel, path: Path) -> None:
    if not path.is_file():
        return
    stored = json.loads(path.read_text(encoding="utf-8"))
    expected = torch.tensor(stored["scores"])
    found = _scores(reward_model, stored["input_ids"])
    worst = float((found - expected).abs().max())
    if not worst <= FINGERPRINT_TOLERANCE * max(1.0, float(expected.abs().max())):
        raise RunError(
            f"{path.parent}: its scores differ by {worst:.3g} from those stored when it was saved. "
            "Weights or software changed: train it again or restore the folder."
        )


@torch.no_grad()
def _scores(reward_model: RewardModel, rows: list[list[int]]) -> Tensor:
    device = reward_model.head.weight.device
    # Any id may fill the padding: the mask, not the id, says what is real.
    batch = pad_sequences(rows, 0).to(device)
    scores = reward_model.score(batch.input_ids, batch.attention_mask, batch.position_ids)
    return scores.cpu()
