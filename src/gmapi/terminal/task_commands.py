"""`gmapi tasks` and its subcommands."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from gmapi.terminal.command_line import (
    json_option,
    print_json,
    server_client,
    server_option,
    token_option,
)

if TYPE_CHECKING:
    from gmapi.terminal.client import ServerClient

STATES = ("pending", "running", "completed", "error", "cancelled")


@click.group(invoke_without_command=True)
@server_option
@token_option
@click.option("--state", type=click.Choice(STATES), help="Only tasks in this state.")
@click.option("--tool", help="Only tasks of this tool, such as ffmpeg.")
@click.option(
    "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many."
)
@json_option
@click.pass_context
def tasks(
    context: click.Context,
    server: str | None,
    token: str | None,
    state: str | None,
    tool: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the tasks of a running server, newest first."""
    if context.invoked_subcommand is not None:
        return
    from gmapi.terminal.task_table import print_tasks

    with server_client(server, token) as client:
        found, total = client.tasks(state=state, tool=tool, limit=limit)
    if as_json:
        print_json([task.raw for task in found])
    else:
        print_tasks(found, total)


@tasks.command()
@click.argument("task_id", metavar="ID")
@server_option
@token_option
@json_option
@click.pass_context
def show(
    context: click.Context, task_id: str, server: str | None, token: str | None, as_json: bool
) -> None:
    """Show one task and its log."""
    from gmapi.terminal.task_table import print_task

    with _client_of_group(context, server, token) as client:
        task = client.task(task_id)
    if as_json or _of_group(context, "as_json"):
        print_json(task.raw)
    else:
        print_task(task)


@tasks.command()
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True)
@server_option
@token_option
@click.pass_context
def cancel(
    context: click.Context, task_ids: tuple[str, ...], server: str | None, token: str | None
) -> None:
    """Cancel waiting or running tasks; finished ones stay as they are."""
    with _client_of_group(context, server, token) as client:
        for task_id in task_ids:
            task = client.cancel(task_id)
            # One that others have asked for, too, goes on for them: the message says so.
            said = task.status if task.is_finished else f"{task.status}. {task.message}"
            click.echo(f"{task_id}: {said}")


def _client_of_group(
    context: click.Context, server: str | None, token: str | None
) -> AbstractContextManager[ServerClient]:
    """The same for a subcommand, whose options may also stand before its name."""
    return server_client(
        server or _of_group(context, "server"), token or _of_group(context, "token")
    )


def _of_group(context: click.Context, name: str) -> Any:
    """An option that was given before the subcommand's name."""
    assert context.parent is not None
    return context.parent.params[name]
