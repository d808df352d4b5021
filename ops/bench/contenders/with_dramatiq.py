"""Dramatiq on RabbitMQ, with eight threads; its messages have a form of their own, so it fills its queue itself."""

from __future__ import annotations

import os
import sys
import threading

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from ops.bench.contenders.task import PREFETCH, QUEUE, Measured, Task, Work

_THREADS = 8


def main() -> None:
    work, messages = Work(sys.argv[1]), int(sys.argv[2])
    filling = sys.argv[3:] == ["fill"]
    os.environ["dramatiq_queue_prefetch"] = str(PREFETCH)  # noqa: SIM112
    broker = RabbitmqBroker(url=os.environ["RABBITMQ_URL"], confirm_delivery=True, middleware=[])
    dramatiq.set_broker(broker)
    measured, done, lock = Measured(messages), threading.Event(), threading.Lock()

    @dramatiq.actor(queue_name=f"dramatiq.{QUEUE}.done")
    def finished(payload: str) -> None: ...

    @dramatiq.actor(queue_name=f"dramatiq.{QUEUE}")
    def handle(payload: str) -> None:
        task = Task.model_validate_json(payload)
        if work is not Work.CONSUME:
            finished.send(task.model_dump_json())
        with lock:
            if measured.one():
                done.set()

    if filling:
        for number in range(messages):
            handle.send(Task.numbered(number).model_dump_json())
        return
    worker = dramatiq.Worker(broker, queues={f"dramatiq.{QUEUE}"}, worker_threads=_THREADS)
    worker.start()
    done.wait()
    worker.stop()


if __name__ == "__main__":
    main()
