"""``feedertwin inverter sets``: published rule sets, value by value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cosim.cli.console import out, print_table
from gridmodel.errors import Fault, InputError
from gridmodel.settings import near

if TYPE_CHECKING:
    from simulators.inverters.standard.rule_sets import RuleSet

#: What a threshold that is never passed is shown as, and the time to clear it.
_NONE, _NO_TIME = "none", "-"
_UNLIMITED = "unlimited"
_FOOTNOTE = "none and unlimited: 1e9 in a file; of a voltage that is a lower threshold, -1"


def sets_command(
    name: Annotated[str, typer.Argument(help="A rule set; all their names if left out.")] = "",
) -> None:
    """List the rule sets, or one set's values, each with its clause."""
    from simulators.inverters.standard.rule_sets import names, rule_set

    if not name:
        rows = [(one, rule_set(one).rules.title) for one in names()]
        print_table("", ("set", "what it is"), rows)
        return
    if name not in names():
        fault = Fault(name, "", "there is no such rule set.", near(name, names()))
        raise InputError("rule set cannot be shown", [fault])
    found = rule_set(name)
    title, source = escape(found.rules.title), escape(found.rules.source)
    out.print(f"[bold]{title}[/]\n{source}\n", soft_wrap=True)
    values = found.rules.model_dump(mode="json")
    table = [(key, readable(key, values), told_clause(found, key)) for key in found.clauses]
    print_table("", ("value", "is", "clause"), table)
    if any(word in row[1] for row in table for word in (_NONE, _UNLIMITED)):
        out.print(f"[dim]{_FOOTNOTE}[/]", soft_wrap=True)


def readable(key: str, values: Mapping[str, Any]) -> str:
    """Return a value of a rule set as a person reads it.

    A threshold that is never passed is *none* and has no clearing time, a rate that is
    never reached is *unlimited*.

    Parameters
    ----------
    key : str
        Its dotted key, ``trip.over_v_pu``.
    values : mapping
        All values of the set, nested.
    """
    value = _at(values, key)
    if not isinstance(value, list | tuple):
        return _word(key, value)
    words = [_word(key, one) for one in value]
    for threshold in (f"{key.removesuffix('_s')}{unit}" for unit in ("", "_pu")):
        passed = _at(values, threshold) if key.endswith("_s") else None
        if isinstance(passed, list | tuple):
            never = [_word(threshold, one) == _NONE for one in passed]
            words = [_NO_TIME if no else word for word, no in zip(words, never, strict=True)]
    return ", ".join(words)


def told_clause(found: RuleSet, key: str) -> str:
    """Return a value's clause; of a value taken over from another document, with its name."""
    from simulators.inverters.standard.rule_sets import rule_set

    clause, origin = found.clauses[key], rule_set(found.origins[key])
    own, other = (one.rules.title.partition(",")[0] for one in (found, origin))
    return clause if own == other else f"{other}, {clause}"


def _at(values: Any, key: str) -> Any:
    """Return the value at a dotted key, or nothing."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _word(key: str, value: Any) -> str:
    from simulators.inverters.standard.rules import NEVER_UNDER, OFF

    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if value >= OFF:
        return _UNLIMITED if key.endswith("_per_min") else _NONE
    if value == NEVER_UNDER and key.endswith("under_v_pu"):
        return _NONE
    return f"{value:g}"
