"""Scalars of the topology file that have a notation of their own: durations, sizes, references to code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZES = {"B": 1, "kB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2, "GB": 1000**3, "GiB": 1024**3}
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def parse_duration(text: Any) -> timedelta:
    """`500ms`, `30s`, `2m`, `24h`, `7d`, or several units joined, `1h30m`. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not text or _DURATION.sub("", text):
        raise ValueError(f"{text!r} is not a duration; write a number and a unit: 500ms, 30s, 2m, 24h, 7d")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text)))
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None


def format_duration(value: timedelta) -> str:
    """The shortest notation that parses to the same value in whole milliseconds: `90s` is `1m30s`, 24 h is `1d`."""
    rest = milliseconds(value)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def milliseconds(value: timedelta) -> int:
    """Whole milliseconds, which is what RabbitMQ takes."""
    return round(value.total_seconds() * 1000)


def parse_size(text: Any) -> int:
    """Bytes: `64KiB`, `16MiB`, `1MB`, or a plain number. Raises ValueError."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    match = re.fullmatch(r"(\d+)\s*(B|kB|KiB|MB|MiB|GB|GiB)", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a size; write a number and a unit: 64KiB, 16MiB, 1GB")
    return int(match[1]) * _SIZES[match[2]]


Version = tuple[int, int]


def parse_version(text: Any) -> Version:
    """`4.0`, `3.13.7` as major and minor. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,4})\.(\d{1,4})(\.\d{1,4})?", text) if isinstance(text, str) else None
    if match is None:
        plain = ": without quotes it is a number, and 3.10 is 3.1" if isinstance(text, float) else ""
        raise ValueError(f'{text!r} is not a version; write "4.0" or "3.13.7", in quotes{plain}')
    return int(match[1]), int(match[2])


@dataclass(frozen=True, slots=True)
class Reference:
    """A function or class by name, `package.module:name`. Resolved by `pipeline.app`, never here."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


def parse_reference(text: Any) -> Reference:
    """`package.module:name`. Raises ValueError."""
    if isinstance(text, Reference):
        return text
    if not isinstance(text, str) or not _REFERENCE.fullmatch(text):
        raise ValueError(f"{text!r} is not a reference to code; write package.module:name")
    module, name = text.split(":")
    return Reference(module, name)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "examples": ["30s", "24h"]}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^\d+\s*(B|kB|KiB|MB|MiB|GB|GiB)$"},
            ]
        }
    ),
]
CodeReference = Annotated[
    Reference,
    BeforeValidator(parse_reference),
    PlainSerializer(str),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_REFERENCE.pattern}$", "examples": ["stages.contracts:AnalysisRequest"]}
    ),
]

BrokerVersion = Annotated[
    tuple[int, int],
    BeforeValidator(parse_version),
    PlainSerializer(lambda version: ".".join(map(str, version)), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,4}\.\d{1,4}(\.\d{1,4})?$", "examples": ["4.0", "3.13.7"]}),
]
