"""A mistake for each code: the smallest edit of a correct topology that leads to it. Tried by the tests, and shown."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """`old` becomes `new` (at the end of the file if empty).

    Attributes:
        line: part of the line that the finding is on.
        path: what the finding is about.
        also: another edit that it takes, not itself a mistake.
    """

    code: str
    old: str
    new: str
    line: str
    path: str
    also: tuple[str, str] | None = None

    def before(self) -> str:
        """The correct topology."""
        return BASE if self.also is None else BASE.replace(*self.also, 1)

    def after(self) -> str:
        """The one with the mistake."""
        before = self.before()
        return before.replace(self.old, self.new, 1) if self.old else before + self.new


BASE = """\
version: 1
name: small
retries:
  standard: {delays: [5s, 30s]}
defaults:
  stage: {retry: standard}
exchanges:
  events: {type: topic}
  buried: {type: fanout}
queues:
  work:
    bindings:
      - source: events
        routing_key: task.created
    dead_letter: {exchange: buried}
  grave:
    bindings: [{source: buried}]
    external: true
    dead_letter: false
messages:
  task.created: {model: "models:Task", exchange: events}
sources:
  watcher: {run: "models:watch", emits: [task.created]}
stages:
  handle:
    from: {work: [task.created]}
    run: ["models:first", {all: ["models:second"]}]
tests:
  - publish: {exchange: events, routing_key: task.created}
    reaches: [work]
"""

_WORK = "    dead_letter: {exchange: buried}\n"
_STAGE = '    run: ["models:first", {all: ["models:second"]}]\n'
_LONG = "k" * 256
_USERS = ("tests:", "users:\n  worker: {stages: [handle], password: {env: WORKER_PASSWORD}}\ntests:")
EXAMPLES = (
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
    Example("T109", _WORK, f"{_WORK}    name: {_LONG[:253]}\n", "kkk", "queues.work.name"),
    Example(
        "T109",
        "routing_key: task.created\n",
        f"routing_key: [task.created, {_LONG}]\n",
        "kkk",
        "queues.work.bindings[0].routing_key[1]",
    ),
    Example("T110", "    external", "    name: work\n    external", "name: work", "queues.grave.name"),
    Example("T111", "    external", "    name: small.retry.5s\n    external", "retry.5s", "queues.grave.name"),
    Example(
        "T112",
        _WORK,
        f"{_WORK}    ttl: 1h\n    arguments: {{x-message-ttl: 5}}\n",
        "x-message-ttl",
        "queues.work.arguments.x-message-ttl",
    ),
    Example(
        "T113", _WORK, f"{_WORK}    type: quorum\n    max_priority: 5\n", "max_priority", "queues.work.max_priority"
    ),
    Example("T114", _WORK, f"{_WORK}    ttl: 50d\n", "50d", "queues.work.ttl"),
    Example("T114", "{retry: standard}", "{retry: standard, timeout: 0s}", "0s", "defaults.stage.timeout"),
    Example("T115", "[5s, 30s]", "[5s, 60d]", "60d", "retries.standard.delays[1]"),
    Example(
        "T116",
        _WORK,
        f"{_WORK}    type: quorum\n    overflow: reject-publish-dlx\n",
        "overflow",
        "queues.work.overflow",
    ),
    Example("T117", '"models:second"', "second", "second", "stages.handle.run[1].all[0]"),
    Example(
        "T118",
        _WORK,
        f"{_WORK}    arguments: {{x-max-length: 5}}\n",
        "x-max-length",
        "queues.work.arguments.x-max-length",
    ),
    Example("T119", _WORK, f"{_WORK}    type: quorum\n    durable: false\n", "durable", "queues.work.durable"),
    Example(
        "T120",
        _STAGE,
        '    run: [{process: ["models:first"]}, "models:second"]\n    executor: thread\n',
        "executor: thread",
        "stages.handle.executor",
    ),
    Example("T121", _STAGE, f"{_STAGE}    track: id\n    job: id\n", "    job:", "stages.handle.job"),
    Example("T122", _WORK, f"{_WORK}    max_priority: 200\n", "200", "queues.work.max_priority"),
    Example(
        "T123",
        _WORK,
        f"{_WORK}    arguments: {{x-single-activ-consumer: true}}\n",
        "x-single-activ-consumer",
        "queues.work.arguments.x-single-activ-consumer",
    ),
    Example(
        "T124",
        _WORK,
        f'{_WORK}    arguments: {{x-consumer-timeout: "1h"}}\n',
        "x-consumer-timeout",
        "queues.work.arguments.x-consumer-timeout",
    ),
    Example(
        "T125",
        "[5s, 30s]}",
        "[5s, 30s], retry_on: [TIMEOUT], reject_on: [TIMEOUT]}",
        "reject_on",
        "retries.standard.reject_on[0]",
    ),
    Example(
        "T126",
        _STAGE,
        f"{_STAGE}    order_by: id\n",
        "order_by",
        "stages.handle.order_by",
        also=(_WORK, f"{_WORK}    max_priority: 5\n"),
    ),
    Example("T127", _STAGE, f"{_STAGE}    partitions: 4\n", "partitions", "stages.handle.partitions"),
    Example(
        "T128",
        _WORK,
        f"{_WORK}    type: classic\n",
        "classic",
        "queues.work.type",
        also=(_STAGE, f"{_STAGE}    order_by: id\n"),
    ),
    Example("T129", _STAGE, f"{_STAGE}    depends_on: tagger\n", "tagger", "stages.handle.depends_on[0]"),
    Example(
        "T130",
        _STAGE,
        f"{_STAGE}    batch: {{size: 10}}\n    executor: thread\n",
        "executor: thread",
        "stages.handle.executor",
    ),
    Example(
        "T131",
        _STAGE,
        f"{_STAGE}    batch: {{size: 10}}\n    prefetch: 5\n",
        "prefetch",
        "stages.handle.prefetch",
    ),
    Example(
        "T132",
        _STAGE,
        f"{_STAGE}    ledger: {{when_away: continue}}\n    track: recording_id\n",
        "when_away",
        "stages.handle.ledger.when_away",
    ),
    Example(
        "T201",
        "{work: [task.created]}",
        "{grave: [], work: [task.created, other]}",
        "from:",
        "stages.handle.from.work[1]",
        also=("sources:", '  other: {model: "models:Other", exchange: events}\nsources:'),
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
    Example(
        "T209",
        _STAGE,
        f"{_STAGE}    concurrency: 2\n    prefetch: 9\n",
        "prefetch",
        "stages.handle.prefetch",
        also=(_WORK, f"{_WORK}    max_priority: 5\n"),
    ),
    Example("T210", _STAGE, f"{_STAGE}    timeout: 40m\n", "timeout: 40m", "stages.handle.timeout"),
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
    Example("T215", _WORK, f"{_WORK}    type: quorum\n    overflow: drop-head\n", "drop-head", "queues.work.overflow"),
    Example("T301", "models:first", "models:frist", "frist", "stages.handle.run[0]"),
    Example("T401", "stages: [handle]", "stages: [handel]", "handel", "users.worker.stages[0]", also=_USERS),
    Example("T402", "stages: [handle]", "sources: [wacher]", "wacher", "users.worker.sources[0]", also=_USERS),
    Example("T403", "stages: [handle], ", "", "worker:", "users.worker", also=_USERS),
    Example("T404", "stages: [handle]", "dead_letters: [grave]", "grave", "users.worker.dead_letters[0]", also=_USERS),
    Example(
        "T406",
        "stages: [handle]",
        "stages: [handle], limits: {max_connections: 1}",
        "max_connections",
        "users.worker.limits.max_connections",
        also=_USERS,
    ),
    Example(
        "T406", "reaches: [work]\n", "reaches: [work]\nlimits: {max_queues: 2}\n", "max_queues", "limits.max_queues"
    ),
    Example(
        "T407",
        "tests:",
        "users:\n  shop: {publishes: [order], password: {env: SHOP_PASSWORD}}\ntests:",
        "shop:",
        "users.shop",
        also=("sources:", '  order: {model: "models:Task", exchange: "", routing_key: work}\nsources:'),
    ),
    Example(
        "T408",
        "stages: [handle]",
        "stages: [handle], tags: [administrator]",
        "administrator",
        "users.worker.tags[0]",
        also=_USERS,
    ),
    Example("T501", _WORK, f"{_WORK}    durable: false\n", "durable", "queues.work.durable"),
    Example(
        "T502",
        _WORK,
        f"{_WORK}    arguments: {{x-queue-mode: lazy}}\n",
        "x-queue-mode",
        "queues.work.arguments.x-queue-mode",
    ),
    Example("T503", "    external: true\n", "    external: true\n    type: quorum\n", "  grave:", "queues.grave"),
    Example(
        "T504",
        "events}\nsources",
        "events, priority: 5}\nsources",
        "from:",
        "stages.handle.from.work[0]",
        also=(_WORK, f"{_WORK}    type: quorum\n"),
    ),
    Example(
        "T505",
        "[{source: buried}]",
        "[{source: buried, arguments: {year: 1999.0}}]",
        "1999.0",
        "queues.grave.bindings[0].arguments.year",
        also=("type: fanout", "type: headers"),
    ),
)
