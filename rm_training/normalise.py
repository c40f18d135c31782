"""Moving the mean of the scores to 0 although the score head has no bias.

The head is moved along one direction v of hidden space on which every validation row has nearly the
same projection: the minimum-variance direction with mean projection 1. Subtracting mean * v then
acts as a constant, and the saved model stays a plain Hugging Face one. `N` rows, `D` hidden size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 1e-3
"""Added to the covariance, relative to its mean diagonal: with N < D its inverse does not exist."""


@dataclass(frozen=True)
class CentredHead:
    weight: Tensor
    """(D,) float32."""
    mean_before: float
    score_std: float
    offset_std: float
    """Standard deviation of what was subtracted from each row; 0 would be an exact constant."""


def constant_direction(hidden: Tensor) -> Tensor:
    """(D,) float64 v with mean(hidden @ v) = 1 and the smallest variance of hidden @ v.

    The solution of min v'Sv with mu'v = 1 is S^-1 mu / (mu' S^-1 mu).
    """
    rows = hidden.double()
    mean = rows.mean(dim=0)
    covariance = (rows - mean).T @ (rows - mean) / len(rows)
    ridge = RIDGE * covariance.diagonal().mean() + torch.finfo(torch.float64).tiny
    eye = torch.eye(len(mean), dtype=torch.float64, device=rows.device)
    solved = torch.linalg.solve(covariance + ridge * eye, mean)
    direction: Tensor = solved / (mean @ solved)
    return direction


def centre_head(weight: Tensor, hidden: Tensor) -> CentredHead:
    """The head (D,) whose scores hidden @ weight have mean 0 over the rows (N, D)."""
    rows = hidden.double()
    scores = rows @ weight.double()
    shift = scores.mean() * constant_direction(hidden)
    return CentredHead(
        weight=(weight.double() - shift).float(),
        mean_before=float(scores.mean()),
        score_std=float(scores.std(correction=0)),
        offset_std=float((rows @ shift).std(correction=0)),
    )
