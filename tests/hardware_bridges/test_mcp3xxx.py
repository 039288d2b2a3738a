"""MCP3008 and MCP3208: the driver on a chip made of bits, and the emulated chip beside it."""

from __future__ import annotations

import warnings

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockSPIDevice
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.metering import MeterScale
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.meter.mcp3xxx import Mcp3xxx
from hardware_bridges.meter.mcp3xxx_chip import Mcp3xxxChip

BITS = {"mcp3008": 10, "mcp3208": 12}
CLOCK, MOSI, MISO, SELECT = 11, 10, 9, 8


class BitChip(MockSPIDevice):
    """The chip by its timing diagram, one clock at a time.

    After select it waits for a 1. Then come single-ended or differential, three bits of
    channel, and one clock in which it samples; then it sends a null bit and the code,
    highest bit first (DS21295 figure 5-1, DS21298 figure 5-1).
    """

    def __init__(self, bits: int, codes: list[int], factory: MockFactory) -> None:
        super().__init__(CLOCK, MOSI, MISO, SELECT, pin_factory=factory)
        self.bits, self.codes = bits, codes

    def on_start(self) -> None:
        super().on_start()
        self._since_start = -1

    def on_bit(self) -> None:
        if self._since_start < 0:
            if self.rx_buf[-1]:
                self._since_start = 0
            return
        self._since_start += 1
        if self._since_start == 5:  # single, D2, D1, D0 and the clock of the sample are over
            single, *channel = self.rx_buf[-5:-1]
            assert single, "the driver asks single-ended"
            number = channel[0] << 2 | channel[1] << 1 | channel[2]
            self.tx_word(self.codes[number], self.bits + 1)  # the null bit before it


class OnPins:
    """A mock bus of pins, with spidev's `xfer2`; the test says what is on it."""

    def __init__(self, factory: MockFactory) -> None:
        self._device = BitChip(10, [], factory)
        self._bus = factory.spi(clock_pin=CLOCK, mosi_pin=MOSI, miso_pin=MISO, select_pin=SELECT)

    def put(self, bits: int, codes: list[int]) -> OnPins:
        self._device.bits, self._device.codes = bits, codes
        return self

    def xfer2(self, words: list[int]) -> list[int]:
        return list(self._bus.transfer(words))


@pytest.fixture(scope="module")
def pins():
    before = Device.pin_factory
    Device.pin_factory = MockFactory()  # its software bus looks for the factory there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mock pins have no hardware bus, and gpiozero says so
        yield OnPins(Device.pin_factory)
    Device.pin_factory = before


def scale(chip: str) -> MeterScale:
    return MeterScale(adc_bits=BITS[chip])


@pytest.mark.parametrize("chip", BITS)
@settings(max_examples=15)
@given(data=st.data())
def test_the_driver_reads_every_channel_of_a_chip_made_of_bits(pins, chip, data):
    top = 2 ** BITS[chip] - 1
    codes = data.draw(st.lists(st.integers(0, top), min_size=8, max_size=8))
    driver = Mcp3xxx(pins.put(BITS[chip], codes), scale(chip), 0, 1)
    assert [driver.read(channel) for channel in range(8)] == codes


@pytest.mark.parametrize("chip", BITS)
@given(
    channel=st.integers(0, 7),
    lead=st.integers(0, 5),
    bytes_sent=st.integers(3, 5),
    code=st.integers(0, 1023),
)
@settings(max_examples=25)
def test_the_emulated_chip_answers_any_transfer_as_the_bits_do(
    pins, chip, channel, lead, bytes_sent, code
):
    """Wherever the start bit is in a transfer, and however long that is."""
    codes = [0] * 8
    codes[channel] = code
    request = (0b11000 | channel) << (8 * bytes_sent - 5 - lead)
    words = list(request.to_bytes(bytes_sent, "big"))
    emulated = Mcp3xxxChip(BITS[chip], {channel: lambda: code})
    assert emulated.xfer2(words) == pins.put(BITS[chip], codes).xfer2(words)


def test_a_window_on_bits_is_a_window_on_words(pins):
    tens = list(range(100, 900, 100))
    for spi in (pins.put(10, tens), Mcp3xxxChip(10, {3: lambda: 400, 5: lambda: 600})):
        window = Mcp3xxx(spi, scale("mcp3008"), 3, 5).window(4)
        assert window.tolist() == [[400] * 4, [600] * 4]


def test_an_open_channel_and_an_empty_transfer_give_nothing():
    chip = Mcp3xxxChip(12, {0: lambda: 4095})
    assert Mcp3xxx(chip, scale("mcp3208"), 0, 1).window(1).tolist() == [[4095], [0]]
    assert chip.xfer2([0, 0, 0]) == [0, 0, 0]


def test_a_differential_request_is_refused():
    with pytest.raises(DeviceError, match="Set bit SGL"):
        Mcp3xxxChip(12, {}).xfer2([0b100, 0, 0])


@pytest.mark.parametrize(("bits", "name"), [(10, "MCP3008"), (12, "MCP3208")])
def test_a_bus_that_fails_is_an_error_of_the_bridge(bits, name):
    class Broken:
        def xfer2(self, words: list[int]) -> list[int]:
            raise OSError(5, "Input/output error")

    with pytest.raises(LinkError, match=f"{name} on SPI: a transfer failed"):
        Mcp3xxx(Broken(), MeterScale(adc_bits=bits), 0, 1).window(2)
