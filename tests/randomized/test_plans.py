"""Seeded plans of people who type, undo, lose their line and their rights, while servers die.

At the end everybody connects, and then every replica == the server == the file on disk == the log
replayed from empty; each word that somebody typed who might type is there exactly once unless it
was erased, and nothing is there that anybody typed who might not. Here are two hundred plans and
those that have failed once; `make soak` does thousands, and loses the update log, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.randomized.plan import ENDS, TOGETHER, Plan, make_plan, saved_plans
from tests.randomized.stage import Act, Word, kept, perform


@pytest.mark.apart
@pytest.mark.timeout(400)
@pytest.mark.parametrize("ends", ENDS, ids=" then ".join)
async def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path, ends: tuple[str, str]) -> None:
    first = ENDS.index(ends) * TOGETHER
    plans = [make_plan(seed) for seed in range(first, first + TOGETHER)]
    plans += [plan for plan in saved_plans() if plan.ends == ends]
    outcome = await perform(plans, tmp_path)
    assert not outcome.failures, kept(plans, outcome)


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
    text = f"start\n{text}"
    if right:
        act.check_words(text)
    else:
        with pytest.raises(AssertionError):
            act.check_words(text)
    with pytest.raises(AssertionError):
        act.check_words(text.replace("start", ""))
