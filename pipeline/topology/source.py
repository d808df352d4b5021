"""The text of a topology file."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.topology.diagnostics import Diagnostic

MAX_BYTES = 10_000_000
# Line ends as YAML has them, so that the parser's line numbers are ours.
# A password that was written into the file, by mistake: `{env: NAME}` and `${NAME}` are none.
_PASSWORD = re.compile(r"""(\bpassword["']?\s*:\s*)(?![\s{$#])(?:"[^"]*"|'[^']*'|[^,}#]+)""")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# What YAML 1.2, section 5.1, calls not printable, and the byte order mark, which is one only at the start.
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name, as the user gave it, and its text by lines, without line ends."""

    file: str
    text: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, text: str, file: str) -> Source:
        return cls(file, text, tuple(_LINE_END.split(text)))

    def diagnostic(
        self, code: str, line: int, column: int, length: int, *, path: str = "", detail: str = "", suggestion: str = ""
    ) -> Diagnostic:
        """A finding at a line and column, from 1. Its excerpt shows no password."""
        excerpt = _PASSWORD.sub(r"\1********", self.lines[line - 1]) if 0 < line <= len(self.lines) else ""
        return Diagnostic(code, self.file, line, column, length, path, detail, suggestion, excerpt)

    def position(self, index: int) -> tuple[int, int]:
        """Line and column, from 1, of a character of the text."""
        before = _LINE_END.split(self.text[:index])
        return len(before), len(before[-1]) + 1


def read_source(path: str | Path) -> Source | Diagnostic:
    """Read a file, or say why it can't be taken."""
    file = str(path)
    try:
        with Path(path).open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        return Diagnostic("T001", file, detail=f"{error.strerror or type(error).__name__}.", suggestion=_advice(error))
    except ValueError:
        return Diagnostic("T001", file, detail="A file's name holds no NUL character.")
    if len(content) > MAX_BYTES:
        return Diagnostic("T002", file, detail="It has more than 10 MB.")
    return decode(content, file)


def decode(content: bytes, file: str) -> Source | Diagnostic:
    """The text of a file's bytes, or why they are none."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Diagnostic("T003", file, detail="It is in UTF-16.", suggestion="Save it as UTF-8.")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        readable = Source.of(content.decode("utf-8", errors="replace"), file)
        line, column = readable.position(len(content[: error.start].decode("utf-8")))
        detail = f"The byte 0x{content[error.start]:02x} is not UTF-8."
        return readable.diagnostic("T003", line, column, 1, detail=detail, suggestion="Save it as UTF-8.")
    source = Source.of(text, file)
    control = _CONTROL.search(text)
    if control:
        line, column = source.position(control.start())
        detail = f"There is a control character (U+{ord(control[0]):04X}) here."
        return source.diagnostic("T003", line, column, 1, detail=detail, suggestion="Remove it.")
    return source


def _advice(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "Make one with `pipeline init`, or name yours in PIPELINE_TOPOLOGY."
    if isinstance(error, IsADirectoryError):
        return "Name the file in it."
    if isinstance(error, PermissionError):
        return "Let this user read it."
    return ""
