"""Ratios on a machine that others use too: a round that was disturbed is measured again."""

from __future__ import annotations

from collections.abc import Callable

ROUNDS = 4


def quietest(measure: Callable[[], float], limit: float) -> float:
    """The ratio of the first round within the limit, else the smallest of all rounds.

    A neighbour on the processor can only make the longer of two measurements longer: what was reached once is
    what the code needs.
    """
    ratios: list[float] = []
    while len(ratios) < ROUNDS:
        ratios.append(measure())
        if ratios[-1] <= limit:
            break
    return min(ratios)
