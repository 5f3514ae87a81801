"""`mlaround schema`."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> None:
    """Print the JSON schema of a campaign, by which editors complete and check the YAML."""
    from workflow.schema import schema_text

    click.echo(schema_text(), nl=False)
