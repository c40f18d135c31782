import pytest
import torch

from rm_training.normalise import centre_head, constant_direction


def hidden_states(rows: int = 200, size: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, size, generator=generator) + torch.arange(size)


def test_every_row_projects_to_one_on_average() -> None:
    hidden = hidden_states()

    assert float((hidden.double() @ constant_direction(hidden)).mean()) == pytest.approx(1.0)


def test_no_other_direction_of_mean_one_varies_less() -> None:
    hidden = hidden_states().double()
    mean = hidden.mean(0)
    best = float((hidden @ constant_direction(hidden)).var())
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        other = constant_direction(hidden) + 0.1 * torch.randn(
            6, generator=generator, dtype=torch.float64
        )
        assert float((hidden @ (other / (mean @ other))).var()) > best * 0.999


def test_a_constant_feature_makes_the_shift_an_exact_constant() -> None:
    hidden = hidden_states()
    hidden[:, 0] = 2.0
    weight = torch.tensor([0.0, 1.0, -0.5, 0.3, 0.2, 0.1])

    head = centre_head(weight, hidden)

    assert head.offset_std < 1e-2 * head.score_std
    assert float((hidden @ head.weight).mean()) == pytest.approx(0.0, abs=1e-5)


def test_the_mean_is_zero_even_with_fewer_rows_than_dimensions() -> None:
    hidden = hidden_states(rows=5, size=6)[:4]

    head = centre_head(torch.ones(6), hidden)

    assert head.mean_before == pytest.approx(float(hidden.sum(1).mean()), rel=1e-6)
    assert float((hidden @ head.weight).mean()) == pytest.approx(0.0, abs=1e-5)
