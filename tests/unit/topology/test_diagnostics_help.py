"""How findings read: all at once, one for each mistake, with what to do."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pipeline.topology.diagnostics import Diagnostic, InvalidTopology, count, render
from pipeline.topology.model import Topology

Lint = Callable[..., tuple[Topology | None, list[Diagnostic]]]

GOLDEN = """\
error: Unknown queue                                              [T104]
  topology.yaml:42:11  stages.analysis.from
     42 |     from: analysis_quue
        |           ^^^^^^^^^^^^^
  No queue named "analysis_quue" is declared.
  Did you mean "analysis_queue"?"""


def unknown_queue(line: int = 42, code: str = "T104", excerpt: str = "    from: analysis_quue") -> Diagnostic:
    return Diagnostic(
        code=code,
        file="topology.yaml",
        line=line,
        column=11,
        length=13,
        path="stages.analysis.from",
        detail='No queue named "analysis_quue" is declared.',
        suggestion='Did you mean "analysis_queue"?',
        excerpt=excerpt,
    )


def test_finding_is_rendered_with_its_place_underlined() -> None:
    assert render([unknown_queue()]) == GOLDEN


def test_findings_are_rendered_by_position_with_an_empty_line_between() -> None:
    assert [text.splitlines()[1] for text in render([unknown_queue(42), unknown_queue(7)]).split("\n\n")] == [
        "  topology.yaml:7:11  stages.analysis.from",
        "  topology.yaml:42:11  stages.analysis.from",
    ]


def test_finding_about_a_whole_file_has_no_excerpt() -> None:
    assert render([Diagnostic("T002", "big.yaml", detail="It has more than 10 MB.")]).splitlines() == [
        "error: File too large                                             [T002]",
        "  big.yaml",
        "  It has more than 10 MB.",
    ]


def test_underline_fits_wide_characters_tabs_and_long_lines() -> None:
    wide = render([unknown_queue(excerpt="    曲: q x analysis_quue")]).splitlines()
    assert wide[3] == "        |            ^^^^^^^^^^^^^"
    long = render([unknown_queue(excerpt="    from: " + "x" * 1000)]).splitlines()
    assert long[2].endswith("…")
    assert len(long[2]) < 180
    tabbed = render([unknown_queue(excerpt="\tfrom:    analysis_quue")]).splitlines()
    assert "\t" not in tabbed[2]


def test_terminal_is_not_reached_by_what_the_file_says() -> None:
    found = Diagnostic("T101", "a\x1b[2J.yaml", 1, 1, 1, path="a\x07", detail="\x1b]0;x\x07", excerpt="\x1b[31m: 1")
    assert "\x1b" not in render([found])
    assert "\x07" not in render([found])
    assert "\x1b" not in str(found.to_json())


def test_count_says_errors_and_warnings() -> None:
    assert count([]) == "no errors"
    assert count([unknown_queue()]) == "1 error"
    assert count([unknown_queue(), unknown_queue(), unknown_queue(code="T207")]) == "2 errors, 1 warning"


def test_exception_leads_with_the_first_error() -> None:
    error = InvalidTopology([unknown_queue(9), unknown_queue(3, "T207"), unknown_queue(5)])
    assert "topology.yaml:5:11" in str(error)
    assert [each.line for each in error.diagnostics] == [3, 5, 9]


def test_mistakes_of_shape_are_told_at_once_by_position(lint: Lint, base: str) -> None:
    text = base.replace("[5s, 30s]", "[5, 30s]").replace("{type: topic}", "{type: topci}")
    text = text.replace("external:", "extrenal:").replace("    run:", "    rnu:")
    _, diagnostics = lint(text)
    assert [(each.code, each.path) for each in diagnostics] == [
        ("T103", "retries.standard.delays[0]"),
        ("T103", "exchanges.events.type"),
        ("T101", "queues.grave.extrenal"),
        ("T101", "stages.handle.rnu"),
    ]
    assert [each.suggestion for each in diagnostics[1:]] == [
        'Did you mean "topic"?',
        'Did you mean "external"?',
        'Did you mean "run"?',
    ]


def test_unknown_names_are_told_at_once_by_position(lint: Lint, base: str) -> None:
    text = base.replace("source: events", "source: evnets").replace("emits: [task.created]", "emits: [task.craeted]")
    text = text.replace("{work:", "{wokr:").replace("{retry: standard}", "{retry: standart}")
    _, diagnostics = lint(text)
    assert [(each.code, each.suggestion) for each in diagnostics] == [
        ("T107", 'Did you mean "standard"?'),
        ("T105", 'Did you mean "events"?'),
        ("T106", 'Did you mean "task.created"?'),
        ("T104", 'Did you mean "work"?'),
    ]


def test_mistakes_of_shape_do_not_hide_unknown_names(lint: Lint, base: str) -> None:
    text = base.replace("{type: topic}", "{type: topci}").replace("{retry: standard}", "{retry: standart}")
    text = text.replace("{work:", "{wokr:")
    _, diagnostics = lint(text)
    assert [(each.code, each.path) for each in diagnostics] == [
        ("T107", "defaults.stage.retry"),
        ("T103", "exchanges.events.type"),
        ("T104", "stages.handle.from.wokr"),
    ]


@pytest.mark.parametrize("section", ["queues", "exchanges", "messages", "retries", "stages", "tests", "defaults"])
@pytest.mark.parametrize("value", ["5", "text", "[1]", "", "true"])
def test_section_of_the_wrong_shape_gets_a_finding(lint: Lint, base: str, section: str, value: str) -> None:
    head, _, rest = base.partition(f"\n{section}:\n")
    after = re.search(r"^\w", rest, flags=re.MULTILINE)
    _, diagnostics = lint(f"{head}\n{section}: {value}\n{rest[after.start() :] if after else ''}")
    assert any(each.path.startswith(section) and each.code == "T103" for each in diagnostics)


@pytest.mark.parametrize(
    ("old", "new", "code", "path", "text"),
    [
        ("{exchange: buried}", "maybe", "T103", "queues.work.dead_letter", "true or false or a mapping"),
        (
            "{exchange: buried}",
            "[buried]",
            "T103",
            "queues.work.dead_letter",
            "A list is not true or false or a mapping.",
        ),
        ("{exchange: buried}", "{exchnage: buried}", "T101", "queues.work.dead_letter.exchnage", '"exchange"'),
        ("{exchange: buried}", "{}", "T102", "queues.work.dead_letter.exchange", "missing"),
        ("{exchange: buried}", "{exchange: 5}", "T103", "queues.work.dead_letter.exchange", "Put it in quotes."),
        ('"models:first"', "5", "T103", "stages.handle.run[0]", '"5" is not a text.'),
        ('"models:first"', "[a]", "T103", "stages.handle.run[0]", "A list is not a text."),
        ('"models:first"', "{al: [a]}", "T101", "stages.handle.run[0].al", 'Did you mean "all"?'),
        ('"models:first"', "{all: a}", "T103", "stages.handle.run[0].all", "is not a list"),
        ('"models:first"', "{all: []}", "T103", "stages.handle.run[0].all", "at least 1 item"),
        ('"models:first"', "{all: [a, {}]}", "T103", "stages.handle.run[0].all[1]", "A mapping is not a text."),
        ("external: true", "external: maybe", "T103", "queues.grave.external", '"maybe" is not true or false.'),
        (
            "routing_key: task.created\n",
            "routing_key: 5\n",
            "T103",
            "queues.work.bindings[0].routing_key",
            '"5" is not a list',
        ),
        ("{work: [task.created]}", "[work]", "T103", "stages.handle.from", "A list is not a mapping."),
        ("{work: [task.created]}", "{}", "T103", "stages.handle.from", "at least 1 item"),
        ("{retry: standard}", "", "T103", "defaults.stage", "An empty value is not a mapping."),
        (
            "    external: true\n",
            "    external: true\n    ttl: {a: b}\n",
            "T103",
            "queues.grave.ttl",
            "write a number and a unit",
        ),
        (
            "    external: true\n",
            "    external: true\n    ttl: 999999999999999d\n",
            "T103",
            "queues.grave.ttl",
            "too long",
        ),
    ],
)
def test_value_of_the_wrong_shape_gets_one_finding_that_helps(
    lint: Lint, base: str, old: str, new: str, code: str, path: str, text: str
) -> None:
    assert old in base
    _, diagnostics = lint(base.replace(old, new, 1))
    assert [(each.code, each.path) for each in diagnostics] == [(code, path)], render(diagnostics)
    assert text in f"{diagnostics[0].detail} {diagnostics[0].suggestion}"


@pytest.mark.parametrize("argument", ["alternate-exchange", "hash-header"])
def test_argument_that_names_something_is_text(lint: Lint, base: str, argument: str) -> None:
    text = base.replace("{type: topic}", f"{{type: x-consistent-hash, arguments: {{{argument}: [a]}}}}")
    _, diagnostics = lint(text)
    assert [(each.code, each.path) for each in diagnostics] == [("T103", f"exchanges.events.arguments.{argument}")]


def test_long_values_are_cut(lint: Lint, base: str) -> None:
    for old, new in (
        ("{type: topic}", "{type: %s}"),
        ("[5s, 30s]", "[%s]"),
        ("[5s, 30s]", "[[%s]]"),
        ("emits: [", "emits: [%s, "),
    ):
        _, diagnostics = lint(base.replace(old, new % ("x" * 5000), 1))
        assert diagnostics
        assert all(len(each.detail) < 300 for each in diagnostics)
