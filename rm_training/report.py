"""What a reward model's report shows, as data for `training.report`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from rm_training.data import Pair, Splits
from rm_training.evaluate import Evaluation, calibration, slices
from rm_training.publish import Published
from training.charts import Chart, Note, ReportPart, Table

CHARTS = (
    Chart(
        title="Loss",
        unit="nats per pair",
        series={
            "bradley_terry_loss": "training step",
            "validation_bradley_terry_loss": "held out",
        },
        note="Bradley-Terry; 0.693 is a coin.",
    ),
    Chart(
        title="Accuracy on training steps",
        unit="share of pairs",
        series={"accuracy": "training step"},
    ),
    Chart(
        title="Held-out accuracy",
        unit="share of pairs",
        series={
            "validation_accuracy": "reward model",
            "validation_length_accuracy": "length only",
            "validation_random_accuracy": "chance",
        },
        band=("validation_accuracy_low", "validation_accuracy_high"),
        note="Validation and test rows; the band is the 95 % Wilson interval.",
    ),
    Chart(
        title="Margin",
        unit="score difference",
        series={"margin": "training step", "validation_margin": "held out"},
        note="Mean of chosen minus rejected.",
    ),
    Chart(title="Gradient norm", unit="before clipping", series={"grad_norm": "all weights"}),
)


def report_parts(held_out: Evaluation, data: Splits, centred: Published) -> list[ReportPart]:
    head, pairs = centred.head, data.held_out
    differences = (centred.scores[:, 0] - centred.scores[:, 1]).double().numpy()
    labels = np.array([pair.row.probability for pair in pairs])
    return [
        Note(title="Verdict", text=held_out.verdict),
        Note(title="Data", text=data_sentence(data)),
        Table(
            title="Accuracy against baselines",
            columns=["rule", "held-out accuracy", "95 % interval"],
            rows=[
                ["reward model", held_out.accuracy, str(held_out.clustered or held_out.wilson)],
                [held_out.length_rule, held_out.length_accuracy, ""],
                ["chance", held_out.random_accuracy, ""],
            ],
            n=held_out.n,
            note="Equal scores count as errors; equal lengths count half.",
        ),
        Table(
            title="Calibration",
            columns=["stated confidence", "n", "mean stated", "share right", "95 % interval"],
            rows=calibration(differences, labels),
            n=held_out.n,
            note=f"Mean loss {held_out.nll:.3f} nats with soft labels.",
        ),
        Table(
            title="Where it is right",
            columns=["slice", "n", "accuracy", "95 % interval"],
            rows=slices(differences, pairs),
            n=held_out.n,
        ),
        *(_with_n(chart, held_out.n) for chart in CHARTS),
        Note(
            title="Scores",
            text=(
                f"The mean over {centred.centred_on} completions was {head.mean_before:.4f} and "
                f"was moved to 0; the standard deviation is {head.score_std:.4f}. The head has no "
                "bias, so the shift varies between rows, by a standard deviation of "
                f"{head.offset_std:.4f}."
            ),
        ),
    ]


def _with_n(chart: Chart, n: int) -> Chart:
    """The chart, with the number of held-out pairs where it shows them."""
    if not any(name.startswith("validation_") for name in chart.series):
        return chart
    return replace(chart, note=f"{chart.note} Held out: n = {n} decided pairs.".strip())


def data_sentence(data: Splits) -> str:
    """How many pairs each split has, in words where it has none."""
    counts = (
        f"{len(data.train.pairs)} training pairs",
        f"{len(data.validation.pairs) or 'no'} validation pairs",
        f"{len(data.test.pairs) or 'no'} test pairs",
    )
    return (
        f"{', '.join(counts)}; {data.dropped} pairs longer than max_tokens left out. Held out are "
        "the pairs of validation and test. A label is what the judgments of a pair say together, "
        "so accuracy against it is not to be read as agreement with one annotator."
    )


def sample_rows(
    scores: Tensor, pairs: Sequence[Pair], *, step: int, limit: int = 12
) -> list[dict[str, object]]:
    """Held-out pairs evenly spread from the largest agreement with people to the largest error."""
    signed = scores[:, 0] - scores[:, 1]
    order = signed.argsort(descending=True).tolist()
    limit = min(limit, len(order))
    chosen = [order[len(order) * place // limit] for place in range(limit)]
    return [
        {
            "step": step,
            "prompt": pairs[row].row.prompt,
            "chosen": pairs[row].row.chosen,
            "rejected": pairs[row].row.rejected,
            "probability": pairs[row].row.probability,
            "chosen_score": float(scores[row, 0]),
            "rejected_score": float(scores[row, 1]),
        }
        for row in chosen
    ]
