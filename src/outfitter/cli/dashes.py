"""A command line with another command after `--`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand

if TYPE_CHECKING:
    import typer

_KEY: Final = "outfitter.words_after_dashes"


class CommandWithDashes(TyperCommand):
    """A command whose options and arguments end at `--`. The parser would join the words after it to the arguments."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See TyperCommand."""
        place = args.index("--") if "--" in args else len(args)
        ctx.meta[_KEY] = args[place + 1 :]
        return super().parse_args(ctx, args[:place])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """See TyperCommand."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


def words_after_dashes(ctx: typer.Context) -> list[str]:
    """Return the words after `--` on the command line."""
    return list(ctx.meta.get(_KEY, ()))
