"""The command `pipeline`: parse, call, print. Every outcome ends in one of the exit codes of `pipeline.errors`."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from pipeline.cli.commands import app
from pipeline.cli.console import print_error, stderr
from pipeline.errors import ExitCode, PipelineError
from pipeline.topology.diagnostics import InvalidTopology, render

_TYPER_WRONG_USAGE = 2


def main() -> None:
    """Entry point: never a traceback at a user, and Typer's own exit code 2 mapped to 64."""
    sys.exit(_run())


def _run() -> int:
    try:
        result = app(standalone_mode=False)
    except InvalidTopology as invalid:
        stderr.print(render(invalid.diagnostics), markup=False)
        return invalid.exit_code
    except PipelineError as error:
        print_error(error)
        return error.exit_code
    except ValidationError as invalid:
        print_error(_about_settings(invalid))
        return ExitCode.ERROR
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.DONE
    except Exception as error:
        # Typer's own exceptions, which it keeps private, are told by what they can do.
        if not hasattr(error, "show") or not hasattr(error, "exit_code"):
            raise
        from typer.rich_utils import rich_format_error  # Markdown, syntax highlighting: for this case only.

        rich_format_error(error)  # type: ignore[arg-type]
        return ExitCode.WRONG_USAGE if error.exit_code == _TYPER_WRONG_USAGE else ExitCode.ERROR
    return result if isinstance(result, int) else ExitCode.DONE


def _about_settings(invalid: ValidationError) -> PipelineError:
    problems = "; ".join(
        f"{str(error['loc'][0]).upper()}: {error['msg']}" for error in invalid.errors() if error["loc"]
    )
    return PipelineError(f"The environment has settings that make no sense: {problems}")
