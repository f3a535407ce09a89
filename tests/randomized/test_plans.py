"""Seeded plans of people who type, undo, lose their line and their rights, while servers die.

At the end everybody connects, and then every replica == the server == the file on disk == the log
replayed from empty; each word that somebody typed who might type is there exactly once unless it
was erased, and nothing is there that anybody typed who might not. `make soak` does thousands.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.randomized.plan import TOGETHER, Plan, make_plan
from tests.randomized.stage import Act, Word, kept, perform

SEEDS = 3 * TOGETHER
SAVED = sorted((Path(__file__).parent / "saved").glob("*.json"))


def ends(plan: Plan) -> tuple[str, ...]:
    """How the parts of a plan end."""
    return tuple(part.end for part in plan.parts if part.end)


def saved_plans() -> list[Plan]:
    """Plans that have failed once."""
    return [replace(Plan.load(path), seed=-number) for number, path in enumerate(SAVED, start=1)]


@pytest.mark.apart
@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
async def test_plans(first: int, tmp_path: Path) -> None:
    plans = [make_plan(seed) for seed in range(first, first + TOGETHER)]
    known = [replace(plan, seed=0) for plan in plans]
    for plan in saved_plans():
        if ends(plan) == ends(plans[0]) and replace(plan, seed=0) not in known:
            plans.append(plan)
    outcome = await perform(plans, tmp_path)
    assert not outcome.failures, kept(plans, outcome)


def test_plans_that_have_failed_once_are_carried_out_again() -> None:
    assert SAVED
    carried_out = {ends(make_plan(first)) for first in range(0, SEEDS, TOGETHER)}
    assert {ends(plan) for plan in saved_plans()} <= carried_out


def test_a_plan_is_the_same_for_the_same_seed_and_after_it_was_kept(tmp_path: Path) -> None:
    plan = make_plan(7)
    assert plan == make_plan(7) != make_plan(8)
    path = tmp_path / "plan.json"
    path.write_text(plan.as_json())
    assert Plan.load(path) == plan


@pytest.mark.parametrize(
    ("word", "text", "right"),
    [
        (Word(0), "a", True),
        (Word(0), "", False),
        (Word(0), "a\na", False),
        (Word(0, present=False), "", True),
        (Word(0, present=False), "a", False),
        (Word(0, foreign=True), "a", False),
        (Word(0, foreign=True, reborn=True), "a", True),
        (Word(0, present=False, refused=True), "a", False),
        (Word(0, doubtful=True), "a\na", False),
        (Word(0), "a\nstrange", False),
    ],
)
def test_what_is_lost_doubled_or_brought_back_is_seen(
    word: Word, text: str, *, right: bool
) -> None:
    act = Act(make_plan(0), None, None)  # type: ignore[arg-type]
    act.words["a"] = word
    if right:
        act.check_words(text)
    else:
        with pytest.raises(AssertionError):
            act.check_words(text)
