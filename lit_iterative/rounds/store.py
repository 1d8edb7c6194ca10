"""Store: all rounds of one run, committed, begun and set aside."""

import re
from collections.abc import Iterator
from os import PathLike

from lit_iterative.rounds.draft import Draft
from lit_iterative.rounds.files import Files
from lit_iterative.rounds.layout import BEGUN, BOUNDARY, LAST, folder
from lit_iterative.rounds.seal import hashes, sealed
from lit_iterative.rounds.verdict import path
from lit_iterative.rounds.version import Version, committed, read_manifest


class Store:
    """All rounds of one run.

    Args:
        url: A local path, or any URL that fsspec knows.

    Example:
        >>> Store("no/such/folder").rounds()
        []
    """

    def __init__(self, url: str | PathLike[str]) -> None:
        self.files = Files(url)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.files.url

    def rounds(self) -> list[int]:
        """Return the numbers of the committed rounds, from the first without a gap."""
        return committed(self.files)

    def open(self, round: int) -> Version:
        """Return a committed round.

        Raises:
            StoreError: If it is absent or its manifest cannot be read.
        """
        return Version(self.files, read_manifest(self.files, round))

    def versions(self) -> Iterator[Version]:
        """Return all committed rounds, in order."""
        return (self.open(round) for round in self.rounds())

    def path(self, round: int) -> list[int]:
        """Return the rounds on which this one builds: all before, but for those behind which the run went back."""
        return path([self.open(past).manifest.verdict.back_to for past in range(round)])

    def latest(self) -> Version | None:
        """Return the last committed round."""
        rounds = self.rounds()
        return self.open(rounds[-1]) if rounds else None

    def plan(self) -> str | None:
        """Return the hash of the plan of the last round, committed or begun, or none where nothing was begun."""
        done = len(self.rounds())
        draft = self.draft(done)
        if draft.begun:
            begun: str = draft.facts()["plan"]
            return begun
        if done:
            return self.open(done - 1).manifest.plan
        ended: dict[str, str] = self.files.read_json("last.json") if self.files.exists("last.json") else {}
        return ended.get("plan")

    def resume_point(self) -> str | None:
        """Return the checkpoint from which the run goes on, or none where nothing was begun."""
        done = len(self.rounds())
        if self.files.exists("last.json") and self.files.read_json("last.json")["rounds"] == done:
            return self.files.path(LAST)
        for round in (done, done - 1):
            if round >= 0 and self.files.exists(f"{folder(round)}/{BEGUN}"):
                return self.files.path(f"{folder(round)}/{BOUNDARY}")
        return None

    def supersede(self, round: int) -> list[str]:
        """Set aside this round and all later ones, begun or committed; return their new names."""
        moved = []
        for name in self.files.list():
            if re.fullmatch(r"round-\d{5}", name) and int(name[6:]) >= round:
                number = len(self.files.list("superseded"))
                moved.append(f"superseded/{number:03d}-{name}")
                self.files.move(name, moved[-1])
        self.files.remove("last.json")
        return moved

    def reopen(self) -> None:
        """Forget that a fit has ended, before its end is written anew."""
        self.files.remove("last.json")

    def finish(self, metrics: dict[str, float], plan: str) -> None:
        """Note that a fit of this plan has ended and that ``last.ckpt`` is whole."""
        facts = {"rounds": len(self.rounds()), "metrics": metrics, "plan": plan}
        self.files.write_bytes("last.json", sealed({**facts, "files": hashes(self.files, ".", [LAST])}))

    def final_metrics(self) -> dict[str, float]:
        """Return the trainer's metrics at the end of fit, if it ended."""
        if not self.files.exists("last.json"):
            return {}
        metrics: dict[str, float] = self.files.read_json("last.json")["metrics"]
        return metrics

    def draft(self, round: int) -> Draft:
        """Return the unfinished round, new or as a crash left it."""
        return Draft(self.files, round)
