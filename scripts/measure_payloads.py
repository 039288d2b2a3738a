"""Measure states and commands over MQTT: bytes, and time to write and to read one.

    python scripts/measure_payloads.py

Prints the table of docs/reference/mqtt.md. The values are those of an ordinary day; times are
the best of five rounds.
"""

from __future__ import annotations

import sys
import timeit
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hardware_bridges.mqtt import content
from hardware_bridges.mqtt.message import Message
from hardware_bridges.mqtt.mqtt_config import Encoding

#: Microseconds since 1970 or since the program's start: the longer of the two.
NOW_US = 1_795_304_275_123_456
EXAMPLES: list[tuple[content.Shape, dict[str, Any]]] = [
    (
        content.METER_STATE,
        {
            "t_us": NOW_US, "v_v": 231.41999999999996, "i_a": 4.248735,
            "p_kw": -0.9812700000000001, "f_hz": 49.985,
        },
    ),
    (content.RELAY_STATE, {"closed": True, "t_us": NOW_US}),
    (content.RELAY_COMMAND, {"closed": False}),
    (
        content.INVERTER_STATE,
        {"p_kw": 1.2345678901234567, "soc_pu": 0.612, "p_max_kw": 5.0, "e_kwh": 13.5,
         "t_us": NOW_US},
    ),
    (content.INVERTER_COMMAND, {"p_kw": -1.25}),
]  # fmt: skip
ROUNDS, COUNT = 5, 20_000


def measured(shape: content.Shape, fields: dict[str, Any], encoding: Encoding) -> tuple[float, ...]:
    """Return bytes, and microseconds to write and to read."""
    payload = content.encode("topic", shape, fields, encoding)
    message = Message("topic", payload, content_type=content.content_type(encoding))
    assert content.decode(message, shape) == fields
    write = timeit.repeat(
        lambda: content.encode("topic", shape, fields, encoding), repeat=ROUNDS, number=COUNT
    )
    read = timeit.repeat(lambda: content.decode(message, shape), repeat=ROUNDS, number=COUNT)
    return len(payload), 1e6 * min(write) / COUNT, 1e6 * min(read) / COUNT


def main() -> None:
    """Print the table."""
    print("| message | JSON | protobuf | written in, JSON / protobuf | read in, JSON / protobuf |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for shape, fields in EXAMPLES:
        found = {encoding: measured(shape, fields, encoding) for encoding in get_args(Encoding)}
        one, other = found["json"], found["protobuf"]
        print(
            f"| `{shape.message}` | {one[0]} B | {other[0]} B | {one[1]:.1f} / {other[1]:.1f} us "
            f"| {one[2]:.1f} / {other[2]:.1f} us |"
        )


if __name__ == "__main__":
    main()
