"""A plan: what people, their lines, the server and its files do, step by step.

A plan holds everything that is left to chance, so that one which fails can be kept as JSON and
carried out again. What it cannot hold is the order in which packets arrive.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

TOGETHER = 67
"""So many plans with neighbouring seeds are carried out on one server at once."""

FIRST_SAVED = 1_000_000
"""The seed of the first plan that was saved."""

ENDS = (("kill", "restart"), ("kill", "kill"), ("restart", "kill"))
"""What ends the parts of a plan: the server is killed, or stopped and started again."""

LOSSES = (("forget", "kill"), ("restart", "forget"))
"""The same, where the update log is lost once, too."""

LAST_PLACE = 0.9999
STEPS_A_PART = 14
STEPS_DOWN = 4
LAST_WORDS = 3
ENDINGS = ("", "", "é", "漢字", "😀")
"""A character has another length in UTF-8 than in UTF-16, or in both than in letters."""

WEIGHTS = {
    "type": 34,
    "erase": 8,
    "erase_others": 4,
    "undo": 7,
    "redo": 4,
    "leave": 6,
    "cut": 6,
    "come": 14,
    "bounce": 4,
    "wait": 5,
    "outside": 4,
    "role": 3,
}
CELL_WEIGHTS = {"add_cell": 5, "drop_cell": 1}
DOWN_WEIGHTS = {"type": 10, "erase": 3, "undo": 1, "outside": 2}


@dataclass(frozen=True)
class Actor:
    """Somebody in a plan: ``engine`` is ``pycrdt`` or ``yjs``, ``road`` ``page`` or ``lab``."""

    engine: str
    road: str
    role: str


@dataclass(frozen=True)
class Step:
    """``place`` (from 0 to 1) says which line, cell or word; ``word`` is what is typed."""

    do: str
    who: int
    word: str
    place: float


@dataclass(frozen=True)
class Part:
    """Steps with the server up; what is typed at the moment it ends; and what while it is down."""

    steps: list[Step]
    last_words: list[Step]
    end: str
    down: list[Step]


@dataclass(frozen=True)
class Plan:
    """``kind``: ``text`` or ``notebook``."""

    seed: int
    kind: str
    actors: list[Actor]
    parts: list[Part]

    @property
    def ends(self) -> tuple[str, ...]:
        """What ends its parts but for the last, which nothing ends."""
        return tuple(part.end for part in self.parts[:-1])

    def as_json(self) -> str:
        """For a file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, path: Path) -> Plan:
        """A plan that was kept."""
        stored = json.loads(path.read_text())
        parts = [
            Part(
                end=part["end"],
                **{
                    name: [Step(**step) for step in part[name]]
                    for name in ("steps", "last_words", "down")
                },
            )
            for part in stored["parts"]
        ]
        actors = [Actor(**actor) for actor in stored["actors"]]
        return cls(stored["seed"], stored["kind"], actors, parts)


def saved_plans() -> list[Plan]:
    """Those that have failed once, under seeds of their own."""
    files = sorted((Path(__file__).parent / "saved").glob("*.json"))
    return [
        replace(Plan.load(file), seed=FIRST_SAVED + number) for number, file in enumerate(files)
    ]


def make_plan(seed: int, ends: Sequence[Sequence[str]] = ENDS) -> Plan:
    """The plan of a seed; ``ends``: the ways in which its parts may end."""
    rng = random.Random(seed)
    kind = "notebook" if seed % 3 == 2 else "text"
    engines = (["pycrdt"], ["yjs"], ["pycrdt", "yjs"])[seed // 3 % 3]
    actors = [Actor(rng.choice(engines), "page", "member") for _ in range(rng.choice((2, 3, 3)))]
    if rng.random() < 0.4:
        actors.append(Actor(rng.choice(engines), "page", "observer"))
    if rng.random() < 0.4:
        actors.append(Actor("pycrdt", "lab", "host"))
    weights = {**WEIGHTS, **(CELL_WEIGHTS if kind == "notebook" else {})}
    parts = []
    for number, end in enumerate((*ends[seed // TOGETHER % len(ends)], "")):
        steps = _steps(rng, len(actors), weights, f"{number}a", STEPS_A_PART)
        last = _steps(rng, len(actors), {"type": 1}, f"{number}b", LAST_WORDS)
        down_weights = {k: v for k, v in DOWN_WEIGHTS.items() if end != "forget" or k != "outside"}
        down = _steps(rng, len(actors), down_weights, f"{number}c", STEPS_DOWN)
        parts.append(Part(steps, last if end else [], end, down if end else []))
    return Plan(seed, kind, actors, parts)


def _steps(
    rng: random.Random, actors: int, weights: dict[str, int], prefix: str, count: int
) -> list[Step]:
    steps = []
    for number in range(count):
        who = rng.randrange(actors)
        do = rng.choices(list(weights), list(weights.values()))[0]
        ending = "" if do == "add_cell" else rng.choice(ENDINGS)
        word = f"w{who}x{prefix}{number}{ending}"
        steps.append(Step(do, who, word, min(round(rng.random(), 4), LAST_PLACE)))
    return steps
