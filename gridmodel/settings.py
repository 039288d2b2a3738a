"""Base of every configuration a person writes: strict, closed, frozen, documented."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from gridmodel.errors import Fault

#: Where a value stands in a nested document: keys and list positions.
Path = tuple[str | int, ...]


class Settings(BaseModel):
    """A block of YAML. Unknown keys, NaN, infinities and text for numbers are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        strict=True,
        validate_default=True,
    )


#: Names listed in a text before it is cut.
MOST_NAMES = 15

S = TypeVar("S", bound=Settings)


def parse(model: type[S], data: Any) -> S:
    """Return the settings that plain data (mappings, lists, numbers, text) describe.

    Raises
    ------
    pydantic.ValidationError
        With every fault; `faults_of` turns it into ours.
    """
    # The JSON mode of strict validation takes a list for a tuple and 1 for 1.0, and
    # nothing else for anything else: what a person means when writing YAML.
    return model.model_validate_json(json.dumps(data, default=str))


def faults_of(
    error: ValidationError,
    model: type[BaseModel],
    where: Callable[[Path], str],
    above: Path = (),
) -> list[Fault]:
    """Return pydantic's findings as faults a person can act on.

    Parameters
    ----------
    error : pydantic.ValidationError
        The findings.
    model : type
        The model that was validated, for its keys and their meaning.
    where : callable
        Gives the place of a path, ``file:line``.
    above : tuple
        Path of the block within its document.
    """
    return [_fault(item, model, where, above) for item in error.errors(include_url=False)]


def near(given: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'x'?`` for a likely typo, else the list of what is known."""
    known = sorted(known)
    close = get_close_matches(given, known, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    kin = [name for name in known if "." in name and name.split(".")[0] == given.split(".")[0]]
    known = kin or known
    more = ", ..." if len(known) > MOST_NAMES else ""
    return f"Known are {', '.join(known[:MOST_NAMES])}{more}." if known else ""


def dotted(path: Path) -> str:
    """Return a path as text: ``federates.lora.modem``, ``events[2].t_h``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _fault(item: Any, model: type[BaseModel], where: Callable[[Path], str], above: Path) -> Fault:
    path: Path = item["loc"]
    owner = _owner(model, path)
    key = str(path[-1]) if path else ""
    place = where((*above, *path))
    name = dotted((*above, *path))
    kind = item["type"]
    if kind == "extra_forbidden":
        known = () if owner is None else owner.model_fields
        return Fault(place, name, f"there is no key '{key}' here.", near(key, known))
    if kind == "missing":
        about = ""
        if owner is not None and key in owner.model_fields:
            about = owner.model_fields[key].description or ""
        return Fault(place, name, "is missing.", f"It is the {about}." if about else "")
    given = json.dumps(item["input"], default=str)
    given = given if len(given) <= 60 else given[:57] + "..."
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    advice = f"Allowed is {message}." if item["msg"].startswith("Input should") else f"{message}."
    if kind == "literal_error" and isinstance(item["input"], str):
        choices = [
            part.strip(" '") for part in item["ctx"]["expected"].replace(" or ", ",").split(",")
        ]
        advice = (
            f"{advice} {near(item['input'], choices)}"
            if near(item["input"], choices).startswith("Did")
            else advice
        )
    return Fault(place, name, f"{given} was given.", advice)


def _owner(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the model that the last key of a path belongs to, if it is a model's."""
    here: Any = model
    for part in path[:-1]:
        fields = getattr(here, "model_fields", None)
        if fields is None:  # in a list or a mapping, whose own keys say nothing
            here = _plain(get_args(here)[-1 if isinstance(part, str) else 0])
        else:
            here = _plain(fields[part].annotation) if part in fields else None
        if here is None:
            return None
    return here if hasattr(here, "model_fields") else None


def _plain(annotation: Any) -> Any:
    """Return what a block may hold: its model, its list or its mapping, without `None`."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _plain(next(kind for kind in get_args(annotation) if kind is not NoneType))
    return annotation
