"""``feedertwin lora capacity`` where a mix bears no node at all."""

from __future__ import annotations

import json

from cosim.radio_view.capacity_plot import capacity_plot
from cosim.radio_view.cell_mixes import study_mixes
from gridmodel.wire.lora import Modem
from simulators.radio.uplink import UplinkConfig, capacity
from tests.cosim.test_lora_cli import flat, lora

#: SF7 reaches 2588 m of 3000 m: seven of ten places, and nine of ten packets are wanted.
FAR = "capacity --path-loss oulu --radius-m 3000 --mix sf7,sf12 --most-nodes 3"


def test_a_cell_without_nodes_delivers_nothing_and_tells_what_a_node_alone_has():
    found = capacity(UplinkConfig(path_loss="oulu", radius_m=3000.0), most_nodes=3)
    assert (found.nodes, found.delivery_pu, found.per_hour) == (0, None, 0.0)
    assert 0.6 < dict(found.tried)[1] < 0.8  # (2588 / 3000)^2 = 0.74 of the places
    good = capacity(UplinkConfig(path_loss="oulu"), most_nodes=3)
    assert good.nodes == 3
    assert good.delivery_pu == dict(good.tried)[3]
    assert good.tried[0][0] == 1


def test_the_table_says_none_and_a_line_below_says_why():
    text = flat(lora(*FAR.split()).stdout)
    assert "sf7 2,588 none - -" in text
    assert "sf7: not even one node has 0.9 of its packets delivered; alone in the cell" in text
    assert "sf12: not even one node" not in text
    assert "sf12 8,949 >= 3 0.9" in text


def test_json_has_null_where_there_are_no_nodes():
    mixes = json.loads(lora(*FAR.split(), "--json").stdout)["mixes"]
    assert (mixes["sf7"]["nodes"], mixes["sf7"]["delivery_pu"]) == (0, None)
    assert 0.6 < mixes["sf7"]["alone_pu"] < 0.8
    assert mixes["sf12"]["delivery_pu"] > 0.9


def test_the_picture_does_not_speak_of_0_nodes():
    cell = {"path_loss": "oulu", "radius_m": 3000.0}
    found = study_mixes(["sf7"], Modem(), cell, 0.9, 3, 1)
    (axes,) = capacity_plot(found, 0.9, "").axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["sf7: not even one node"]
