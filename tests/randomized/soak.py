"""Thousands of plans: ``python -m tests.randomized.soak --seeds 1000``.

Plans that fail are kept in ``test-results/plans``; put into ``tests/randomized/saved`` they are
carried out first.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.randomized.plan import ENDS, LOSSES, TOGETHER, Plan, make_plan, saved_plans
from tests.randomized.stage import kept, perform


def batches(options: argparse.Namespace) -> Iterator[list[Plan]]:
    """Plans that can be carried out together: those that have failed once, then new ones."""
    saved = saved_plans()
    for kind in dict.fromkeys(plan.ends for plan in saved):
        yield [plan for plan in saved if plan.ends == kind]
    ends = LOSSES if options.lose_log else ENDS
    for first in range(options.first, options.first + options.seeds, TOGETHER):
        start = first - first % TOGETHER
        yield [make_plan(seed, ends) for seed in range(start, start + TOGETHER)]


def main() -> int:
    """Carry out plans until all are done; returns the number of those that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many plans")
    parser.add_argument("--first", type=int, default=1000, help="the first seed")
    parser.add_argument("--lose-log", action="store_true", help="lose the update log, too")
    options = parser.parse_args()
    failed = 0
    for plans in batches(options):
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="codepad-soak-") as home:
            outcome = asyncio.run(perform(plans, Path(home)))
        failed += len(outcome.failures)
        took = time.monotonic() - started
        print(
            f"seeds {plans[0].seed}-{plans[-1].seed}: {took:.0f} s, "
            f"{len(outcome.failures)} failed, in {outcome.conflicts} somebody had to choose",
            flush=True,
        )
        if outcome.failures:
            print(kept(plans, outcome), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 100))
