"""Networks grown at random, bus by bus, for laws that hold on every one of them.

One to three phases and four wires, transformers in all connections, banks of regulators,
capacitors, loads in wye and delta that follow the voltage in every way, loops, a second
source. Lines are as long, and loads as large, as leaves the voltage a solution.
"""

from __future__ import annotations

from hypothesis import strategies as st

from gridmodel.network.network import Network
from tests.simulators.power_flow.random_branches import Branches
from tests.simulators.power_flow.random_injections import Injections


class Grower(Branches, Injections):
    """Grows a network from its source."""


@st.composite
def networks(
    draw: st.DrawFn, meshed: bool = True, controls: bool = False, most_branches: int = 8
) -> Network:
    """Draw a network.

    Parameters
    ----------
    meshed : bool
        It may have loops and a second source.
    controls : bool
        Its regulators and capacitors may be controlled.
    most_branches : int
        Most buses beside the source's.
    """
    grower = Grower(draw, controls)
    for _ in range(draw(st.integers(1, most_branches))):
        grower.branch()
    for _ in range(draw(st.integers(0, 2)) if meshed else 0):
        grower.loop()
    if meshed and draw(st.booleans()):
        grower.second_source()
    for _ in range(draw(st.integers(0, 2))):
        grower.earthing()
    for _ in range(draw(st.integers(1, 5))):
        grower.load()
    for _ in range(draw(st.integers(0, 2))):
        grower.capacitor()
    for _ in range(draw(st.integers(0, 2))):
        grower.generator()
    return Network(name="grown", **{key: tuple(found) for key, found in grower.groups.items()})
