"""References: names of parts and key figures in a scenario that have to be there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from cosim.events import EVENTS
from cosim.scenario.schema import DeployConfig, RecordConfig
from gridmodel.errors import Fault
from gridmodel.federate import Federate
from gridmodel.settings import near

#: Gives ``file:line`` of a path in the document.
Where = Callable[..., str]


def check_record(record: RecordConfig, declared: Collection[str], where: Where) -> Iterator[Fault]:
    """Yield what of ``record:`` names a part that is not there."""
    for key, names in (("skip", record.skip), ("every_s", record.every_s)):
        for name in names:
            owner = name.partition(".")[0]
            if owner not in declared and owner != EVENTS:
                problem = f"there is no federate '{owner}'."
                yield Fault(where("record", key), f"record.{key}", problem, near(owner, declared))


def check_deploy(
    deploy: DeployConfig | None, declared: Collection[str], where: Where
) -> Iterator[Fault]:
    """Yield what is wrong with partitions: they hold parts that there are, each once."""
    partitions = deploy.partitions if deploy is not None else {}
    home: dict[str, str] = {}
    for place, names in partitions.items():
        key = f"deploy.partitions.{place}"
        at = where("deploy", "partitions", place)
        if not place.isidentifier():
            yield Fault(at, key, "is no name of a partition.")
        for name in names:
            if name not in declared and name != EVENTS:
                yield Fault(at, key, f"there is no federate '{name}'.", near(name, declared))
            elif name in home:
                problem = f"'{name}' is in partition '{home[name]}' too."
                yield Fault(at, key, problem, "Name it once.")
            home[name] = place


def check_figures(
    names: Mapping[str, Collection[str]],
    federates: Mapping[str, Federate],
    declared: Collection[str],
    where: Where,
) -> Iterator[Fault]:
    """Yield key figures that no part has; those of a part that could not be built may be right.

    Parameters
    ----------
    names : mapping
        Names of key figures by the place that asks for them: ``expect``, ``report.kpis``.
    federates : mapping
        Federates that could be built.
    declared : collection of str
        Names of all federates of the scenario.
    where : callable
        Gives the place of a path in the document.
    """
    known = {f"{name}.{kpi.name}" for name, f in federates.items() for kpi in f.kpis()}
    for group, wanted in names.items():
        for name in wanted:
            owner = name.partition(".")[0]
            if name not in known and (owner in federates or owner not in declared):
                problem = f"there is no key figure '{name}'."
                advice = near(name, known or declared)
                yield Fault(where(*group.split("."), name), group, problem, advice)
