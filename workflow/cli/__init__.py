"""The command line: one small module per command, loaded when it is called.

Results go to stdout, progress and messages to stderr. Nothing here imports numpy, pydantic or rich
before a command needs it, so that `mlaround --help` and `status` answer at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from workflow.cli.failures import INTERRUPTED, USAGE, Failure, failure_of, unexpected
from workflow.cli.typed import typed
from workflow.words import suggestion

COMMANDS = (
    *("init", "validate", "plan", "run", "resume", "status", "stop"),
    *("pause", "budget", "kill", "retry", "promote", "add"),
    *("results", "models", "predict", "simulate", "report", "dashboard", "doctor", "schema"),
)


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"workflow.cli.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, but a mistyped command is answered with the nearest."""
        if not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(f"there is no command `{args[0]}`; {suggestion(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Click's own, but the reader of a pipe, `head` say, may leave when it has seen enough."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would end with 1
            # Python would flush into the closed pipe once more at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mlaround", message="%(prog)s %(version)s")
@click.option("--verbose", is_flag=True, help="Show the traceback of an unexpected error.")
def cli(verbose: bool) -> None:
    """Simulation campaigns with machine-learned surrogates whose answers can be trusted.

    Begin with `mlaround init`, then `mlaround run campaign.yaml`.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code (see `workflow.cli.failures`)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # Closed ones, as `>&-` leaves them, are `None`.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    try:
        code = cli.main(args=list(arguments), prog_name="mlaround", standalone_mode=False) or 0
    except (click.Abort, KeyboardInterrupt):
        click.echo(typed("interrupted\nnext: mlaround status"), err=True)
        code = INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "mlaround"
        failure = Failure(error.format_message(), USAGE, f"{command} --help")
        failure.show()
        code = failure.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception as error:
        failure = failure_of(error) or unexpected(error, verbose="--verbose" in arguments)
        failure.show()
        code = failure.exit_code
    sys.exit(code)
