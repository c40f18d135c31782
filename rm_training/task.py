"""One training step and one evaluation of a reward model, for the shared loop."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rm_training import evaluate as evaluation
from rm_training.config import RewardModelConfig
from rm_training.data import Pair, Splits, grouped
from rm_training.losses import bradley_terry_loss, centring_penalty
from rm_training.model import RewardModel
from training.batching import microbatches
from training.distributed import Distributed
from training.errors import RunError
from training.text import PaddedBatch, pad_sequences


class RewardTask:
    """What the loop optimises: see `training.loop.Task`.

    Its rows are groups: a pair, or all pairs of a ranking, which stay in one step (arXiv
    2203.02155, 3.5).
    """

    def __init__(
        self,
        model: RewardModel,
        data: Splits,
        tokenizer: PreTrainedTokenizerBase,
        config: RewardModelConfig,
        dist: Distributed,
    ) -> None:
        self.model, self.data, self.config, self.dist = model, data, config, dist
        self.pad_id: int = tokenizer.pad_token_id
        self.pairs = data.train.pairs
        self.groups = grouped(self.pairs)
        self.lengths = [max(pair.length for pair in group) for group in self.groups]
        self.mean_weight = sum(pair.row.weight for pair in self.pairs) / len(self.groups)
        if self.mean_weight == 0:
            raise RunError("Every training row has weight 0. Export the bundle again with weights.")
        self.prefer_longer = evaluation.longer_is_preferred(self.pairs)

    def normaliser(self, rows: Sequence[int]) -> float:
        return float(len(rows))

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        groups = [self.groups[row] for row in rows]
        pairs = [pair for group in groups for pair in group]
        chosen, rejected = self._score(pairs)
        weights, labels = (
            torch.tensor([getattr(p.row, name) for p in pairs], device=chosen.device)
            for name in ("weight", "probability")
        )
        shares = torch.tensor([1 / len(g) for g in groups for _ in g], device=chosen.device)
        # Relative to the mean of groups: rows of a ranking, each 1/C(K,2), then average to the mean
        # over rankings (eq. 1), in proportion to the centring penalty.
        losses = bradley_terry_loss(chosen, rejected, weights / self.mean_weight, labels)
        total = losses + self.config.centring * shares * centring_penalty(chosen, rejected)
        # A hard decision needs the right sign: equal scores are an error, as in evaluation.
        right = (chosen - rejected) * (labels - 0.5) > 0
        metrics = {
            "bradley_terry_loss": losses.sum(),
            "accuracy": (shares * right).sum(),
            "margin": (shares * (chosen - rejected)).sum(),
            "score_mean": (shares * (chosen + rejected)).sum() / 2,
        }
        return total.sum(), metrics

    def _score(self, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Scores of chosen and rejected. A sequence of several pairs is read once: K of a ranking
        of K, not K (K - 1)."""
        sequences = [p.chosen_ids for p in pairs] + [p.rejected_ids for p in pairs]
        different = dict.fromkeys(map(tuple, sequences))
        places = {ids: place for place, ids in enumerate(different)}
        batch = self._pad([list(ids) for ids in different])
        scores = self.model.score(batch.input_ids, batch.attention_mask, batch.position_ids)
        chosen, rejected = scores[[places[tuple(ids)] for ids in sequences]].chunk(2)
        return chosen, rejected

    def validate(self) -> dict[str, float]:
        pairs = self.data.held_out
        if not pairs or all(pair.row.probability == 0.5 for pair in pairs):
            return {}
        result = self.evaluate(self.scores(pairs), pairs)
        return {
            "accuracy": result.accuracy,
            "accuracy_low": result.wilson.low,
            "accuracy_high": result.wilson.high,
            "length_accuracy": result.length_accuracy,
            "random_accuracy": result.random_accuracy,
            "bradley_terry_loss": result.nll,
            "margin": result.margin,
        }

    def evaluate(self, scores: Tensor, pairs: Sequence[Pair]) -> evaluation.Evaluation:
        return evaluation.evaluate(
            scores.double().numpy(),
            pairs,
            prefer_longer=self.prefer_longer,
            seed=self.config.seed,
        )

    def scores(self, pairs: Sequence[Pair]) -> Tensor:
        """(N, 2) scores of chosen and rejected, on every process."""
        return self.read([ids for p in pairs for ids in (p.chosen_ids, p.rejected_ids)])[0].view(
            -1, 2
        )

    @torch.no_grad()
    def read(self, sequences: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        """Scores (N,) and the hidden states (N, D) they are read from, in fp32 on the CPU."""
        self.model.eval()
        order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]))
        scores = torch.zeros(len(sequences))
        hidden = torch.zeros(len(sequences), self.model.head.in_features)
        for part in microbatches(
            order,
            2 * self.config.microbatch_size,
            rank=self.dist.rank,
            world_size=self.dist.world_size,
        ):
            batch = self._pad([sequences[row] for row in part.rows])
            found = self.model(batch.input_ids, batch.attention_mask, batch.position_ids)
            if part.counts:
                scores[part.rows], hidden[part.rows] = found[0].cpu(), found[1].cpu()
        return self.dist.all_reduce_sum(scores), self.dist.all_reduce_sum(hidden)

    def _pad(self, sequences: Sequence[list[int]]) -> PaddedBatch:
        return pad_sequences(sequences, self.pad_id).to(self.dist.device)
