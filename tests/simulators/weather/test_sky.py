"""Sky: clouds that events bring."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.federate import Message
from simulators.weather.sky import Sky, SkyConfig
from tests.simulators.bench import S, context, inputs, parcel

MIN = 60 * S
Event = tuple[int, float, float]  # instant, transmission, minutes


def sky(**settings: float) -> Sky:
    """Return a clear sky."""
    return Sky.build(SkyConfig(**settings), context(None))


def follow(one: Sky, events: list[Event], until_us: int = 60 * MIN) -> dict[int, float]:
    """Run as an engine would: at events and when asked for; return the light by instant."""
    light = {}
    t_us: int | None = 0
    waiting = sorted(events)
    while t_us is not None and t_us <= until_us:
        now = [Message(at, "clouds", {"transmission_pu": x, "for_min": m})
               for at, x, m in waiting if at == t_us]  # fmt: skip
        waiting = [item for item in waiting if item[0] > t_us]
        sent, next_us = one.step(t_us, inputs(one, events=now))
        light[t_us] = sent["transmission_pu"]
        assert next_us is None or next_us > t_us
        t_us = min((at for at in (next_us, *(item[0] for item in waiting)) if at), default=None)
    return light


def test_a_clear_sky_lets_all_light_through_and_sleeps():
    sent, next_us = (one := sky()).step(0, inputs(one))
    assert sent == {"transmission_pu": 1.0}
    assert next_us is None


def test_a_cloud_comes_stays_and_goes_with_straight_edges():
    light = follow(sky(edge_s=60.0), [(10 * MIN, 0.4, 25.0)])
    down = [light[10 * MIN + k * S] for k in range(36)]  # 0.6 of the light at 1/60 a second
    assert down == pytest.approx([1.0 - (k + 1) / 60 for k in range(36)])
    assert light[10 * MIN + 35 * S] == pytest.approx(0.4)
    up = [light[35 * MIN + k * S] for k in range(36)]
    assert up == pytest.approx([0.4 + (k + 1) / 60 for k in range(36)])
    assert list(light)[-1] == 35 * MIN + 35 * S  # and then it sleeps again
    between = [t for t in light if 10 * MIN + 36 * S < t < 35 * MIN]
    assert between == []


def test_without_an_edge_the_cloud_is_there_at_once():
    light = follow(sky(edge_s=0.0), [(MIN, 0.25, 1.0)])
    assert light == {0: 1.0, MIN: 0.25, 2 * MIN: 1.0}


def test_a_second_cloud_takes_the_place_of_the_first_and_brings_its_own_end():
    light = follow(sky(edge_s=0.0), [(0, 0.5, 10.0), (4 * MIN, 0.25, 1.0)])
    assert light == {0: 0.5, 4 * MIN: 0.25, 5 * MIN: 1.0}


@given(
    events=st.lists(
        st.tuples(st.integers(0, 1200).map(lambda s: s * S), st.floats(0.0, 1.0),
                  st.floats(0.05, 5.0)),
        max_size=4, unique_by=lambda item: item[0],
    ),
    edge_s=st.sampled_from([0.0, 7.0, 60.0]),
)  # fmt: skip
def test_the_light_moves_no_faster_than_an_edge_and_stays_between_0_and_1(events, edge_s):
    light = follow(sky(edge_s=edge_s), events)
    values = list(light.values())
    assert all(0.0 <= value <= 1.0 for value in values)
    if edge_s:
        steps = [abs(b - a) for a, b in pairwise(values)]
        assert max(steps, default=0.0) <= 1.0 / edge_s + 1e-12
    assert values[-1] == 1.0  # every cloud goes


def test_a_restored_snapshot_continues_within_an_edge():
    one, fresh = sky(), sky()
    cloud = [Message(0, "clouds", {"transmission_pu": 0.1, "for_min": 5.0})]
    one.step(0, inputs(one, events=cloud))
    one.step(S, inputs(one))
    fresh.restore(parcel(one))
    for t in range(2, 400):
        assert fresh.step(t * S, inputs(fresh)) == one.step(t * S, inputs(one))


@pytest.mark.parametrize("event", [{"transmission_pu": 1.2, "for_min": 5.0},
                                   {"transmission_pu": 0.5, "for_min": 0.0}])  # fmt: skip
def test_clouds_that_cannot_be_are_refused(event):
    with pytest.raises(ValueError, match=r"less than or equal to 1|greater than 0"):
        Sky.events["clouds"](**event)
