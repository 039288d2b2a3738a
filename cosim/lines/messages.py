"""Messages between a simulation and a node that runs outside it.

The simulation asks, the node answers. They are JSON, whose numbers keep every bit of a
float, so that a line can be read by a person and written by any language; frames of the
radio are in hexadecimal. A message is its kind, its fields, and the session it belongs to:
``["Ask",{"number":7,...},"9f3a61c2"]``. A question has a number, so that one that is asked twice,
as its answer was lost, is answered once; a session is one simulation with one node, so that
neither end takes the words of an earlier one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from annotated_types import Ge, Le, MaxLen
from pydantic import AfterValidator, ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from gridmodel.control import Alarm
from gridmodel.errors import BorderError
from gridmodel.ports import InverterState, Measurement, ReceivedFrame

#: Version of the messages; both ends must have the same.
VERSION = 2
_CHECKED = ConfigDict(extra="forbid", strict=True, val_json_bytes="hex")
_NAME = re.compile(rb'\s*\[\s*"(\w+)"\s*,')
_FAULTS_TOLD = 3
_Row = TypeVar("_Row", bound=tuple[Any, ...])


def _finite(row: _Row) -> _Row:
    """Refuse what no meter, inverter or receiver gives."""
    if not all(math.isfinite(value) for value in row if isinstance(value, float)):
        raise ValueError(f"its values are finite, not {tuple(row)}")
    return row


def _bounds(alarm: Alarm) -> Alarm:
    """Refuse bounds that are no numbers; one that is endless is never left."""
    if any(math.isnan(value) for value in alarm[1:]):
        raise ValueError(f"its bounds are numbers, not {tuple(alarm)}")
    return alarm


class Truth(NamedTuple):
    """What is there to be measured at one place, before any converter: root mean squares."""

    v_v: float
    i_a: float
    p_kw: float
    f_hz: float


Instant = Annotated[int, Ge(0), Le((1 << 63) - 1)]
Count = Instant
Frame = Annotated[bytes, MaxLen(255)]
Reading = Annotated[Measurement, AfterValidator(_finite)]
TruthAt = Annotated[Truth, AfterValidator(_finite)]
Heard = Annotated[ReceivedFrame, AfterValidator(_finite)]
Inverter = Annotated[InverterState, AfterValidator(_finite)]
Bounds = Annotated[Alarm, AfterValidator(_bounds)]


@dataclass(frozen=True, slots=True)
class Start:
    """The simulation's first word.

    Parameters
    ----------
    t_us : int
        Its present instant. [us]
    factor : float or None
        Wall-clock seconds a simulated second takes; None if time stands still between
        questions.
    relays : mapping
        Contacts as they are at the start.
    """

    __pydantic_config__ = _CHECKED

    t_us: Instant
    factor: FiniteFloat | None
    relays: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hello:
    """The node's first word: who it is, and what it cannot do without.

    Parameters
    ----------
    node, controller : str
        Names of the node and of its controller.
    meters, relays : tuple of str
        Their names.
    inverter : bool
        It has one.
    version : int
        Of the messages.
    place : str
        Which process on which computer it is; another one has another place.
    """

    __pydantic_config__ = _CHECKED

    node: str
    controller: str
    meters: tuple[str, ...]
    relays: tuple[str, ...]
    inverter: bool
    version: int = VERSION
    place: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: what the node's hardware meets at an instant.

    Parameters
    ----------
    number : int
        Counts up with each question.
    kind : str
        ``step``: read, decide and act. ``boot``: power has come back. ``end``: the run is over.
    t_us : int
        The instant. [us]
    readings : mapping
        Readings of simulated converters, by meter.
    truth : mapping
        What emulated converters have to convert, by meter; empty if the simulation does not
        know.
    relays : mapping
        Contacts as the simulation has them.
    frames : sequence of ReceivedFrame
        What the radio has heard since the last question.
    inverter : InverterState or None
        State of the node's inverter.
    temp_c : float or None
        Temperature beside the contacts. [deg C]
    frame_count : int
        How many frames were heard before ``frames``; those of a question that was not answered
        come again with the next one, and the node drops what it has had.
    boot_count : int
        How often its power has come back so far; the node that has missed one boots now.
    """

    __pydantic_config__ = _CHECKED

    number: Count
    kind: Literal["step", "boot", "end"]
    t_us: Instant
    readings: Mapping[str, Reading] = field(default_factory=dict)
    truth: Mapping[str, TruthAt] = field(default_factory=dict)
    relays: Mapping[str, bool] = field(default_factory=dict)
    frames: tuple[Heard, ...] = ()
    inverter: Inverter | None = None
    temp_c: FiniteFloat | None = None
    frame_count: Count = 0
    boot_count: Count = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node did.

    Parameters
    ----------
    number : int
        Of the question; of the last one if the node acted on its own.
    t_us : int
        The node's own instant. [us]
    relays : mapping
        Contacts that are not as the question had them.
    sent : sequence of (bytes, int)
        Frames given to the air, with their airtime. [us]
    wake_us : int
        When it must be asked again at the latest. [us]
    state : int
        Code of its state.
    alarms : sequence of Alarm
        Readings that must wake it earlier.
    p_set_kw : float or None
        Power wanted of its inverter. [kW]
    kpis : mapping
        The controller's key figures by name.
    write_count : int
        How often it has written to its flash.
    own : bool
        The node acted by its own clock, as no question came.
    """

    __pydantic_config__ = _CHECKED

    number: Count
    t_us: Instant
    relays: Mapping[str, bool] = field(default_factory=dict)
    sent: tuple[tuple[Frame, Count], ...] = ()
    wake_us: Instant = 0
    state: Annotated[int, Ge(0), Le(255)] = 0
    alarms: tuple[Bounds, ...] = ()
    p_set_kw: FiniteFloat | None = None
    kpis: Mapping[str, FiniteFloat] = field(default_factory=dict)
    write_count: Count = 0
    own: bool = False


@dataclass(frozen=True, slots=True)
class Farewell:
    """The node's last word: why it ends, and the contacts it leaves."""

    __pydantic_config__ = _CHECKED

    why: str
    relays: Mapping[str, bool] = field(default_factory=dict)


Word = Start | Hello | Ask | Answer | Farewell
_KINDS: tuple[type[Any], ...] = (Start, Hello, Ask, Answer, Farewell)
_READERS: dict[str, TypeAdapter[tuple[str, Word, str]]] = {
    kind.__name__: TypeAdapter(tuple[str, kind, str])  # type: ignore[valid-type]
    for kind in _KINDS
}


class Message(NamedTuple):
    """A word, and the session in which it was said; empty before there is one."""

    word: Word
    session: str


def encode(word: Word, session: str = "") -> bytes:
    """Return a message as one line of JSON."""
    kind = type(word)
    data = {name: getattr(word, name) for name in kind.__slots__}
    text = [kind.__name__, data, session]
    return json.dumps(text, default=_hexadecimal, separators=(",", ":")).encode()


def unpack(data: bytes) -> Message:
    """Return the message in some bytes, with every field checked.

    Raises
    ------
    BorderError
        If it is none of this version; names the fields that are wrong.
    """
    name = _NAME.match(data)
    reader = _READERS.get(name[1].decode()) if name is not None else None
    if reader is None:
        raise _refusal(data, f"it begins with none of {', '.join(_READERS)}")
    try:
        _, word, session = reader.validate_json(data)
    except ValidationError as error:
        faults = [_told(fault["loc"], fault["msg"]) for fault in error.errors(include_url=False)]
        more = f" and {len(faults) - _FAULTS_TOLD} more" if len(faults) > _FAULTS_TOLD else ""
        raise _refusal(data, "; ".join(faults[:_FAULTS_TOLD]) + more) from error
    return Message(word, session)


def decode(data: bytes) -> Word:
    """Return the word in some bytes, whatever its session; raises as `unpack` does."""
    return unpack(data).word


def _told(place: tuple[int | str, ...], problem: str) -> str:
    """Return a fault with its field: ``sent.0.1: Input should be a valid integer``."""
    field_name = "session" if place[:1] == (2,) else ".".join(str(part) for part in place[1:])
    return f"{field_name}: {problem}" if field_name else problem


def _refusal(data: bytes, why: str) -> BorderError:
    return BorderError(
        f"{data[:60]!r} is no message of version {VERSION} between a node and a simulation "
        f"({why}). Do both ends run the same feedertwin?"
    )


def _hexadecimal(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r} cannot be sent")
    return value.hex()
