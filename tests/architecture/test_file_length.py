"""At 400 lines, ask what the second noun is."""

from tests.conftest import ROOT

ROOMS = ("gridmodel", "simulators", "controllers", "hardware_bridges", "cosim")


def test_no_file_is_longer_than_400_lines():
    long = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if len(path.read_text().splitlines()) > 400
    }
    assert not long
