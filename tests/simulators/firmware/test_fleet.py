"""Firmware fleet as a whole: its contacts, its cells, its figures, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from gridmodel.codes import Side
from gridmodel.control import Decisions
from gridmodel.errors import ScenarioError
from gridmodel.federate import Message
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.lora import Modem
from tests.simulators.bench import S, kpi
from tests.simulators.firmware.nodes import NEVER_US, Nodes, Probe
from tests.simulators.firmware.street_fleet import HOUSES, each_second, frame_to
from tests.simulators.radio.air import in_a_row

# contacts


def test_contacts_are_closed_at_the_start_and_told_when_they_move(street):
    def shed(probe: Probe, now_us: int) -> Decisions:
        moves = {"normal": False, "deferrable": False} if probe.seat.address == 4 and now_us else {}
        return Decisions(NEVER_US if now_us else 2 * S, relays=moves)

    nodes = Nodes(street, shed).until(5 * S)
    (start, first), (moved_us, second) = nodes.sent("closed")
    assert (start, moved_us) == (0, 2 * S)
    assert first.all()
    expected = np.ones((HOUSES, 3), bool)
    expected[3, 1:] = False
    assert (second == expected).all()
    assert nodes.sent("switched") == [(2 * S, [Message(2 * S, "node", {"nodes": ("house_04",)})])]
    assert kpi(nodes.part, "move_count") == 1


def test_a_command_to_stay_is_no_move(street):
    def stay(probe: Probe, now_us: int) -> Decisions:
        return Decisions(now_us + S, relays=dict.fromkeys(("critical", "normal"), True))

    nodes = Nodes(street, stay).until(5 * S)
    assert not nodes.sent("switched")
    assert kpi(nodes.part, "move_count") == 0


def test_customers_without_a_node_are_connected_and_on_the_grid(street):
    def off(probe: Probe, now_us: int) -> Decisions:
        open_all = dict.fromkeys(("critical", "normal", "deferrable", "grid"), False)
        return Decisions(NEVER_US, relays=open_all)

    nodes = Nodes(street, off, at=("house_02", "house_09"), transfer_switch=True).until(0)
    served = nodes.sent("closed")[-1][1].any(axis=1)
    assert np.flatnonzero(~served).tolist() == [1, 8]
    side = nodes.sent("side")[-1][1]
    assert np.flatnonzero(side == Side.NOWHERE).tolist() == [1, 8]
    assert (np.delete(side, [1, 8]) == Side.GRID).all()


# cells


def test_a_street_of_more_than_254_nodes_has_cells_with_addresses_and_channels_of_their_own():
    nodes = Nodes(in_a_row({f"h{k:03}": 10.0 * k for k in range(300)}), v_v=np.full(300, 230.0))
    seats = [probe.seat for probe in nodes.probes]
    assert [seat.address for seat in seats] == [*range(1, 255), *range(1, 47)]
    assert [seat.cell for seat in seats] == [0] * 254 + [1] * 46
    assert [seat.modem.frequency_mhz for seat in seats] == [868.1] * 254 + [868.3] * 46
    assert seats[299].peers == tuple(f"h{k:03}" for k in range(254, 300))


def test_a_coordinator_has_a_program_for_every_cell_and_the_first_commands_the_inverter(street):
    def command(probe: Probe, now_us: int) -> Decisions:
        frames = [frame_to(1, bytes([probe.seat.cell]))]
        return Decisions(NEVER_US, p_set_kw=10.0 + probe.seat.cell, frames=frames)

    nodes = Nodes(
        street, command, at=("house_02",), relays=False, inverter=True, cells=CellPlan(size=5),
        modem=Modem(frequency_mhz=865.1),
    ).until(0)  # fmt: skip
    assert [probe.seat.cell for probe in nodes.probes] == [0, 1, 2]
    assert [probe.seat.address for probe in nodes.probes] == [0, 0, 0]
    assert nodes.sent("p_set_kw") == [(0, 10.0)]
    frequencies = [m.data["modem"][list(Modem.model_fields).index("frequency_mhz")]
                   for m in nodes.sent("transmit")[0][1]]  # fmt: skip
    assert frequencies == pytest.approx([865.1, 865.3, 865.5])


# figures and states


def test_figures_of_programs_are_added_if_they_are_counts_and_else_the_greatest(street):
    nodes = Nodes(street, each_second).until(9 * S)
    assert kpi(nodes.part, "turn_count") == 10 * HOUSES
    assert kpi(nodes.part, "address_max_pu") == HOUSES


def test_states_of_all_programs_are_told_when_one_of_them_ran(street):
    def show(probe: Probe, now_us: int) -> Decisions:
        return Decisions(NEVER_US, state=probe.seat.address + 20 * len(probe.turns))

    nodes = Nodes(street, show).receive(S, frame_to(5), 4).until(3 * S)
    (_, first), (later_us, second) = nodes.sent("state")
    assert first.tolist() == [20 + address for address in range(1, 14)]
    assert later_us == S
    assert second.tolist() == [20 + a if a != 5 else 45 for a in range(1, 14)]


# faults


def test_nodes_at_houses_that_are_not_there_are_refused_all_at_once(street):
    with pytest.raises(ScenarioError) as error:
        Nodes(street, at=("house_01", "hous_02", "house_99"))
    assert len(error.value.faults) == 2
    assert "Did you mean 'house_02'?" in str(error.value)


def test_a_modem_that_may_not_send_as_it_is_set_is_a_fault(street):
    with pytest.raises(ScenarioError) as told:
        Nodes(street, modem=Modem(tx_power_dbm=27.0), at=("nobody",))
    text = str(told.value)
    assert "cell 0: 27 dBm" in text
    assert "no customer 'nobody'" in text
