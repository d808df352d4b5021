"""What became of a plan's changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import ExitCode
from pipeline.provision.changes import Action, Change


class Status(StrEnum):
    """What became of a change.

    Attributes:
        DONE: the broker has it, made by this run or by somebody at the same time.
        FAILED: the broker refused it.
        SKIPPED: not tried, because what it depends on failed or the broker stopped answering.
        LEFT: not for `apply`, such as a delete without `prune`; or not safe to do, such as the delete of a queue
            in which messages wait.
    """

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One change and what became of it; `reason` says why it is not done."""

    change: Change
    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """Outcomes in the order in which they came to be."""

    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()
    pruned: bool = False

    def count(self, status: Status) -> int:
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def exit_code(self) -> int:
        """DONE if the broker now holds what the file declares, PARTLY_DONE if some of it, ERROR if nothing worked."""
        missed = self.count(Status.FAILED) + self.count(Status.SKIPPED)
        wanted = {Action.REPLACE, Action.DELETE} if self.pruned else {Action.REPLACE}
        left = any(each.status is Status.LEFT and each.change.action in wanted for each in self.outcomes)
        if not missed:
            return ExitCode.PARTLY_DONE if left else ExitCode.DONE
        return ExitCode.PARTLY_DONE if self.count(Status.DONE) else ExitCode.ERROR
