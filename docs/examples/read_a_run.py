"""Run half an hour of the street and read what it recorded."""

import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from cosim.cli.arguments import scenario_path
from cosim.run import RunOptions, run
from cosim.scenario.build import load

scenario = load(scenario_path("street_island"), ["duration_h=0.5", "events=[]"])
with tempfile.TemporaryDirectory() as out:
    result = run(scenario, RunOptions(Path(out)))
    print(result.reason, "after", result.t_us // 1_000_000, "s")
    houses = pq.read_table(result.folder / "signals" / "households.parquet")

print(houses.num_rows, "rows,", houses.num_columns, "columns")
print("first columns:", houses.column_names[:3])
print("unit of the second:", houses.schema.field("p_kw.house_01").metadata[b"unit"].decode())
print("balance closes:", result.kpis["meter.balance_worst_pu"].value < 1e-6)
