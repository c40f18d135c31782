"""Agreement that published studies report, as they report it. Definitions differ between them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    share: float
    study: str
    measured: str
    source: str

    @property
    def pair(self) -> tuple[float, str]:
        return self.share, self.study


STUDIES = (
    Published(
        0.63,
        "MT-bench, all votes",
        "two people on a question, ties are votes; turn 1, chance 33 %",
        "Zheng et al. 2023, table 5",
    ),
    Published(
        0.63,
        "HH",
        "a researcher and a crowdworker, about 320 static comparisons without ties",
        "Bai et al. 2022, 2.1",
    ),
    Published(
        0.657,
        "AlpacaEval",
        "one of four people and the most frequent verdict of the other three",
        "its README and analyze.py",
    ),
    Published(
        0.72,
        "Summaries, labelers",
        "labelers with each other, comparisons with an indifferent side left out",
        "Stiennon et al. 2020, C.2",
    ),
    Published(
        0.726,
        "InstructGPT, training",
        "training labelers with each other; no formula given, ties not defined",
        "Ouyang et al. 2022, 3.4",
    ),
    Published(
        0.73,
        "Summaries, researchers",
        "researchers with each other, indifferent sides left out",
        "Stiennon et al. 2020, C.2",
    ),
    Published(
        0.77,
        "Summaries, both",
        "labelers with researchers, indifferent sides left out",
        "Stiennon et al. 2020, 3.3",
    ),
    Published(
        0.773,
        "InstructGPT, held-out",
        "held-out labelers with each other; no formula given, ties not defined",
        "Ouyang et al. 2022, 3.4",
    ),
    Published(
        0.81,
        "MT-bench, without ties",
        "two people on a question, votes for a tie left out; turn 1, chance 50 %",
        "Zheng et al. 2023, table 5",
    ),
)
