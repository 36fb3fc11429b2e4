"""Commands that messages advise: each names the index where it would not be found without."""

from __future__ import annotations

import re

import click

from artsim.datatypes import shell_word

_NAMED = "artsim.named"  # where the context keeps the index that advised commands must name
_COMMAND = re.compile(r"(?<=')artsim ([a-z-]+)([^'\n]*)(?=')")


def must_name(index: str) -> None:
    """Note that commands about an index, by its path or address, find it only if they name it."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta.setdefault(_NAMED, set()).add(index)


def with_index(text: str) -> str:
    """Return a message whose commands, in quotes, name the only index that must be named."""
    context = click.get_current_context(silent=True)
    indexes: set[str] = context.meta.get(_NAMED, set()) if context is not None else set()
    if context is None or len(indexes) != 1:
        return text
    (index,) = indexes
    group = context.find_root().command
    commands = group.commands if isinstance(group, click.Group) else {}

    def named(match: re.Match[str]) -> str:
        name, rest = match.groups()
        command = commands.get(name)
        takes_one = command and any("--index" in option.opts for option in command.params)
        words = {word.strip() for word in rest.split()}
        is_named = words & {"--index", "--help", "--run", "INDEX"} or shell_word(index) in rest
        if not takes_one or is_named:
            return match[0]
        return f"artsim {name} --index {shell_word(index)}{rest}"

    return _COMMAND.sub(named, text)
