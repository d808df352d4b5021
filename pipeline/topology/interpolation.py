"""Environment variables in scalars: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`; `$$` is a dollar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_EXPRESSION = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<body>[^}]*)(?P<end>\}?))")
_BODY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:[-?])(?P<operand>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An expression that has no value: its text, the code of the diagnostic, what is wrong and what to do."""

    expression: str
    code: str
    detail: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A text with its variables filled in; meaningless where something is unresolved.

    Attributes:
        variables: whether a variable's value or default is in it, so that it must not be shown.
    """

    text: str
    variables: bool
    unresolved: tuple[Unresolved, ...]


def interpolate(text: str, environment: Mapping[str, str]) -> Interpolated:
    """Fill in variables. What they hold is taken as it is: nothing in it is interpolated again."""
    unresolved: list[Unresolved] = []
    variables = False

    def value(match: re.Match[str]) -> str:
        nonlocal variables
        if match["dollar"]:
            return "$"
        variables = True
        found = _value(match, environment)
        if isinstance(found, Unresolved):
            unresolved.append(found)
            return match[0]
        return found

    return Interpolated(_EXPRESSION.sub(value, text), variables, tuple(unresolved))


def variables_in(text: str) -> dict[str, str | None]:
    """Names of the variables that a text asks for, and their defaults, if they have one."""
    found: dict[str, str | None] = {}
    for match in _EXPRESSION.finditer(text):
        body = None if match["dollar"] else _BODY.fullmatch(match["body"])
        if body is not None:
            found[body["name"]] = body["operand"] if body["operator"] == ":-" else found.get(body["name"])
    return found


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str | Unresolved:
    body = _BODY.fullmatch(match["body"])
    if body is None or not match["end"] or "${" in match["body"]:
        return Unresolved(
            match[0],
            "T015",
            "This is not a variable in a form that is known.",
            "Write ${NAME}, ${NAME:-default} or ${NAME:?message}; for a dollar write $$.",
        )
    name, operator, operand = body["name"], body["operator"], body["operand"]
    given = environment.get(name)
    if operator is None:
        return given if given is not None else _unset(match[0], name)
    if given:
        return given
    if operator == ":-":
        return str(operand)
    detail = operand.strip() or f'The environment variable "{name}" has no value.'
    return Unresolved(match[0], "T014", detail, f'Set the environment variable "{name}".')


def _unset(expression: str, name: str) -> Unresolved:
    return Unresolved(
        expression,
        "T013",
        f'The environment variable "{name}" is not set.',
        f"Set it, or give a default: ${{{name}:-value}}.",
    )
