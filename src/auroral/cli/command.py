"""Commands as auroral shows them: loaded when they are used, options grouped by topic."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from auroral.config import Setting

WIDTH = 80
HELP_OPTIONS = ["-h", "--help"]


class Group(click.Group):
    """A group whose commands are imported when they are used: `name → (module:attribute, short help)`."""

    def __init__(self, name: str, *, lazy: Mapping[str, tuple[str, str]] | None = None, **attributes: Any) -> None:
        settings = {"max_content_width": WIDTH}
        super().__init__(
            name, context_settings=settings, invoke_without_command=True, callback=_no_command, **attributes
        )
        self._lazy = dict(lazy or {})

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Name the help option, as `Command` does."""
        return list(HELP_OPTIONS)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which they were added."""
        return [*self._lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command, importing it."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, attribute = self._lazy[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        rows = [(name, words) for name, (_, words) in self._lazy.items()]
        rows += [(name, command.get_short_help_str(WIDTH)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; suggest one where there is none."""
        from auroral.config import did_you_mean

        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f"no command {name}{did_you_mean(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.pass_context
def _no_command(context: click.Context) -> None:
    """Show a group's commands where none was named: that is wrong usage."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


class SettingOption(click.Option):
    """The flag of one setting. It takes any text: `auroral.config` judges all layers at once."""

    def __init__(self, setting: Setting) -> None:
        flag = f"--{setting.name}"
        default = setting.text(setting.default)
        facts = "" if default == "none" else f"default: {default}; "
        attributes: dict[str, Any] = {"help": f"{setting.help}  [{facts}{setting.environment[0]}]", "default": None}
        if setting.flag:
            flag += f"/--no-{setting.name}"
        else:
            attributes |= {"metavar": setting.metavar, "multiple": setting.multiple}
        super().__init__([setting.name.replace("-", "_"), flag], **attributes)
        self.setting = setting


class Command(click.Command):
    """A command whose errors know which command they are of."""

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Name the help option: click keeps the one that a command's first context, whoever made it, would give."""
        return list(HELP_OPTIONS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments. click's parser leaves the context out of some of its errors."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


class SettingCommand(Command):
    """A command whose options include settings, listed by their topics."""

    def __init__(self, name: str, *, settings: Sequence[Setting], **attributes: Any) -> None:
        params = [*(SettingOption(setting) for setting in settings), *attributes.pop("params", [])]
        super().__init__(name, params=params, context_settings={"max_content_width": WIDTH}, **attributes)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options by topic, in the order of the table."""
        topics: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                topic = param.setting.group if isinstance(param, SettingOption) else "Options"
                topics.setdefault(topic, []).append(record)
        for topic, records in topics.items():
            with formatter.section(topic):
                formatter.write_dl(records)


def flags_given(context: click.Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the settings' flags from a command's parameters, by the settings' names."""
    return {
        option.setting.name: params[option.name]
        for option in context.command.params
        if isinstance(option, SettingOption) and option.name is not None and params.get(option.name) not in (None, ())
    }
