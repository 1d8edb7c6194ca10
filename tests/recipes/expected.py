"""What makes each system itself: a table of expectations, and how they are read from a store."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lit_iterative.rounds.layout import BOUNDARY, folder
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.version import Version
from tests.recipes.step_rows import (
    as_strong_as_its_visits,
    behind_its_prefix,
    critical_step_rejected,
    goes_on_from_the_chosen,
    imitates_first,
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """What the rounds of a recipe must show.

    Args:
        built: Who makes the rows: the class of the builder.
        loss: The loss that they are trained with; none for labels.
        proposed: Who proposes: classes of actors, as the manifest names them.
        rows: What holds of every row of the last round.
        some: What holds of at least one of them.
        together: What holds of all rows of the last round together.
        kept: The op that leaves out some of the candidates, besides the builder.
        reference: The actors of the reference; none without one.
        anchor: The actors of a second reference, to which the policy is held.
        carried: How rows of earlier rounds go on.
        weights: Where weights begin.
        mixed: How given rows and those of the round make up an epoch, where it is what makes the system.
        memory: What holds of what the ops of the last round remember, by place and name.
        trained: Patterns of the parameters that alone are trained once rounds have begun; all when left out.
        later: Patterns of those that alone are trained in the round after that, where it differs.
        length: Rounds of the run; the last is looked at.
        rounds: What holds of the rows of the rounds together.
        manifests: What holds of the manifests of the rounds together.
    """

    built: str
    loss: str | None = None
    proposed: tuple[str, ...] = ("Policy",)
    rows: Callable[[Row], bool] = lambda row: True
    some: Callable[[Row], bool] = lambda row: True
    together: Callable[[list[Row]], bool] = lambda rows: True
    kept: str | None = None
    reference: tuple[str, ...] | None = None
    anchor: tuple[str, ...] | None = None
    carried: str = "Replace"
    weights: str = "Continue"
    mixed: str | None = None
    memory: Callable[[dict[str, Any]], bool] = lambda memory: True
    trained: tuple[str, ...] = ("*",)
    later: tuple[str, ...] = ()
    length: int = 2
    rounds: Callable[[list[list[Row]]], bool] = lambda rounds: True
    manifests: Callable[[list[Manifest]], bool] = lambda rounds: True


def right_over_wrong(row: Row) -> bool:
    return row["chosen_score"] == 1 and row["rejected_score"] == 0


def better_over_worse(row: Row) -> bool:
    return row["chosen_score"] > row["rejected_score"] and row["chosen_ids"] != row["rejected_ids"]


def weighed_by_the_vote(row: Row) -> bool:
    gap = row["chosen_score"] - row["rejected_score"]
    return gap > 0 and abs(row["weight"] - gap) < 1e-6


def gold_over_own(row: Row) -> bool:
    return row["chosen"] == row["gold"] != row["rejected"]


def right(row: Row) -> bool:
    return row["scores.correct"] == 1


def sure(row: Row) -> bool:
    return 0.5 <= row["preference"] <= 1


def unsure_prompt(row: Row) -> bool:
    return 0 < row["pass_rate"] < 1 and row["desirable"] == (row["scores.correct"] == 1)


def soft_label(row: Row) -> bool:
    return 0 < max(row["label"]) <= 1 and abs(sum(row["label"]) - 1) < 1e-4


def own_if_right(row: Row) -> bool:
    return row["scores.correct"] == 1 if row["own"] else row["text"] == row["gold"]


def from_digits(row: Row) -> bool:
    letters = row["prompt"][0].isalpha()
    return row["language"] == "digits" and row["twin"][0].isdigit() == letters and row["chosen"] != row["rejected"]


def in_both_languages(rounds: list[list[Row]]) -> bool:
    return all({row["prompt"][0].isalpha() for row in rows} == {True, False} for rows in rounds)


def turned_in_the_bad_context(rows: list[Row]) -> bool:
    kinds = [[row for row in rows if row["context"] == name] for name in ("plain", "positive", "negative")]
    same = all(
        (plain["chosen_ids"], plain["rejected_ids"])
        == (good["chosen_ids"], good["rejected_ids"])
        == (bad["rejected_ids"], bad["chosen_ids"])
        for plain, good, bad in zip(*kinds, strict=True)
    )
    return same and len({len(kind) for kind in kinds}) == 1


def at_the_mean_of_the_first_round(rounds: list[Manifest]) -> bool:
    first, second = (manifest.metrics for manifest in rounds)
    return first["steady_mean"] == first["steady_target"] == second["steady_target"]


def by_the_best_balance(manifest: Manifest) -> bool:
    chosen = {name: value for op in manifest.ops for name, value in op.parameters.items()}
    for name, measure in (("temperature", "balance_at_temperature"), ("threshold", "balance_at")):
        tried = [value for key, value in manifest.metrics.items() if re.fullmatch(rf"{measure}_[\d.]+", key)]
        if len(tried) < 3 or manifest.metrics[f"{measure}_{chosen[name]:g}"] != max(tried):
            return False
    return True


def past_rejected_future_chosen(rounds: list[list[Row]]) -> bool:
    past, future = ({row["id"]: row for row in rows} for rows in rounds)
    kept = all(past[id]["rejected_ids"] == row["rejected_ids"] for id, row in future.items())
    better = [row["scores.judge"] > past[id]["scores.judge"] for id, row in future.items() if row["round"] == 1]
    return kept and past.keys() == future.keys() and len(better) > 0 and all(better)


def without_the_tool(text: str, mask: list[float]) -> bool:
    """Tell whether what a calculator says behind "=" is masked, and nothing else; a token is a character."""
    said = all(weight == 0 for sign, weight in zip(text, mask[1:], strict=False) if sign == "=")
    return said and all(weight == 1 for sign, weight in zip(text, mask, strict=False) if sign in "+=")


def right_with_tool_over_wrong(row: Row) -> bool:
    return right_over_wrong(row) and all(without_the_tool(row[s], row[f"{s}_mask"]) for s in ("chosen", "rejected"))


def judged_with_tool(row: Row) -> bool:
    judged = row["desirable"] == (row["scores.correct"] == 1)
    return judged and without_the_tool(row["text"], row["completion_mask"]) and len(row["turns"]) > 0


def improved_where_it_was_wrong(row: Row) -> bool:
    """Tell whether a turn is learnt behind all earlier ones, the less the worse it is; a token is a character."""
    behind = len(row["prompt_ids"]) - len(row["prompt"]) - 1
    weight = math.exp((row["scores.correct"] - 1) / 0.5)
    return (behind > 0) == (row["turn"] > 0) and abs(row["weight"] - weight) < 1e-6


def expert_over_failure(row: Row) -> bool:
    """Tell whether the expert's lines are learnt and the world's are not; a token is a character."""
    lines = row["chosen"].splitlines(keepends=True)
    acted = [place % 2 for place, line in enumerate(lines) for _ in line]  # the world begins
    seen = row["rejected"].index("\n") + 1
    own = row["rejected_mask"][:seen] == [0] * seen and 1 in row["rejected_mask"]
    failed = row["scores.reward"] < 1 == row["scores.expert"]
    return row["chosen"] == row["expert"] and row["chosen_mask"] == acted and own and failed


def grown_in_its_role(row: Row) -> bool:
    """Tell whether a text is learnt from the prompt alone, or from the draft too; a token is a character."""
    read = {"generator": row["prompt"], "extender": f"{row['prompt']}{row['draft']}>"}[row["role"]]
    return len(row["prompt_ids"]) == 1 + len(read) and len(row["text"]) >= 1.3 * len(row["draft"])


def better_from_worse(row: Row) -> bool:
    read = len(row["prompt_ids"]) > len(row["prompt"] + row["rejected"])  # one token a character
    return right_over_wrong(row) and row["text"] != row["rejected"] and read and 0 < row["weight"] <= 1


def gold_at_the_head(row: Row) -> bool:
    return len(row["ranked"]) > 1 and row["ranked"][0] == row["gold"] and row["gold"] not in row["ranked"][1:]


def won(row: Row) -> bool:
    rates = row["chosen_win_rate"], row["rejected_win_rate"]
    return rates == (row["chosen_score"], row["rejected_score"]) and 1 >= rates[0] > rates[1] >= 0


def smoothed(row: Row) -> bool:
    first, second = row["label"]
    return abs(first + second - 1) < 1e-4 and 0.65 < max(first, second) < 1  # 0.7 of what was given


def sure_by_one_rule(row: Row) -> bool:
    return row["scores.sure_of_both"] >= 0.65 if row["pointwise"] else row["scores.margin"] >= 0.6


def gold_then_by_score(row: Row) -> bool:
    own = row["ranked_scores"][1:]
    return gold_at_the_head(row) and own == sorted(own, reverse=True) and 0 <= own[-1] <= own[0] <= 1


def written_by_the_rules(row: Row) -> bool:
    return (
        "answer" not in row and re.fullmatch(r"\d+([+]\d+)*=", row["prompt"]) is not None and row["scores.rules"] == 1
    )


def demonstrated(row: Row) -> bool:
    return (row["chosen"] == row["gold"]) == (row["kind"] != "later") and row["chosen"] != row["rejected"]


def in_ditto_s_shares(rows: list[Row]) -> bool:
    total = sum(row["weight"] for row in rows)
    parts = {kind: sum(row["weight"] for row in rows if row["kind"] == kind) / total for kind in ("online", "replay")}
    return abs(parts["online"] - 0.7) < 1e-4 and abs(parts["replay"] - 0.2) < 1e-4


def from_the_pool(rounds: list[list[Row]]) -> bool:
    first, last = rounds
    return not any(row["recalled"] for row in first) and any(row["recalled"] for row in last)


def written_like_a_failure(row: Row) -> bool:
    return row["scores.correct"] == 0 and row["like"].count("+") == 1 and row["source"].startswith("LocalJudge@")


def gathers_what_was_written(rounds: list[list[Row]]) -> bool:
    first, last = rounds
    kept = [row["completion_ids"] for row in last if row["round"] == 0]
    return kept == [row["completion_ids"] for row in first] and any(row["round"] == 1 for row in last)


def judged_rightly(row: Row) -> bool:
    return row["scores.verdict"] == 1 and row["prompt"].endswith("?") and row["text"].split("\n")[-1] in (":0", ":1")


def answers_and_judgements(rows: list[Row]) -> bool:
    return all((row["kind"] == "judgement") == row["prompt"].endswith("?") for row in rows) and (
        "judgement" in {row["kind"] for row in rows}
    )


def of_pixels(row: Row) -> bool:
    return len(row["label"]) == 256 and set(row["label"]) <= {-1, 0, 1, 2, 3}


def some_of_both(rounds: list[list[Row]]) -> bool:
    pixels = {pixel for row in rounds[-1] for pixel in row["label"]}
    return -1 in pixels and len(pixels) > 1


def thresholds_of_classes(memory: dict[str, Any]) -> bool:
    thresholds = memory["1:InstanceThresholds"]["thresholds"]
    return len(set(thresholds)) > 1 and 0.9 not in thresholds[:1]


def weighed_by_certainty(row: Row) -> bool:
    known = row["component"] == "reward" or row["kind"] == "own"
    return known and abs(row["weight"] - max(0.0, 1 - 1.4427 * row["scores.uncertainty"])) < 1e-3


def both_components(rows: list[Row]) -> bool:
    return {row["component"] for row in rows} == {"policy", "reward"}


def spelled_as_heard(row: Row) -> bool:
    letters = " efghinorstuvwxz"
    return bool(row["label"]) and row["text"] == "".join(letters[token - 1] for token in row["label"])


def helped_by_the_language(rounds: list[list[Row]]) -> bool:
    return all(row["scores.lm"] < 0 and row["scores.ctc"] < 0 for row in rounds[-1])


P, PI, PB, PP = ("Policy",), ("Initial",), ("AtRound",), ("Policy", "Previous")
BASE, SCRATCH = "ReinitFromBase", "ReinitFromScratch"
EXPECTED = {
    "scpo_arithmetic": Expected("BestWorst", "dpo", rows=weighed_by_the_vote, reference=P),
    "scpo": Expected(
        "BestWorst", "dpo", rows=lambda r: weighed_by_the_vote(r) and r["chosen_score"] >= 0.7, reference=P
    ),
    "irpo": Expected("CorrectIncorrect", "dpo", rows=right_over_wrong, reference=P),
    "ilr_dpo": Expected("BestWorst", "r_dpo", rows=better_over_worse, reference=P),
    "rlhf_workflow": Expected(
        "BestWorst", "dpo", PP, rows=better_over_worse, kept="Stream", reference=PB, carried="Append"
    ),
    "itertl": Expected("GivenRanking", "rrhf", rows=gold_then_by_score),
    "cycle_researcher": Expected("RankedPairs", "simpo", rows=better_over_worse),
    "self_rewarding": Expected("BestWorst", "dpo", rows=better_over_worse, reference=P),
    "osp": Expected("AllPairs", "soft_dpo", rows=sure, reference=P),
    "irepo": Expected("BestWorst", "irepo", rows=sure, reference=P),
    "m_dpo": Expected(
        "CorrectIncorrect",
        "dpo",
        ("Policy", "Policy", "Previous"),
        rows=right_with_tool_over_wrong,
        kept="Stream",
        reference=P,
    ),
    "m_kto": Expected(
        "Unpaired", "kto", ("Policy", "Policy", "Previous"), rows=judged_with_tool, kept="Stream", reference=P
    ),
    "mbr": Expected("BestWorst", "dpo", rows=better_over_worse, reference=P),
    "meta_rewarding": Expected(
        "Branches", "dpo", rows=better_over_worse, together=answers_and_judgements, kept="RandomInputs", reference=P
    ),
    "self_taught_evaluator": Expected("Accept", "sft", rows=judged_rightly),
    "cream": Expected("BestWorst", "soft_dpo", rows=lambda r: 0 <= r["preference"] <= 1, reference=P),
    "dive": Expected(
        "CorrectIncorrect", "dpo", rows=right_over_wrong, kept="DiverseCandidates", reference=P, rounds=from_the_pool
    ),
    "dice": Expected("BestWorst", "dpo", rows=lambda r: r["chosen_score"] > r["rejected_score"], reference=P),
    "language_imbalance": Expected(
        "ContrastivePrompts", "dpo", rows=from_digits, reference=P, rounds=in_both_languages
    ),
    "only_prompting": Expected(
        "ContrastivePrompts",
        "dpo",
        rows=lambda r: r["context"] == "positive" and r["chosen_ids"] != r["rejected_ids"],
        reference=P,
        manifests=lambda rounds: [round.metrics["gap"] for round in rounds] == [1.0, 0.75],
    ),
    "sso": Expected(
        "ContrastivePrompts",
        "dpo",
        rows=lambda r: 0 < r["weight"] < (1 if r["context"] == "plain" else 0.5),
        kept="SteadyMean",
        reference=P,
        together=turned_in_the_bad_context,
        manifests=at_the_mean_of_the_first_round,
    ),
    "process_self_rewarding": Expected(
        "StepPairs", "dpo", rows=behind_its_prefix, reference=P, rounds=goes_on_from_the_chosen
    ),
    "mcts_dpo": Expected(
        "StepPairs", "soft_dpo", rows=as_strong_as_its_visits, reference=P, rounds=goes_on_from_the_chosen
    ),
    "per_step_negatives": Expected(
        "OwnOverGiven", "dpo", rows=critical_step_rejected, kept="Threshold", reference=PB, rounds=imitates_first
    ),
    "temporal_self_rewarding": Expected(
        "PastFuture",
        "dpo",
        rows=lambda r: 0 < r["scores.judge"] < 1,
        reference=("Previous",),
        carried="KeepIfBetter",
        weights="Rewind",
        rounds=past_rejected_future_chosen,
    ),
    "spin": Expected("GoldOwn", "spin", rows=gold_over_own, reference=P),
    "self_contrast": Expected("GivenRanking", "softmax_dpo", rows=gold_at_the_head, reference=PB),
    "ditto": Expected("Branches", "dpo", rows=demonstrated, together=in_ditto_s_shares, reference=PB),
    "regularised_spin": Expected("GoldOwn", "spin", PP, rows=gold_over_own, reference=("Policy", "AtRound")),
    "sppo_hard": Expected("BestWorst", "sppo_hard", rows=better_over_worse, reference=P),
    "rspo": Expected("BestWorst", "rspo", rows=won, kept="Stream", reference=P, anchor=PB),
    "kto": Expected("Unpaired", "kto", rows=lambda r: r["desirable"] == (r["scores.correct"] == 1), reference=P),
    "nft": Expected("Unpaired", "nft", rows=unsure_prompt, kept="Threshold", reference=P),
    "rft": Expected("Accept", "sft", rows=right, weights=BASE),
    "rest_em": Expected("Accept", "sft", rows=right, weights=BASE),
    "star": Expected("Accept", "sft", rows=right, weights=BASE),
    "gsi": Expected("Accept", "sft", rows=right, carried="Append", weights=BASE),
    "raft": Expected("TopCandidates", "sft"),
    "superhf": Expected("TopCandidates", "kl_sft", kept="RandomInputs", reference=PI),
    "ds_weight": Expected(
        "Accept", "sft", rows=lambda r: r["scores.vote"] >= 0.5 and r["scores.shift"] >= 1, kept="Quantile"
    ),
    "verification_gap": Expected("Accept", "sft", kept="Quantile"),
    "b_star": Expected(
        "Accept",
        "sft",
        rows=lambda r: r["scores.combined"] >= 1,
        manifests=lambda rounds: all(map(by_the_best_balance, rounds)),
    ),
    "length_generalisation": Expected(
        "Accept", "sft", rows=lambda r: r["scores.vote"] >= 0.75, kept="Stream", carried="Append", mixed="concat"
    ),
    "self_rehearsal": Expected("OwnOrGiven", "sft", rows=own_if_right, carried="EditInPlace"),
    "forward_translation": Expected("Accept", "sft", weights=BASE),
    "self_instruct": Expected("Accept", "sft", carried="Append", weights=BASE),
    "eto": Expected("GoldOwn", "dpo", rows=expert_over_failure, kept="Threshold", reference=P),
    "self": Expected("Accept", "sft", rows=lambda r: r["scores.judge"] >= 0.5 and r["critique"] is not None),
    "self_lengthen": Expected(
        "Accept", "sft", rows=grown_in_its_role, some=lambda r: r["role"] == "extender", kept="Threshold"
    ),
    "rise": Expected(
        "TopCandidates", "sft", rows=improved_where_it_was_wrong, some=lambda r: r["turn"] > 0, kept="Threshold"
    ),
    "self_correction": Expected("Revisions", "sft", PB, rows=better_from_worse, carried="Append"),
    "mutual_taught": Expected(
        "ContrastivePrompts",
        "dpo",
        rows=lambda r: r["component"] == "reward" and r["chosen_ids"] != r["rejected_ids"],
        trained=("reward.*",),
        later=("network.*",),
        length=3,
    ),
    "upo": Expected(
        "Branches",
        "dpo",
        rows=weighed_by_certainty,
        together=both_components,
        reference=P,
        weights=BASE,
        trained=("reward.*",),
    ),
    "ssrm": Expected("HardLabels", rows=lambda r: r["scores.confidence"] >= 0.9, kept="Threshold"),
    "ids": Expected("SoftLabels", rows=smoothed, carried="Blend"),
    "ser": Expected("HardLabels", rows=sure_by_one_rule, kept="FirstEnough"),
    "llm2llm": Expected(
        "WriteLike",
        "sft",
        rows=written_like_a_failure,
        kept="Threshold",
        carried="Accumulate",
        weights=BASE,
        mixed="concat",
        rounds=gathers_what_was_written,
    ),
    "self_guide": Expected("Accept", "sft", rows=written_by_the_rules, kept="Threshold"),
    "hiast": Expected("MaskLabels", proposed=P, rows=of_pixels, rounds=some_of_both, memory=thresholds_of_classes),
    "wav2vec_self_training": Expected(
        "SequenceLabels", rows=spelled_as_heard, weights=SCRATCH, mixed="concat", rounds=helped_by_the_language
    ),
    "digits": Expected("HardLabels", carried="Blend", weights=SCRATCH),
    "confirmation_bias": Expected("SoftLabels", rows=soft_label),
    "curriculum_labeling": Expected("HardLabels", kept="PercentileCurriculum", weights=SCRATCH),
    "list": Expected("SoftLabels", weights="NewAdapter", trained=("*.adapter?.*",), mixed="paired"),
    "noisy_student": Expected(
        "SoftLabels", proposed=("EMA",), rows=lambda r: max(r["label"]) >= 0.3, kept="Threshold", weights=SCRATCH
    ),
    "predictions_for_pretraining": Expected("HardLabels", weights=BASE, mixed="in_turn"),
    "pseudo_label": Expected("HardLabels"),
    "rpl": Expected("HardLabels", proposed=("BatchStatistics",), trained=("normalisation",)),
    "flexmatch": Expected("HardLabels", kept="FlexMatch"),
    "freematch": Expected("HardLabels", kept="FreeMatch"),
    "softmatch": Expected("HardLabels", rows=lambda r: 0 <= r["weight"] <= 1),
    "adamatch": Expected("HardLabels", kept="AdaMatch"),
    "dash": Expected("HardLabels", kept="Dash"),
    "ups": Expected(
        "HardLabels",
        proposed=("MCDropout",),
        rows=lambda r: r["scores.confidence"] >= 0.7 and r["scores.mutual_information"] <= 0.1,
        kept="Threshold",
        weights=SCRATCH,
    ),
    "ensemble_certainty": Expected(
        "SoftLabels", proposed=("MCDropout",), rows=lambda r: r["scores.agreement"] >= 0.9, kept="Threshold"
    ),
}


def changed(stores: Path, model: Any, rounds: tuple[int, int] = (0, 1)) -> set[str]:
    """Return the names of the parameters that changed between the starts of two rounds."""
    states = [torch.load(stores / folder(round) / BOUNDARY, weights_only=True)["state_dict"] for round in rounds]
    names = {name for name, _ in model.named_parameters()} & set(states[0])
    return {name for name in names if not states[0][name].equal(states[1][name])}


def phase_of(version: Version) -> Row:
    """Return the arguments of the phase that made a round, as its manifest has them."""
    phases = version.manifest.recipe["init_args"]["phases"]
    (found,) = [p["init_args"] for p in phases if p["init_args"]["name"] == version.manifest.phase]
    return found


def name_of(part: Row) -> str:
    """Return the class of a part of a plan."""
    return part["class_path"].rsplit(".", 1)[-1]


def actors_of(phase: Row, *ops: str, **arguments: Any) -> tuple[str, ...] | None:
    """Return the actors of the first of these ops that has these arguments, members of an ensemble by themselves."""
    fit = [op["init_args"] for op in phase["ops"] if name_of(op) in ops]
    found = [given["actor"] for given in fit if arguments.items() <= given.items()]
    if not found:
        return None
    members = found[0]["init_args"].get("actors") or [found[0]]
    return tuple(name_of(member) for member in members)
