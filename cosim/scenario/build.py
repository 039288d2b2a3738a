"""Build: from a document to a federation, collecting every fault on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cosim.clock import CycleError, levels
from cosim.events import EVENTS, Event, Events
from cosim.federation import Federation, Link, federation
from cosim.node.programs import make_program
from cosim.scenario.document import Document, read_all
from cosim.scenario.links import check_links
from cosim.scenario.parts import Parts
from cosim.scenario.references import check_deploy, check_figures, check_record
from cosim.scenario.salvage import salvage
from cosim.scenario.schema import EventConfig, ScenarioConfig
from cosim.scenario.unlinked import check_unlinked, ends_in
from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import Federate, ProgramFactory
from gridmodel.settings import faults_of, near, parse
from gridmodel.units import microseconds


@dataclass
class Scenario:
    """A scenario that can be run.

    Parameters
    ----------
    config : ScenarioConfig
        The checked file.
    path : Path
        Where it came from.
    resolved : mapping
        The whole scenario as plain data, every default written out.
    federation : Federation
        Its parts, wired.
    warnings : sequence of str
        What its user should know before the run, by federate.
    """

    config: ScenarioConfig
    path: Path
    resolved: Mapping[str, Any]
    federation: Federation
    warnings: Sequence[str] = field(default_factory=list)

    @property
    def duration_us(self) -> int:
        """Length of the run. [us]"""
        return microseconds(3600.0 * self.config.duration_h)

    def end_us(self, until_us: int | None, from_us: int = 0) -> int:
        """Return where a run ends. [us]

        Parameters
        ----------
        until_us : int or None
            Where it was asked to end; the scenario's end if left out. [us]
        from_us : int
            Where it begins. [us]

        Raises
        ------
        ScenarioError
            If it would end before it begins, or after the scenario does.
        """
        end_us = self.duration_us if until_us is None else until_us
        if from_us < end_us <= self.duration_us:
            return end_us
        asked, last = f"{end_us / 3.6e9:g} h", f"{self.duration_us / 3.6e9:g} h"
        problem, advice = f"the scenario ends at {last}.", "Raise duration_h to run on."
        if end_us <= from_us:
            problem = f"the run begins at {from_us / 3.6e9:g} h."
            advice = f"Allowed is a later time, up to {last}."
        fault = Fault("--until" if until_us is not None else "duration_h", asked, problem, advice)
        raise ScenarioError("nothing to run", [fault])


def load(
    path: Path, overrides: Sequence[str] = (), program: ProgramFactory = make_program
) -> Scenario:
    """Return a scenario, ready to run.

    Parameters
    ----------
    path : Path
        The YAML file.
    overrides : sequence of str
        ``a.b.c=value``, applied last.
    program : ProgramFactory
        Makes the programs of nodes.

    Raises
    ------
    ScenarioError
        With every fault that was found.
    """
    return _Builder(*read_all(path, overrides), program).scenario()


class _Builder:
    """Collects faults while a scenario takes shape."""

    def __init__(self, document: Document, faults: list[Fault], program: ProgramFactory) -> None:
        self._document = document
        self._faults = faults
        self._parts = Parts(document, program)
        self._salvage = salvage(document)

    def scenario(self) -> Scenario:
        # All is looked at even if others are at fault, so that all faults show at once.
        config = self._salvage.config
        self._faults += self._salvage.faults
        self._parts.check(self._document.data.get("federates"))
        if config is None:
            self._faults += self._parts.faults
            self._stop_if_faulty()
            raise AssertionError("unreachable")
        federates = self._parts.build(config, self._salvage)
        self._faults += self._parts.faults
        links = [_link(item.link, item.delayed, item.initial) for item in config.links]
        self._events(config, federates, links)
        self._names(config, federates, links)
        self._stop_if_faulty()
        resolved = config.model_dump(exclude={"definitions"})
        resolved["federates"] = {
            name: {
                "model": config.federates[name]["model"],
                **block.model_dump(),
                **federates[name].config(),
            }
            for name, block in self._parts.settings.items()
        }
        warnings = [str(dropped) for dropped in self._document.dropped]
        warnings += [f"{n}: {w}" for n, f in sorted(federates.items()) for w in f.warnings()]
        built = federation(federates, links)
        return Scenario(config, self._document.path, resolved, built, warnings)

    def _where(self, *path: str | int) -> str:
        return self._document.where(path)

    def _stop_if_faulty(self) -> None:
        if self._faults:
            unique = dict.fromkeys(self._faults)  # two parts may stumble over one file
            raise ScenarioError(f"{self._document.path} cannot be run", unique)

    def _names(
        self, config: ScenarioConfig, federates: Mapping[str, Federate], links: Sequence[Link]
    ) -> None:
        """Check what names parts, ports and key figures."""
        declared, where = set(self._document.data["federates"]), self._where
        places = {
            str(_link(item.link)): self._document.where_value(("links", index))
            for index, item in zip(self._salvage.kept.get("links", ()), config.links, strict=True)
        }
        checked = check_links(federates, declared, links, places)
        self._faults += checked.faults
        lost = ends_in(self._salvage.lost_links, federates, declared)
        if lost is not None:
            ends, dropped = checked.ends | lost, self._document.dropped
            self._faults += check_unlinked(federates, ends, dropped, where)
        undelayed = [(link.source, link.target) for link in checked.good if not link.delayed]
        try:
            levels(sorted({name for pair in undelayed for name in pair}), undelayed)
        except CycleError as cycle:
            self._faults.append(_cycle_fault(cycle, checked.good, places))
        self._faults += check_record(config.record, declared, where)
        self._faults += check_deploy(config.deploy, declared, where)
        figures = {"expect": config.expect, "report.kpis": config.report.kpis}
        self._faults += check_figures(figures, federates, declared, where)

    def _events(
        self, config: ScenarioConfig, federates: dict[str, Federate], links: list[Link]
    ) -> None:
        """Check events and add the federate that sends them."""
        events = []
        for index, item in zip(self._salvage.kept.get("events", ()), config.events, strict=True):
            event = self._event(index, item, config, federates)
            if event is not None:
                events.append(event)
        if events:
            federates[EVENTS] = Events(events)
            for target in sorted({event.target for event in events}):
                links.append(Link(EVENTS, target, target, "events"))

    def _event(
        self,
        index: int,
        item: EventConfig,
        config: ScenarioConfig,
        federates: Mapping[str, Federate],
    ) -> Event | None:
        key = f"events[{index}]"
        self._event_in_time(index, item, config)
        cls = self._parts.classes.get(item.target)
        if cls is None:
            if item.target not in self._document.data["federates"]:
                problem = f"there is no federate '{item.target}'."
                advice = near(item.target, self._document.data["federates"])
                where = self._where("events", index, "target")
                self._faults.append(Fault(where, f"{key}.target", problem, advice))
            return None
        if item.kind not in cls.events:
            problem = f"'{item.target}' knows no event '{item.kind}'."
            advice = near(item.kind, cls.events)
            where = self._where("events", index, "kind")
            self._faults.append(Fault(where, f"{key}.kind", problem, advice))
            return None
        model = cls.events[item.kind]
        try:
            data = parse(model, item.model_extra or {})
        except ValidationError as error:
            at = ("events", index)
            self._faults += faults_of(error, model, self._document.where_value, at)
            return None
        target = federates.get(item.target)
        if target is None:
            return None
        problem = target.refuses(item.kind, data)
        if problem:
            self._faults.append(Fault(self._document.where_value(("events", index)), key, problem))
        return Event(microseconds(3600.0 * item.t_h), item.target, item.kind, data.model_dump())

    def _event_in_time(self, index: int, item: EventConfig, config: ScenarioConfig) -> None:
        if item.t_h < config.duration_h or "duration_h" in self._salvage.doubtful:
            return
        where, ends = self._where("events", index, "t_h"), self._where("duration_h")
        elsewhere = ends.rpartition(":")[0] != where.rpartition(":")[0]  # file or override
        because = f" ({ends})" if elsewhere else ""
        problem = f"{item.t_h:g} h is not within the run of {config.duration_h:g} h{because}."
        self._faults.append(Fault(where, f"events[{index}].t_h", problem))


def _cycle_fault(cycle: CycleError, links: Iterable[Link], places: Mapping[str, str]) -> Fault:
    first, *rest = cycle.names
    pairs = list(zip(cycle.names, [*rest, first], strict=True))
    along = [link for link in links if not link.delayed and (link.source, link.target) in pairs]
    closing = next(link for link in along if link.target == first)
    return Fault(
        places.get(str(closing), "events"),
        "links",
        f"undelayed links form a loop: {cycle}.",
        f"Mark one of them as delayed, for instance {{link: {closing}, delayed: true}}.",
    )


def _link(text: str, delayed: bool = False, initial: float | bool | None = None) -> Link:
    source, target = (end.strip() for end in text.split("->"))
    source_name, source_port = source.split(".")
    target_name, target_port = target.split(".")
    return Link(source_name, source_port, target_name, target_port, delayed, initial)
