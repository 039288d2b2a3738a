"""The meter port's contract: what every body that runs here must do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from gridmodel.control import Terminal
from gridmodel.metering import Calibration, MeterScale, meter
from gridmodel.ports import Measurement, Meter
from gridmodel.waveform import DARK, Waveform, window
from hardware_bridges.claims import ClaimError, Claims
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.meter.config import SampledMeterConfig
from hardware_bridges.meter.emulated import EmulatedMeter
from hardware_bridges.meter.pi import PiMeter
from hardware_bridges.meter.simulated import SimulatedMeter
from simulators.firmware.front_end import FrontEnd
from tests.hardware_bridges.fake_pi import Board

SCALES = {
    "mcp3008": MeterScale(adc_bits=10, sampling="sampled"),
    "mcp3208": MeterScale(sampling="sampled"),
    "ads1115": MeterScale(
        adc_bits=16, v_reference_v=4.096, rate_hz=350.0, skew_us=1400.0, sampling="sampled"
    ),
}


class Bench(NamedTuple):
    """A meter, and a way to say what is there."""

    meter: Meter
    show: Callable[[Waveform], None]
    scale: MeterScale


def simulated(chip: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    scale, terminal = SCALES[chip], Terminal("house_01")
    front_end = FrontEnd(np.arange(1), ("supply",), scale, 230.0)

    def show(truth: Waveform) -> None:
        reactive_kvar = np.sqrt(max((truth.v_v * truth.i_a / 1e3) ** 2 - truth.p_kw**2, 0.0))
        seen = {
            "v_v": truth.v_v, "p_kw": truth.p_kw, "vehicles_p_kw": 0.0, "q_kvar": reactive_kvar,
        }  # fmt: skip
        inputs: dict[str, Any] = {key: np.array([value]) for key, value in seen.items()}
        inputs |= {"grid_f_hz": 0.0, "island_f_hz": truth.f_hz}
        inputs |= {"grid_v_pu": 0.0, "island_v_pu": 0.0}
        front_end.read(5, inputs, np.zeros(1, dtype=np.bool_), np.zeros(1, dtype=np.bool_))
        terminal.readings.update(front_end.measurements(0))

    return Bench(SimulatedMeter(terminal, "supply"), show, scale)


def emulated(chip: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    body = EmulatedMeter(SampledMeterConfig(chip=chip, scale=SCALES[chip]))
    return Bench(body, body.set, SCALES[chip])


def pi(chip: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return the Pi's body on a board that the test puts in place."""
    board = Board(SCALES[chip]).put(monkeypatch)
    address = {"address": 0x49} if chip == "ads1115" else {}
    body = PiMeter(SampledMeterConfig(chip=chip, scale=SCALES[chip], **address))
    body._pace.until = lambda t_us: None  # type: ignore[method-assign]  # nobody waits here
    return Bench(body, board.wave.set, SCALES[chip])


@pytest.fixture(params=[simulated, emulated, pi], ids=lambda body: body.__name__)
def body(request):
    return request.param


@pytest.fixture(params=SCALES)
def bench(request, body, monkeypatch):
    return body(request.param, monkeypatch)


TRUTHS = [
    Waveform(230.0, 10.0, -2.3, 50.0),
    Waveform(230.0, 10.0, 1.0, 50.0),
    Waveform(212.5, 3.0, 0.0, 47.6),
    Waveform(253.0, 30.0, 7.0, 51.9),
    DARK,
]


@pytest.mark.parametrize("truth", TRUTHS, ids=str)
def test_it_reads_what_is_there(bench, truth):
    bench.show(truth)
    reading = bench.meter.read(5)
    assert isinstance(reading, Measurement)
    assert reading.t_us == 5
    off = np.abs(np.array(reading[1:]) - np.array(truth)) / bench.scale.steps
    assert (off <= [1.5, 1.5, 3.0, 1.5]).all()


@pytest.mark.parametrize("truth", TRUTHS, ids=str)
def test_it_has_the_bits_of_the_window_metered_alone(bench, truth):
    bench.show(truth)
    assert bench.meter.read(5)[1:] == meter(*window(truth, bench.scale), bench.scale)[:4]


def test_injection_is_positive(bench):
    bench.show(Waveform(230.0, 10.0, 2.3, 50.0))
    assert bench.meter.read(5).p_kw > 2.2
    bench.show(Waveform(230.0, 10.0, -2.3, 50.0))
    assert bench.meter.read(5).p_kw < -2.2


def test_reading_twice_reads_the_same(bench):
    bench.show(TRUTHS[2])
    assert bench.meter.read(5) == bench.meter.read(5)


def test_it_follows_what_is_there(bench):
    for truth in (*TRUTHS, TRUTHS[0]):
        bench.show(truth)
        assert bench.meter.read(5).v_v == pytest.approx(truth.v_v, abs=0.9)


# bodies that sample

BODIES = [EmulatedMeter, PiMeter]


@pytest.fixture
def board(monkeypatch):
    return Board(MeterScale()).put(monkeypatch)


@pytest.mark.parametrize("cls", BODIES)
def test_a_clamp_claimed_twice_names_both_owners(cls, board):
    claims = Claims()
    first = cls(SampledMeterConfig(), "meter supply", claims)
    with pytest.raises(ClaimError, match=r"SPI 0\.0 channel 1: 'meter pv' .* 'meter supply'"):
        cls(SampledMeterConfig(v_channel=2), "meter pv", claims)
    first.release()
    cls(SampledMeterConfig(v_channel=2), "meter pv", claims)


@pytest.mark.parametrize("cls", BODIES)
def test_two_clamps_share_a_chip_and_a_voltage(cls, board):
    claims = Claims()
    cls(SampledMeterConfig(), "supply", claims)
    cls(SampledMeterConfig(i_channel=2), "pv", claims)
    with pytest.raises(ClaimError, match="'tie' wants it, but 'supply' has it"):
        cls(SampledMeterConfig(i_channel=0, v_channel=4), "tie", claims)
    with pytest.raises(ClaimError, match="'radio' wants it"):
        claims.take("SPI 0.0", "radio")
    claims.take("SPI 0.1", "radio")


@pytest.mark.parametrize("cls", BODIES)
def test_the_scale_is_the_nodes_if_it_has_none_of_its_own(cls, board):
    body = cls(SampledMeterConfig(), scale=MeterScale(v_peak_v=500.0))
    assert body._scale.v_peak_v == 500.0


@pytest.mark.parametrize("cls", BODIES)
def test_a_refused_meter_holds_nothing(cls, board):
    claims = Claims()
    claims.take("SPI 0.0", "radio", "channel 0", "mcp3208")
    with pytest.raises(ClaimError):
        cls(SampledMeterConfig(), "supply", claims)
    with pytest.raises(DeviceError):
        cls(SampledMeterConfig(chip="mcp3008"), "supply", claims, MeterScale(adc_bits=12))
    assert list(claims.owners().values()) == ["radio"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chip": "mcp3008", "scale": {"adc_bits": 12}}, "Set 'adc_bits: 10'"),
        ({"chip": "ads1115", "scale": {"adc_bits": 16}}, "at most 430"),
        (
            {"chip": "ads1115", "scale": {"adc_bits": 16, "rate_hz": 350.0}},
            "one of 12.288, 8.192, 4.096",
        ),
        ({"chip": "ads1115", "v_channel": 2}, "channels 0 to 1"),
        ({"v_channel": 1}, "must differ"),
    ],
)
def test_a_chip_that_cannot_do_it_is_refused_with_what_it_can(change, words):
    with pytest.raises(ValueError, match=words):
        SampledMeterConfig.model_validate(change)


def test_an_offset_clamp_is_calibrated(board):
    truth = Waveform(230.0, 10.0, 2.3, 50.0)
    calibration = Calibration(i_gain_pu=0.5, i_reversed=True)
    body = EmulatedMeter(SampledMeterConfig(calibration=calibration))
    body.set(truth)
    assert body.read(0).i_a == pytest.approx(5.0, abs=0.05)
    assert body.read(0).p_kw == pytest.approx(-1.15, abs=0.012)


def test_a_self_test_says_what_it_found_and_what_is_wrong():
    body = EmulatedMeter(SampledMeterConfig())
    body.set((230.0, 0.0, -2.3, 50.0))
    assert body.found() == "230.0 V, 10.00 A, -2300 W, 50.00 Hz".replace(
        "10.00", f"{body.read(0).i_a:.2f}"
    ).replace("230.0 V", f"{body.read(0).v_v:.1f} V").replace(
        "-2300", f"{1e3 * body.read(0).p_kw:.0f}"
    )
    body.set((300.0, 0.0, 0.0, 50.0))
    assert "voltage clipped" in body.found()
    assert body.faults


# a Pi's own troubles


def test_a_pi_opens_its_bus_sets_it_up_and_closes_it(board):
    body = PiMeter(SampledMeterConfig(chip_select=1))
    assert board.opened == [(0, 1)]
    body.release()
    assert board.closed == [(1_000_000, 0)]


def test_a_pi_without_the_bus_says_how_to_turn_it_on(board):
    claims = Claims()
    with pytest.raises(LinkError, match=r"mcp3208 at SPI 3\.0.*do_spi 0"):
        PiMeter(SampledMeterConfig(bus=3), "supply", claims)
    assert not claims.owners()


@pytest.mark.parametrize(("chip", "library"), [("mcp3208", "spidev"), ("ads1115", "smbus2")])
def test_a_pi_without_the_library_gets_the_line_that_installs_it(monkeypatch, chip, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r'pip install "feedertwin\[pi\]"'):
        PiMeter(SampledMeterConfig(chip=chip, scale=SCALES[chip]))


def test_an_i2c_chip_that_does_not_answer_is_said(board):
    scale = SCALES["ads1115"]
    body = PiMeter(SampledMeterConfig(chip="ads1115", scale=scale, address=0x48))
    with pytest.raises(LinkError, match=r"ADS1115 at 0x48: it does not answer .*i2cdetect"):
        body.read(0)


def test_samples_that_come_late_are_said(board):
    body = PiMeter(SampledMeterConfig())
    body._pace.until = lambda t_us: None  # type: ignore[method-assign]
    body._pace.start = lambda: None  # type: ignore[method-assign]
    board.wave.set((230.0, 1.0, 0.1, 50.0))
    for late_us, said in ((400.0, False), (600.0, True)):
        body._pace.late_us = late_us
        body.read(0)
        assert any("late" in text for text in body.faults) == said


class Pauses:
    """A pace whose first windows are interrupted."""

    def __init__(self, late_us: list[float]) -> None:
        self._late_us = late_us
        self.late_us = 0.0

    def start(self) -> None:
        self.late_us = self._late_us.pop(0)

    def until(self, t_us: float) -> None:
        pass


def test_a_window_that_was_interrupted_is_taken_again(board):
    body = PiMeter(SampledMeterConfig())
    board.wave.set((230.0, 1.0, 0.1, 50.0))
    body._pace = body._converter._pace = Pauses([20_000.0, 2_100.0, 1_900.0, 0.0])
    assert body.read(0).f_hz == 50.0
    assert any("1900 us late" in text for text in body.faults)
    assert body.read(0).f_hz == 50.0
    assert body.faults == ()


class Sparks:
    """A converter that gives a wrong code for one of its first samples of the voltage."""

    def __init__(self, scale: MeterScale, at: int, windows: int) -> None:
        self._scale, self._at, self._windows = scale, at, windows

    def window(self, pairs: int) -> np.ndarray:
        codes = window(Waveform(230.0, 10.0, -2.3, 50.0), self._scale).copy()
        if self._windows:
            self._windows -= 1
            below = codes[0, self._at] < self._scale.midpoint
            codes[0, self._at] = 2 * self._scale.midpoint - 1 if below else 0
        return codes


def test_one_spoilt_sample_is_no_other_frequency(board):
    body, scale = PiMeter(SampledMeterConfig()), MeterScale()
    alone = [meter(*Sparks(scale, at, 1).window(0), scale).f_hz for at in range(scale.pairs)]
    assert max(abs(f_hz - 50.0) for f_hz in alone) > 5.0  # or there is nothing to be proven
    for at in range(scale.pairs):
        body._converter = Sparks(scale, at, 2)
        # a crossing that is moved, not added, stays above what sheds
        assert body.read(0).f_hz == pytest.approx(50.0, abs=0.79)


def test_mains_that_stay_irregular_are_told_as_they_are(board):
    body = PiMeter(SampledMeterConfig())
    body._converter = Sparks(MeterScale(), 100, 3)
    assert body.read(0).f_hz > 55.0
    assert body.faults


def test_a_processor_that_is_always_late_gives_no_reading(board):
    body = PiMeter(SampledMeterConfig())
    body._pace = body._converter._pace = Pauses([20_000.0] * 3)
    with pytest.raises(LinkError, match=r"mcp3208 at SPI 0\.0: samples come up to 20000 us late"):
        body.read(0)


# in a node's process


def bench_of_a_node(scale: MeterScale) -> SimpleNamespace:
    return SimpleNamespace(scale=scale, now_us=lambda: 0, starts=[], feeds=[], closes=[])


def test_in_a_node_the_simulations_truth_is_measured():
    bench = bench_of_a_node(SCALES["mcp3008"])
    body = EmulatedMeter.fit(SampledMeterConfig(chip="mcp3008"), "supply", bench)
    for feed in bench.feeds:
        feed(SimpleNamespace(truth={"supply": TRUTHS[0], "grid": DARK}))
        feed(SimpleNamespace(truth={"grid": DARK}))  # nothing new for this one
    scale = SCALES["mcp3008"]
    assert body.read(9) == (9, *meter(*window(TRUTHS[0], scale), scale)[:4])


def test_in_a_node_meters_of_one_board_are_told_apart():
    bench = bench_of_a_node(MeterScale())
    EmulatedMeter.fit(SampledMeterConfig(), "supply", bench)
    with pytest.raises(ClaimError, match="'meter pv' wants it, but 'meter supply' has it"):
        EmulatedMeter.fit(SampledMeterConfig(), "pv", bench)
    bench.closes[0]()
    EmulatedMeter.fit(SampledMeterConfig(), "pv", bench)


def test_in_a_node_a_pi_meters_its_own_board_and_gives_it_back(board, monkeypatch):
    claims = Claims()
    monkeypatch.setattr("hardware_bridges.meter.pi.board_claims", lambda: claims)
    bench = bench_of_a_node(MeterScale())
    body = PiMeter.fit(SampledMeterConfig(), "supply", bench)
    body._pace.until = lambda t_us: None  # type: ignore[method-assign]
    board.wave.set(TRUTHS[0])
    assert body.read(3).v_v == pytest.approx(230.0, abs=0.3)
    assert set(claims.owners().values()) == {"meter supply"}
    bench.closes[0]()
    assert not claims.owners()
    assert not bench.feeds


@pytest.mark.parametrize("part", ["meter", "relay"])
def test_bodies_import_no_library_of_a_pi_and_no_compiler(part):
    code = (
        f"import sys, hardware_bridges.{part}.emulated, hardware_bridges.{part}.pi;"
        "heavy = {'gpiozero', 'lgpio', 'spidev', 'smbus2', 'numba', 'pandas', 'scipy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    line = [sys.executable, "-c", code]
    assert subprocess.run(line, capture_output=True, text=True, check=True).stdout == "[]\n"
