"""The codes of all diagnostics, with what they mean. A code is never given to anything else again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether the topology can be used."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Code:
    """What a code stands for.

    Attributes:
        summary: constant, a few words.
        explanation: why it matters and what to do, for documentation and for users who ask.
    """

    summary: str
    explanation: str
    severity: Severity = Severity.ERROR


_WARNING = Severity.WARNING

# T0: the file and its YAML. T1: names and values. T2: how messages flow. T3: the code the file names.
# T4: users and what they may do. T5: what depends on the broker's version.
CODES: Mapping[str, Code] = {
    "T001": Code("File cannot be read", "The topology is read from one regular file that this user may read."),
    "T002": Code("File too large", "A topology of more than 10 MB is taken for a mistake."),
    "T003": Code("Not UTF-8 text", "The file is text in UTF-8, without control characters."),
    "T004": Code(
        "Not valid YAML", "The file does not follow YAML's grammar from here on, so nothing else was checked."
    ),
    "T005": Code("Tab in indentation", "YAML is indented with spaces; a tab there is an error."),
    "T006": Code("Not a mapping at the top", "The file holds sections: `version:`, `name:`, `exchanges:` and so on."),
    "T007": Code("Duplicate key", "Of two equal keys in one mapping only one could count, so neither is taken."),
    "T008": Code(
        "Too many values", "Aliases are expanded to at most 200,000 values, against files made to fill memory."
    ),
    "T009": Code("Nested too deeply", "No part of a topology is nested this deep; an alias may contain itself."),
    "T010": Code("More than one document", "A topology is one YAML document; `---` begins another one."),
    "T011": Code("Unknown version", "`version:` says which format the file follows; this program reads version 1."),
    "T012": Code("Key is not text", "Keys are names. Lists and mappings can't be keys here."),
    "T013": Code("Variable not set", "`${NAME}` needs the environment variable; `${NAME:-default}` does without."),
    "T014": Code("Required variable missing", "`${NAME:?message}` demands an environment variable that is not empty."),
    "T015": Code(
        "Malformed interpolation", "Write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`; `$$` is a dollar."
    ),
    "T016": Code("Unsupported YAML tag", "Only YAML's plain types are read: no tag constructs anything else."),
    "T017": Code(
        "Overlay removes what is not there",
        "A key without a value in a profile's file removes that key; here there is none, perhaps by a misspelling.",
    ),
    "T101": Code(
        "Unknown key", "This key means nothing here. A misspelt key would otherwise have no effect, silently."
    ),
    "T102": Code("Missing key", "This key has no default."),
    "T103": Code("Invalid value", "The value does not have the form that its key wants."),
    "T104": Code("Unknown queue", "Queues are referred to by their key in `queues:`."),
    "T105": Code("Unknown exchange", "Exchanges are referred to by their key in `exchanges:`."),
    "T106": Code("Unknown message", "Messages are referred to by their key in `messages:`."),
    "T107": Code("Unknown retry policy", "Retry policies are referred to by their key in `retries:`."),
    "T108": Code("Reserved name", "RabbitMQ refuses to declare names that begin with `amq.`."),
    "T109": Code(
        "Name too long", "A name or routing key takes at most 255 bytes in AMQP, the endings we add included."
    ),
    "T110": Code("Name used twice", "Two exchanges, queues or users of one name would be one object on the broker."),
    "T111": Code(
        "Name kept for the pipeline",
        "The pipeline makes `<queue>.dlq`, `<topology>.dlx`, `<topology>.audit` and `<topology>.retry.*` for dead "
        "letters and retries, and `<queue>.1` and so on for partitions.",
    ),
    "T112": Code(
        "Argument contradicts a field",
        "`arguments:` go to the broker as they are and win over policies, so the field would have no effect.",
    ),
    "T113": Code(
        "Priority on a quorum queue", "RabbitMQ refuses `x-max-priority` on quorum queues; use a classic queue."
    ),
    "T114": Code(
        "Duration out of range",
        "A TTL, an expiry or a timeout is at least 1 ms; the broker's timers end at 49 days (2^32 - 1 ms).",
    ),
    "T115": Code("Retry delay out of range", "A delay is a queue's TTL: from 1 ms to 49 days (2^32 - 1 ms)."),
    "T116": Code("Overflow not supported", "Quorum queues know `drop-head` and `reject-publish` only."),
    "T117": Code("Step without a module", "A step is `package.module:name`, or a name in the stage's `module:`."),
    "T118": Code(
        "Argument has a field of its own",
        "As a field it is checked, and changed on a live queue by a policy; as an argument it is fixed for good.",
        _WARNING,
    ),
    "T119": Code("Quorum queue cannot be transient", "Quorum queues are durable by nature; RabbitMQ refuses others."),
    "T120": Code("Process group in another executor", "A `process:` group is called by steps on the worker's loop."),
    "T121": Code("Both a recording and a job", "A stage shows the progress of the recording, or of the job."),
    "T122": Code(
        "More priorities than are useful",
        "Each priority of a queue costs memory and CPU on the broker, used or not; RabbitMQ advises 10 at most.",
        _WARNING,
    ),
    "T123": Code(
        "Unknown argument", "RabbitMQ ignores arguments that it does not know, so this one has no effect.", _WARNING
    ),
    "T124": Code(
        "Argument of the wrong type", "RabbitMQ refuses to declare a queue with an argument of another type (406)."
    ),
    "T125": Code(
        "Failure both retried and rejected", "`retry_on:` and `reject_on:` say the opposite; one of them can count."
    ),
    "T126": Code(
        "Order can't be kept",
        "`order_by:` needs a queue of the stage's own, whose messages come in the order they went in.",
    ),
    "T127": Code(
        "Partitions without a key", "Messages are distributed by the value of `order_by:`; without it, share one queue."
    ),
    "T128": Code(
        "Classic queue with one consumer at a time",
        "Up to RabbitMQ 3.11 it may crash as another consumer takes over, and lose messages. Leave `type:` out.",
        _WARNING,
    ),
    "T129": Code("Unknown dependency", "Dependencies are referred to by their key in `dependencies:`."),
    "T130": Code(
        "Batch where it can't be made", "The first step of a stage with `batch:` is one function, on the worker's loop."
    ),
    "T131": Code(
        "Batch is never full",
        "No more messages are held than `prefetch:` says, so each batch waits its whole time.",
        _WARNING,
    ),
    "T132": Code(
        "Goes on without what it needs",
        "With `when_away: continue` a stage works while the state store is away; progress and the order of messages "
        "are kept there.",
    ),
    "T201": Code(
        "Message never arrives",
        "No binding, followed through exchanges and dead letters, brings this message to this queue.",
    ),
    "T202": Code(
        "Emitted message is received by nothing",
        "It is published as mandatory: with no queue to go to, publishing fails, and the input is never done.",
    ),
    "T203": Code("Declared message is received by nothing", "No queue's binding matches this message.", _WARNING),
    "T204": Code("Dead letters are lost", "No queue is bound for what this queue gives away: it would be dropped."),
    "T205": Code(
        "Dead letters go in a circle",
        "Messages come back to a queue they were in and no stage takes them out: RabbitMQ drops them silently.",
    ),
    "T206": Code(
        "Message taken by two stages",
        "Stages on one queue share its messages: each would see only some. Give each a queue of its own.",
    ),
    "T207": Code(
        "Nothing consumes the queue",
        "It grows without end. Add a stage, mark it `external: true`, or bound it by `ttl:` or `max_length:`.",
        _WARNING,
    ),
    "T208": Code("Exchange is never used", "Nothing is published to it, bound to it, or bound from it.", _WARNING),
    "T209": Code(
        "Prefetch defeats priority",
        "What is prefetched can't be overtaken. On a priority queue prefetch no more than run at once.",
        _WARNING,
    ),
    "T210": Code(
        "Stage may outlast the broker's patience",
        "RabbitMQ closes a channel whose delivery is not acked for 30 minutes (`consumer_timeout`).",
        _WARNING,
    ),
    "T211": Code(
        "Binding matches no message", "No declared message, and none of `tests:`, takes this binding.", _WARNING
    ),
    "T212": Code("Route test fails", "Publishing this reaches other queues than the test says."),
    "T213": Code(
        "Received message is taken by no stage",
        "The queue's bindings let it in, and the stages there would send it to the dead letters.",
        _WARNING,
    ),
    "T214": Code("Exchange is internal", "Only exchanges bound to it may use it: RabbitMQ refuses to publish to it."),
    "T215": Code(
        "Dead letters may be lost",
        "A quorum queue hands over its dead letters without loss only where a full queue refuses new messages.",
        _WARNING,
    ),
    "T301": Code("Code not found", "A module or a name in it, that the file refers to, does not exist."),
    "T401": Code("Unknown stage", "Stages are referred to by their key in `stages:`."),
    "T402": Code("Unknown source", "Sources are referred to by their key in `sources:`."),
    "T403": Code("User does nothing", "It could log in, and do nothing then.", _WARNING),
    "T404": Code("Queue has no dead-letter queue", "What a user does with dead letters is about `<queue>.dlq`."),
    "T405": Code(
        "Too many names for one user",
        "A permission is one regular expression of all names, of which RabbitMQ takes no more than 64 KiB, compiled.",
    ),
    "T406": Code("Limit too low", "With this limit RabbitMQ would refuse what the topology itself needs."),
    "T407": Code(
        "User may publish into every queue",
        "It publishes a message to the default exchange, of which RabbitMQ permits all or nothing.",
        _WARNING,
    ),
    "T408": Code(
        "Administrator has its permissions for nothing",
        "An administrator may give itself every permission, and change and delete whatever there is.",
        _WARNING,
    ),
    "T501": Code(
        "Transient queues are going",
        "RabbitMQ 4 logs a queue that is not durable as deprecated, and a later version will refuse it.",
        _WARNING,
    ),
    "T502": Code(
        "Lazy mode has no effect",
        "Since RabbitMQ 3.12 every classic queue writes what it can't hold to disk.",
        _WARNING,
    ),
    "T503": Code(
        "Messages given back too often are dropped",
        "Since RabbitMQ 4.0 a quorum queue gives up what came back 20 times; without a dead letter it is lost.",
        _WARNING,
    ),
    "T504": Code(
        "Priorities on a quorum queue depend on the version",
        "Quorum queues order by priority strictly since RabbitMQ 4.3, in two classes since 4.0, before not at all.",
        _WARNING,
    ),
    "T505": Code(
        "Number that versions compare differently",
        "Up to RabbitMQ 3.13 a header of 1 matches 1.0 in a binding; since 4.0 it does not.",
        _WARNING,
    ),
}
