"""Messages between a simulation and a node outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.lines.messages import Answer, Ask, Farewell, Hello, Start, Truth, decode, encode, unpack
from gridmodel.control import Alarm
from gridmodel.errors import BorderError
from gridmodel.ports import InverterState, Measurement, ReceivedFrame

numbers = st.floats(allow_nan=False, allow_infinity=False)
bounds = st.floats(allow_nan=False)
times = st.integers(0, 1 << 62)
names = st.text(max_size=8)
contacts = st.dictionaries(names, st.booleans(), max_size=3)
readings = st.builds(Measurement, times, numbers, numbers, numbers, numbers)
frames = st.builds(ReceivedFrame, times, st.binary(max_size=40), numbers, numbers)
asks = st.builds(
    Ask,
    times,
    st.sampled_from(["step", "boot", "end"]),
    times,
    st.dictionaries(names, readings, max_size=2),
    st.dictionaries(names, st.builds(Truth, numbers, numbers, numbers, numbers), max_size=2),
    contacts,
    st.lists(frames, max_size=2).map(tuple),
    st.none() | st.builds(InverterState, numbers, numbers, numbers, numbers),
    st.none() | numbers,
    times,
    times,
)
answers = st.builds(
    Answer,
    times,
    times,
    contacts,
    st.lists(st.tuples(st.binary(max_size=40), times), max_size=2).map(tuple),
    times,
    st.integers(0, 9),
    st.lists(st.builds(Alarm, names, bounds, bounds, bounds, bounds), max_size=2).map(tuple),
    st.none() | numbers,
    st.dictionaries(names, numbers, max_size=2),
    st.integers(0, 9),
    st.booleans(),
)


@given(asks | answers)
def test_a_message_arrives_with_every_bit(word):
    assert decode(encode(word)) == word


def test_first_and_last_words_arrive():
    hello = Hello("house_03", "edge_node", ("supply",), ("normal",), False)
    for word in (
        hello,
        Start(5, 0.1, {"normal": True}),
        Start(0, None),
        Farewell("so", {"a": True}),
    ):
        assert decode(encode(word)) == word


def test_a_word_arrives_with_its_session():
    assert unpack(encode(Farewell("so"), "9f3a61c2")) == (Farewell("so"), "9f3a61c2")


@given(st.binary(max_size=60))
def test_noise_is_refused_and_crashes_nothing(data):
    with pytest.raises(BorderError, match="no message of version"):
        decode(data)


def test_a_message_of_another_version_is_refused():
    with pytest.raises(BorderError, match="same feedertwin"):
        decode(b'["Answer",{"number":1,"t_us":2,"colour":"red"},""]')


@pytest.mark.parametrize(
    "data",
    [b'["Ask",[]]', b'["Ask",{"number":"x"}]', b'["Start",{"t_us":1.5,"factor":null}]', b"[" * 100_000],
    ids=["no fields", "a number that is text", "half an instant", "deep"],
)  # fmt: skip
def test_json_that_is_no_message_is_refused(data):
    with pytest.raises(BorderError, match="no message of version"):
        decode(data)


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("Answer", '"kpis":[]', "kpis: Input should be"),
        ("Answer", '"kpis":{"shed_count":"3"}', "kpis.shed_count: Input should be"),
        ("Answer", '"sent":[4]', "sent.0: Input should be"),
        ("Answer", '"sent":[["zz",4]]', "sent.0.0: Data should be valid hex"),
        ("Answer", '"sent":[["00",-4]]', "sent.0.1: Input should be greater"),
        ("Answer", f'"sent":[["{"00" * 256}",4]]', "sent.0.0: Data should have at most 255"),
        ("Answer", '"wake_us":"soon"', "wake_us: Input should be a valid integer"),
        ("Answer", '"wake_us":18446744073709551616', "wake_us: Input should be less"),
        ("Answer", '"state":true', "state: Input should be a valid integer"),
        ("Answer", '"relays":{"normal":1}', "relays.normal: Input should be a valid boolean"),
        ("Answer", '"p_set_kw":NaN', "p_set_kw: Input should be a finite number"),
        ("Answer", '"alarms":[["supply",NaN]]', "alarms.0: .*bounds are numbers"),
        ("Ask", '"kind":"dance"', "kind: Input should be 'step', 'boot' or 'end'"),
        ("Ask", '"kind":"step","readings":{"supply":[1,2]}', "readings.supply.2: Field required"),
        ("Ask", '"kind":"step","readings":{"supply":[1,2,NaN,4,5]}', "readings.supply: .*finite"),
        ("Ask", '"kind":"step","truth":{"supply":[1e999,2,3,4]}', "truth.supply: .*finite"),
        ("Ask", '"kind":"step","frames":[[1,"00",-1]]', "frames.0.3: Field required"),
    ],
)
def test_a_field_that_is_wrong_is_named(kind, fields, told):
    data = f'["{kind}",{{"number":1,"t_us":2,{fields}}},""]'.encode()
    with pytest.raises(BorderError, match=told):
        decode(data)


def test_a_message_without_a_session_is_refused():
    with pytest.raises(BorderError, match="session: Field required"):
        decode(b'["Farewell",{"why":"so"}]')
