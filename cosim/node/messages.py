"""Messages between a simulation and a node that runs outside it.

The simulation asks, the node answers. They are JSON, whose numbers keep every bit of a
float, so that a line can be read by a person and written by any language; frames of the
radio are in hexadecimal. Every message has a number: a question that is asked twice, as its
answer was lost, is answered once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from gridmodel.control import Alarm
from gridmodel.errors import BorderError
from gridmodel.ports import InverterState, Measurement, ReceivedFrame

#: Version of the messages; both ends must have the same.
VERSION = 1


class Truth(NamedTuple):
    """What is there to be measured at one place, before any converter: root mean squares."""

    v_v: float
    i_a: float
    p_kw: float
    f_hz: float


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

    t_us: int
    factor: float | None
    relays: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hello:
    """The node's first word: who it is, and what it cannot do without."""

    node: str
    controller: str
    meters: tuple[str, ...]
    relays: tuple[str, ...]
    inverter: bool
    version: int = VERSION


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
    """

    number: int
    kind: Literal["step", "boot", "end"]
    t_us: int
    readings: Mapping[str, Measurement] = field(default_factory=dict)
    truth: Mapping[str, Truth] = field(default_factory=dict)
    relays: Mapping[str, bool] = field(default_factory=dict)
    frames: Sequence[ReceivedFrame] = ()
    inverter: InverterState | None = None
    temp_c: float | None = None


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

    number: int
    t_us: int
    relays: Mapping[str, bool] = field(default_factory=dict)
    sent: Sequence[tuple[bytes, int]] = ()
    wake_us: int = 0
    state: int = 0
    alarms: Sequence[Alarm] = ()
    p_set_kw: float | None = None
    kpis: Mapping[str, float] = field(default_factory=dict)
    write_count: int = 0
    own: bool = False


@dataclass(frozen=True, slots=True)
class Farewell:
    """The node's last word: why it ends, and the contacts it leaves."""

    why: str
    relays: Mapping[str, bool] = field(default_factory=dict)


Word = Start | Hello | Ask | Answer | Farewell
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Start, Hello, Ask, Answer, Farewell)
}


def encode(word: Word) -> bytes:
    """Return a message as one line of JSON."""
    kind = type(word)
    data = {name: getattr(word, name) for name in kind.__slots__}
    return json.dumps([kind.__name__, data], default=_hexadecimal, separators=(",", ":")).encode()


def decode(data: bytes) -> Word:
    """Return the message in some bytes.

    Raises
    ------
    BorderError
        If it is none of this version.
    """
    try:
        name, fields = json.loads(data)
        word: Word = _KINDS[name](**{key: _typed(key, value) for key, value in fields.items()})
        if not all(isinstance(getattr(word, key, 0), int) for key in ("number", "t_us")):
            raise TypeError("its number and instant are whole numbers")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BorderError(
            f"{data[:60]!r} is no message of version {VERSION} between a node and a simulation "
            f"({type(error).__name__}: {error}). Do both ends run the same feedertwin?"
        ) from error
    return word


def _hexadecimal(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r} cannot be sent")
    return value.hex()


def _typed(key: str, value: Any) -> Any:
    """Return a field of a message with its own types."""
    if key == "readings":
        return {name: Measurement(*row) for name, row in value.items()}
    if key == "truth":
        return {name: Truth(*row) for name, row in value.items()}
    if key == "frames":
        return tuple(ReceivedFrame(t, bytes.fromhex(data), *rest) for t, data, *rest in value)
    if key == "sent":
        return tuple((bytes.fromhex(data), airtime) for data, airtime in value)
    if key == "alarms":
        return tuple(Alarm(*row) for row in value)
    if key == "inverter":
        return InverterState(*value) if isinstance(value, list) else value
    if isinstance(value, list):
        return tuple(value)
    return value
