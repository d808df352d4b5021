"""Each code with the smallest edit of a correct topology that leads to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.topology.codes import CODES, Severity
from pipeline.topology.diagnostics import Diagnostic, render
from pipeline.topology.load import inspect
from pipeline.topology.model import Topology

Lint = Callable[..., tuple[Topology | None, list[Diagnostic]]]

ELSEWHERE = {"T301"}  # needs the code that the file names: pipeline.app
WHOLE_FILE = {"T001", "T002", "T003", "T006", "T008"}  # test_files_that_are_no_topology


class Example(NamedTuple):
    """`old` becomes `new` (at the end of the file if empty); the finding is on the line that holds `line`."""

    code: str
    old: str
    new: str
    line: str
    path: str


WORK = "    dead_letter: {exchange: buried}\n"
STAGE = '    run: ["models:first", {all: ["models:second"]}]\n'
LONG = "k" * 256
EXAMPLES = [
    Example("T004", "name: small", "name: sm: all", "sm: all", ""),
    Example("T005", "  work:\n", "\twork:\n", "\twork:", ""),
    Example("T007", "  grave:\n", "  work:\n", "  work:", "queues.work"),
    Example("T009", "", f"deep: {'[' * 70}{']' * 70}", "deep:", ""),
    Example("T010", "", "---\nversion: 1\n", "version: 1", ""),
    Example("T011", "version: 1", "version: 2", "version: 2", "version"),
    Example("T012", "  grave:\n", "  [grave]:\n", "[grave]", "queues"),
    Example("T013", "name: small", "name: ${NAME}", "${NAME}", "name"),
    Example("T014", "name: small", "name: ${NAME:?which}", "${NAME:?which}", "name"),
    Example("T015", "name: small", "name: ${NA ME}", "${NA ME}", "name"),
    Example("T016", "name: small", "name: !!python/name:os.system small", "!!python", "name"),
    Example("T101", "external:", "extrenal:", "extrenal", "queues.grave.extrenal"),
    Example("T102", ", exchange: events}", "}", "task.created: {model", "messages.task.created.exchange"),
    Example("T103", "topic}", "topical}", "topical", "exchanges.events.type"),
    Example("T104", "from: {work:", "from: {wrok:", "wrok", "stages.handle.from.wrok"),
    Example("T105", "source: buried", "source: burried", "burried", "queues.grave.bindings[0].source"),
    Example("T106", "emits: [task", "emits: [tsk", "tsk", "sources.watcher.emits[0]"),
    Example("T107", "{retry: standard}", "{retry: standrad}", "standrad", "defaults.stage.retry"),
    Example("T108", "type: fanout", "name: amq.buried, type: fanout", "amq.", "exchanges.buried.name"),
    Example("T109", WORK, f"{WORK}    name: {LONG[:253]}\n", "kkk", "queues.work.name"),
    Example(
        "T109",
        "routing_key: task.created\n",
        f"routing_key: [task.created, {LONG}]\n",
        "kkk",
        "queues.work.bindings[0].routing_key[1]",
    ),
    Example("T110", "    external", "    name: work\n    external", "name: work", "queues.grave.name"),
    Example("T111", "    external", "    name: small.retry.5s\n    external", "retry.5s", "queues.grave.name"),
    Example(
        "T112",
        WORK,
        f"{WORK}    ttl: 1h\n    arguments: {{x-message-ttl: 5}}\n",
        "x-message-ttl",
        "queues.work.arguments.x-message-ttl",
    ),
    Example("T113", WORK, f"{WORK}    type: quorum\n    max_priority: 5\n", "max_priority", "queues.work.max_priority"),
    Example("T114", WORK, f"{WORK}    ttl: 50d\n", "50d", "queues.work.ttl"),
    Example("T114", "{retry: standard}", "{retry: standard, timeout: 0s}", "0s", "defaults.stage.timeout"),
    Example("T115", "[5s, 30s]", "[5s, 60d]", "60d", "retries.standard.delays[1]"),
    Example(
        "T116", WORK, f"{WORK}    type: quorum\n    overflow: reject-publish-dlx\n", "overflow", "queues.work.overflow"
    ),
    Example("T117", '"models:second"', "second", "second", "stages.handle.run[1].all[0]"),
    Example(
        "T118",
        WORK,
        f"{WORK}    arguments: {{x-max-length: 5}}\n",
        "x-max-length",
        "queues.work.arguments.x-max-length",
    ),
    Example("T119", WORK, f"{WORK}    type: quorum\n    durable: false\n", "durable", "queues.work.durable"),
    Example(
        "T120",
        STAGE,
        '    run: [{process: ["models:first"]}, "models:second"]\n    executor: thread\n',
        "executor: thread",
        "stages.handle.executor",
    ),
    Example("T121", STAGE, f"{STAGE}    track: id\n    job: id\n", "    job:", "stages.handle.job"),
    Example(
        "T201",
        "{work: [task.created]}",
        "{grave: [], work: [task.created, other]}",
        "from:",
        "stages.handle.from.work[1]",
    ),
    Example("T202", "routing_key: task.created\n", "routing_key: other\n", "emits:", "sources.watcher.emits[0]"),
    Example(
        "T203", "sources:", '  other: {model: "models:Other", exchange: events}\nsources:', "  other:", "messages.other"
    ),
    Example("T204", "    bindings: [{source: buried}]\n", "", "dead_letter: {ex", "queues.work.dead_letter"),
    Example(
        "T205",
        "    external: true\n    dead_letter: false",
        "    ttl: 1s\n    dead_letter: {exchange: buried}",
        "dead_letter: {exchange: buried}",
        "queues.grave.dead_letter",
    ),
    Example(
        "T206",
        "tests:",
        '  again: {from: {work: [task.created]}, run: ["models:other"]}\ntests:',
        "again:",
        "stages.again.from.work[0]",
    ),
    Example("T207", "    external: true\n", "", "  grave:", "queues.grave"),
    Example("T208", "  buried: {", "  unused: {type: direct}\n  buried: {", "unused", "exchanges.unused"),
    Example("T209", WORK, f"{WORK}    max_priority: 5\n", "prefetch", "stages.handle.prefetch"),
    Example("T210", STAGE, f"{STAGE}    timeout: 40m\n", "timeout: 40m", "stages.handle.timeout"),
    Example(
        "T211",
        "routing_key: task.created\n",
        "routing_key: [task.created, task.lost]\n",
        "task.lost",
        "queues.work.bindings[0].routing_key[1]",
    ),
    Example("T212", "reaches: [work]", "reaches: [grave]", "reaches:", "tests[0].reaches"),
    Example("T213", "from: {work: [task.created]}", "from: {work: []}", "  work:", "queues.work"),
    Example(
        "T214",
        "{type: topic}",
        "{type: topic, internal: true}",
        "task.created: {model",
        "messages.task.created.exchange",
    ),
]
# What an example needs besides its edit.
ALSO = {
    "T201": ("sources:", '  other: {model: "models:Other", exchange: events}\nsources:'),
    "T209": (STAGE, f"{STAGE}    concurrency: 2\n    prefetch: 9\n"),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.code} {example.path}")
def test_mistake_gets_its_code_at_its_place(example: Example, lint: Lint, base: str) -> None:
    text = base
    for old, new in filter(None, [(example.old, example.new), ALSO.get(example.code)]):
        if old:
            assert old in text
            text = text.replace(old, new, 1)
        else:
            text += new
    _, diagnostics = lint(text)
    found = [each for each in diagnostics if each.code == example.code]
    assert [each.path for each in found][:1] == [example.path], render(diagnostics)
    first = found[0]
    assert example.line in first.excerpt
    assert text.splitlines()[first.line - 1] == first.excerpt
    assert 1 <= first.column <= len(first.excerpt)
    assert first.detail or first.suggestion


def test_every_code_has_an_example() -> None:
    assert {example.code for example in EXAMPLES} | WHOLE_FILE | ELSEWHERE == set(CODES)


def test_warnings_are_what_may_be_meant() -> None:
    warnings = {code for code, meaning in CODES.items() if meaning.severity is Severity.WARNING}
    assert warnings == {"T118", "T203", "T207", "T208", "T209", "T210", "T211", "T213"}


def test_correct_topology_has_nothing_to_say(lint: Lint, base: str) -> None:
    topology, diagnostics = lint(base)
    assert topology is not None
    assert diagnostics == []


def test_the_projects_own_topology_has_no_errors() -> None:
    topology, _, diagnostics = inspect(Path(__file__).parents[3] / "topology.yaml", {})
    assert topology is not None
    assert [each for each in diagnostics if each.is_error] == []
