"""Whether a stage would take a message from a queue: what can be told without running it."""

from __future__ import annotations

from pydantic import ValidationError

from pipeline.dlq.queues import DeadLetterQueue
from pipeline.dlq.refusal import Refusal
from pipeline.errors import Permanent
from pipeline.messages.message import Message
from pipeline.runtime.contracts import Contracts, printable, wrong_fields
from pipeline.runtime.envelope import message_name
from pipeline.topology.model import Topology


class Acceptance:
    """Decides as the worker's handler does, by the topology and the message contracts; a `Validate` of `pipeline.dlq`.

    Models are imported when the first message asks for them: raises PipelineError if that fails.
    """

    def __init__(self, topology: Topology, contracts: Contracts) -> None:
        self._contracts = contracts
        self._taken: dict[str, set[str]] = {}
        keys = {key: topology.queue_name(key) for key in topology.queues}
        self._external = {keys[key] for key, queue in topology.queues.items() if queue.external}
        for stage in topology.stages.values():
            for key, messages in stage.from_.items():
                self._taken.setdefault(keys.get(key, key), set()).update(messages)

    def __call__(self, queue: DeadLetterQueue, message: Message) -> Refusal | None:
        name = message_name(message.headers) or ""
        taken = self._taken.get(queue.origin)
        if taken is None and queue.origin not in self._external:
            return Refusal(f"No stage takes anything from {queue.origin} any more")
        if taken is not None and name not in taken:
            return Refusal(f"No stage takes {printable(name, 80)!r} from {queue.origin}")
        if taken is None and name not in self._contracts:
            return None  # who consumes it outside may know it
        try:
            contract = self._contracts[name]
            contract.decode(message.body, message.content_type, message.content_encoding)
        except Permanent as refused:
            return Refusal(refused.reason, self._wrong_fields(name, message.body))
        return None

    def _wrong_fields(self, name: str, body: bytes) -> tuple[tuple[str, str], ...]:
        contract = self._contracts[name]
        if len(body) > contract.max_size:
            return ()
        try:
            contract.model.model_validate_json(body)
        except ValidationError as invalid:
            return wrong_fields(invalid)
        return ()
