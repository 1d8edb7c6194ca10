"""What holds of rows that are pairs of steps."""

from typing import Any

Row = dict[str, Any]


def behind_its_prefix(row: Row) -> bool:
    """Both sides of a pair continue the same prompt and the same steps, and differ."""
    prefix = row["prefix_ids"]
    shared = row["prompt_ids"][len(row["prompt_ids"]) - len(prefix) :] == prefix
    return shared and row["chosen_ids"] != row["rejected_ids"] and row["chosen_score"] > row["rejected_score"]


def as_strong_as_its_visits(row: Row) -> bool:
    """A pair of a search has a soft label, and steps end where they should."""
    whole = all(text.count("+") <= 1 for text in (row["chosen"], row["rejected"]))
    return behind_its_prefix(row) and whole and 0 <= row["preference"] <= 1


def critical_step_rejected(row: Row) -> bool:
    """The step that lowered the value of a wrong solution is rejected for one with a higher value."""
    lowered = row["scores.correct"] == 0 and row["rejected"] == row["critical"]
    return lowered and behind_its_prefix(row) and row["rejected_score"] == row["scores.critical"]


def goes_on_from_the_chosen(rounds: list[list[Row]]) -> bool:
    """A search is deeper than a step, and behind every pair it goes on from the step that was chosen."""
    rows = rounds[-1]
    chosen = {(row["id"], row["step"]): row["prefix_ids"] + row["chosen_ids"] for row in rows}
    behind = [(row["prefix_ids"], chosen.get((row["id"], row["step"] - 1))) for row in rows if row["step"] > 0]
    return bool(behind) and all(before in (prefix, None) for prefix, before in behind)


def imitates_first(rounds: list[list[Row]]) -> bool:
    """The first round imitates right solutions, each once; the last one has pairs."""
    right = [row for row in rounds[0] if row["scores.correct"] == 1 and "chosen_ids" not in row]
    distinct = {(row["id"], *row["completion_ids"]) for row in right}
    return len(distinct) == len(right) == len(rounds[0]) > 0
