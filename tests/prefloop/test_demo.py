"""The demo: its hidden utility by hand, its crowd as noisy as people, its loop from end to end."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app import migrate
from app.db import Database, utc_now
from app.models.accounts import AnnotatorKind
from app.services import agreement, annotator_rows, projects
from app.services.exports import ExportOptions, export_project
from prefloop.demo.run import SLUG, demo_recipe, fill_project, judge, run_demo
from prefloop.demo.world import Ask, World

WORLD = World.load()
RAINY = Ask("Suggest something for a rainy Sunday. It is for two old friends.", "rain")
TENT = "Build a tent from two blankets and read by torchlight."
ROLLS = "Bake cinnamon rolls and let the windows steam up."
PEAS = "Plant sweet peas along a string and watch them climb."


@pytest.mark.parametrize(
    ("text", "utility"),
    [
        (TENT, 1.6),
        (f"Here is an idea. {TENT}", 0.2 + 1.6),
        (f"{TENT} {ROLLS}", 1.6 + 0.8),
        (f"{TENT} {TENT}", 1.6 - 0.8),
        (PEAS, -0.6),
        (f"Fine. {TENT} Anyway.", -0.9 + 1.6 - 0.7),
        ("Blub blub blub.", -0.8),
        (f"{TENT} Bake cinn", 1.6 - 1.0),
        ("", -1.0),
    ],
)
def test_the_utility_of_an_answer_by_hand(text: str, utility: float) -> None:
    assert WORLD.utility(RAINY, text) == pytest.approx(utility)


def test_length_beyond_a_good_answer_costs() -> None:
    long = " ".join([TENT] * 6)

    # 60 words: 15 too many at 0.05 each; the first sentence counts, five repeat it.
    assert WORLD.utility(RAINY, long) == pytest.approx(1.6 - 5 * 0.8 - 15 * 0.05)


def test_every_phrase_is_one_sentence_and_every_draft_is_made_of_them() -> None:
    rng = random.Random(0)
    for ask in WORLD.asks:
        # An unknown or cut sentence would cost; a draft's parts are all known.
        draft = WORLD.draft(ask, rng)
        assert WORLD.utility(ask, draft) == pytest.approx(WORLD.utility(ask, f" {draft} "))
        assert WORLD.knows(draft), draft


def test_the_world_is_the_same_for_the_same_seed() -> None:
    first = [WORLD.draft(ask, random.Random(3)) for ask in WORLD.asks]

    assert first == [WORLD.draft(ask, random.Random(3)) for ask in WORLD.asks]
    assert len({ask.text for ask in WORLD.asks}) == len(WORLD.asks) == 160


def test_two_simulated_annotators_agree_about_as_often_as_people(tmp_path: Path) -> None:
    """Between 70 and 75 % of the time, give or take two standard errors of 200 comparisons."""
    database = Database(f"sqlite:///{tmp_path}/demo.db")
    migrate.upgrade(database)
    fill_project(database, WORLD, 200, 0, seed=0)

    assert judge(database, WORLD, 600, seed=0) == 600

    with database.reading() as session:
        project = projects.by_slug(session, SLUG)
        found = agreement.for_project(session, project)
        people = annotator_rows.for_project(session, project).rows
    assert 0.66 <= found.percent_agreement.value <= 0.79
    assert {person.kind for person in people} == {AnnotatorKind.SIMULATED}
    assert all(person.name.startswith("simulated: ") for person in people)


def test_the_same_seed_gives_the_same_preferences_in_the_same_order(tmp_path: Path) -> None:
    written = []
    for name in ("first", "second"):
        database = Database(f"sqlite:///{tmp_path}/{name}.db")
        migrate.upgrade(database)
        fill_project(database, WORLD, 40, 10, seed=2)
        judge(database, WORLD, 120, seed=2)
        export_project(database, SLUG, tmp_path / name, ExportOptions(), now=utc_now())
        written.append(
            [
                (tmp_path / name / kind / "train.jsonl").read_bytes()
                for kind in ("preferences", "prompts", "demonstrations")
            ]
        )

    assert written[0] == written[1]
    assert all(written[0])


def test_the_whole_loop_runs_in_small(tmp_path: Path) -> None:
    recipe = demo_recipe(seed=5)
    small = replace(
        recipe,
        tiny=replace(recipe.tiny, size="test", vocabulary_size=400),
        sft=replace(recipe.sft, epochs=1),
        rm=replace(recipe.rm, epochs=1),
        ppo=replace(
            recipe.ppo,
            updates=2,
            value_only_updates=1,
            rollout_batch_size=8,
            minibatch_size=8,
            max_new_tokens=16,
            score_samples=8,
            evaluation_completions=8,
        ),
    )
    database = Database(f"sqlite:///{tmp_path}/demo.db")

    result = run_demo(
        database, tmp_path, seed=5, recipe=small, comparisons=160, demonstrations=60
    ).as_dict()

    assert {
        "rm_accuracy", "rm_accuracy_low", "rm_accuracy_high", "human_agreement",
        "true_utility_before", "true_utility_after", "kl_per_completion", "seconds",
    } <= result.keys()  # fmt: skip
    assert result["rm_accuracy_low"] <= result["rm_accuracy"] <= result["rm_accuracy_high"]
    assert {"judge", "export", "sft", "rm", "ppo"} <= result["seconds"].keys()
    for page in ("report.html", "sft/report.html", "rm/report.html", "ppo/report.html"):
        assert (tmp_path / page).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.timeout(1200)
def test_true_utility_rises_clear_of_noise(tmp_path: Path, seed: int) -> None:
    """The demo as users run it: the 95 % intervals before and after PPO do not touch."""
    found = subprocess.run(
        [
            *(sys.executable, "-m", "prefloop", "demo", "--no-serve", "--json"),
            *("--seed", str(seed), "--out", str(tmp_path / "demo")),
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    result = json.loads(found.stdout)
    lowest_after = result["true_utility_after"] - result["true_utility_after_half_width"]
    highest_before = result["true_utility_before"] + result["true_utility_before_half_width"]
    assert lowest_after > highest_before
    assert 0.70 <= result["human_agreement"] <= 0.75
    assert result["rm_accuracy_low"] > 0.5
