"""Build: from a document to a federation, collecting every fault on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cosim import registry
from cosim.clock import CycleError
from cosim.events import EVENTS, Event, Events
from cosim.federation import Federation, Link, federation
from cosim.node.programs import make_program
from cosim.scenario.document import Document, read
from cosim.scenario.links import check_links
from cosim.scenario.schema import EventConfig, ScenarioConfig
from gridmodel.errors import Fault, InputError, PluginError, ScenarioError
from gridmodel.federate import BuildContext, Federate, ProgramFactory
from gridmodel.ingest.neighbourhood_file import read_neighbourhood
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import Path as KeyPath
from gridmodel.settings import Settings, faults_of, near, parse
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
    return _Builder(read(path, overrides), program).scenario()


class _Builder:
    """Collects faults while a scenario takes shape."""

    def __init__(self, document: Document, program: ProgramFactory) -> None:
        self._document = document
        self._program = program
        self._faults: list[Fault] = []

    def scenario(self) -> Scenario:
        config = self._schema()
        network = self._network(config)
        settings = self._settings(config)
        # Parts are built even if others are at fault, so that all faults show at once.
        federates = self._federates(config, settings, network)
        links = self._links(config)
        self._events(config, federates, links, complete=len(federates) == len(config.federates))
        self._faults += check_links(
            federates, set(config.federates), links, self._where_link(config), self._where
        )
        self._record(config, federates)
        self._deploy(config)
        self._expect(config, federates)
        self._stop_if_faulty()
        try:
            built = federation(federates, links)
        except CycleError as cycle:
            self._faults.append(self._cycle_fault(cycle, links))
            self._stop_if_faulty()
            raise
        warnings = [f"{n}: {w}" for n, f in sorted(federates.items()) for w in f.warnings()]
        resolved = config.model_dump(exclude={"definitions"})
        resolved["federates"] = {
            name: {
                "model": config.federates[name]["model"],
                **block.model_dump(),
                **federates[name].config(),
            }
            for name, block in settings.items()
        }
        return Scenario(config, self._document.path, resolved, built, warnings)

    def _where(self, *path: str | int) -> str:
        return self._document.where(path)

    def _where_link(self, config: ScenarioConfig) -> dict[str, str]:
        return {
            str(_link(item.link)): self._where("links", index)
            for index, item in enumerate(config.links)
        }

    def _stop_if_faulty(self) -> None:
        if self._faults:
            unique = dict.fromkeys(self._faults)  # two parts may stumble over one file
            raise ScenarioError(f"{self._document.path} cannot be run", unique)

    def _schema(self) -> ScenarioConfig:
        data = dict(self._document.data)
        if isinstance(data.get("links"), list):  # the short form of a link is its text alone
            data["links"] = [{"link": x} if isinstance(x, str) else x for x in data["links"]]
        try:
            return parse(ScenarioConfig, data)
        except ValidationError as error:
            self._faults += faults_of(error, ScenarioConfig, self._document.where)
        # What else is wrong below the top level would be hidden; look as far as one can.
        for name, block in _mappings(data.get("federates")):
            self._block(name, block)
        self._stop_if_faulty()
        raise AssertionError("unreachable")

    def _block(self, name: str, block: Mapping[str, Any]) -> tuple[type[Federate], Settings] | None:
        """Check one federate's block; return its class and settings."""
        model = block.get("model")
        path: KeyPath = ("federates", name)
        if not isinstance(model, str):
            problem = "is missing." if model is None else f"{model!r} was given."
            advice = f"Known are {', '.join(registry.names(registry.FEDERATES))}."
            others = [
                other
                for other, one in _mappings(self._document.data.get("federates"))
                if "model" in one
            ]
            close = get_close_matches(name, others, n=1) if model is None else []
            if close:  # a mistyped --set makes a part of its own
                advice = f"Did you mean the part '{close[0]}'? {advice}"
            fault = Fault(self._where(*path), f"federates.{name}.model", problem, advice)
            self._faults.append(fault)
            return None
        try:
            cls: type[Federate] = registry.load(registry.FEDERATES, model)
        except PluginError as error:
            where = self._where(*path, "model")
            self._faults.append(Fault(where, f"federates.{name}.model", str(error)))
            return None
        rest = {key: value for key, value in block.items() if key != "model"}
        try:
            return cls, parse(cls.Config, rest)
        except ValidationError as error:
            self._faults += faults_of(error, cls.Config, self._document.where, path)
            return None

    def _network(self, config: ScenarioConfig) -> Neighbourhood | None:
        if config.network is None:
            return None
        try:
            return read_neighbourhood(self._document.file(("network",), config.network))
        except InputError as error:
            self._faults += error.faults
            return None

    def _settings(self, config: ScenarioConfig) -> dict[str, Settings]:
        self._classes: dict[str, type[Federate]] = {}
        settings = {}
        for name, block in config.federates.items():
            if name == EVENTS or not name.isidentifier():
                problem = f"'{name}' cannot be the name of a federate."
                self._faults.append(Fault(self._where("federates", name), "federates", problem))
                continue
            found = self._block(name, block)
            if found is not None:
                self._classes[name], settings[name] = found
        return settings

    def _federates(
        self,
        config: ScenarioConfig,
        settings: Mapping[str, Settings],
        network: Neighbourhood | None,
    ) -> dict[str, Federate]:
        built: dict[str, Federate] = {}
        if config.network is not None and network is None:
            return built
        for name, block in settings.items():
            context = BuildContext(
                name,
                config.seed,
                {
                    key: self._document.file(("federates", name, key), "")
                    for key in config.federates[name]
                },
                network,
                microseconds(3600.0 * config.duration_h),
                config.start_utc_s,
                self._program,
            )
            cls = self._classes[name]
            if cls.needs_network and network is None:
                self._faults.append(
                    Fault(self._where("federates", name), f"federates.{name}",
                          "needs a network.", "Name its file: 'network: network.json'.")
                )  # fmt: skip
                continue
            try:
                built[name] = cls.build(block, context)
            except InputError as error:
                self._faults += [self._place(name, fault) for fault in error.faults]
            except PluginError as error:
                where = self._where("federates", name)
                self._faults.append(Fault(where, f"federates.{name}", str(error)))
        return built

    def _place(self, name: str, fault: Fault) -> Fault:
        """Return a federate's own fault with its place in the scenario."""
        if fault.where != name:  # it names a file of its own
            return fault
        keys: list[str | int] = []
        for part in fault.key.split("."):
            stem, _, index = part.partition("[")
            keys += [stem, int(index[:-1])] if index else [stem]
        path = ("federates", name, *keys)
        key = f"federates.{name}.{fault.key}"
        return Fault(self._document.where(path), key, fault.problem, fault.advice)

    def _links(self, config: ScenarioConfig) -> list[Link]:
        return [_link(item.link, item.delayed, item.initial) for item in config.links]

    def _events(
        self,
        config: ScenarioConfig,
        federates: dict[str, Federate],
        links: list[Link],
        complete: bool,
    ) -> None:
        """Check events and add the federate that sends them."""
        events = []
        for index, item in enumerate(config.events):
            event = self._event(index, item, config, federates, complete)
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
        complete: bool,
    ) -> Event | None:
        where, key = self._where("events", index), f"events[{index}]"
        target = federates.get(item.target)
        if target is None:
            if item.target not in config.federates:
                problem = f"there is no federate '{item.target}'."
                advice = near(item.target, config.federates)
                self._faults.append(Fault(where, f"{key}.target", problem, advice))
            return None
        if item.kind not in target.events:
            problem = f"'{item.target}' knows no event '{item.kind}'."
            advice = near(item.kind, target.events)
            self._faults.append(Fault(where, f"{key}.kind", problem, advice))
            return None
        if item.t_h >= config.duration_h:
            problem = f"{item.t_h:g} h is not within the run of {config.duration_h:g} h."
            self._faults.append(Fault(where, f"{key}.t_h", problem))
        model = target.events[item.kind]
        try:
            data = parse(model, item.model_extra or {})
        except ValidationError as error:
            self._faults += faults_of(error, model, self._document.where, ("events", index))
            return None
        problem = target.refuses(item.kind, data)
        if problem:
            self._faults.append(Fault(where, key, problem))
        return Event(microseconds(3600.0 * item.t_h), item.target, item.kind, data.model_dump())

    def _record(self, config: ScenarioConfig, federates: Mapping[str, Federate]) -> None:
        for key, names in (("skip", config.record.skip), ("every_s", config.record.every_s)):
            for name in names:
                owner = name.partition(".")[0]
                if owner not in config.federates and owner != EVENTS:
                    where = self._where("record", key)
                    advice = near(owner, config.federates)
                    problem = f"there is no federate '{owner}'."
                    self._faults.append(Fault(where, f"record.{key}", problem, advice))

    def _deploy(self, config: ScenarioConfig) -> None:
        """Check that partitions hold federates that there are, each once."""
        partitions = config.deploy.partitions if config.deploy is not None else {}
        home: dict[str, str] = {}
        for place, names in partitions.items():
            key = f"deploy.partitions.{place}"
            where = self._where("deploy", "partitions", place)
            if not place.isidentifier():
                self._faults.append(Fault(where, key, "is no name of a partition."))
            for name in names:
                if name not in config.federates and name != EVENTS:
                    advice = near(name, config.federates)
                    self._faults.append(
                        Fault(where, key, f"there is no federate '{name}'.", advice)
                    )
                elif name in home:
                    problem = f"'{name}' is in partition '{home[name]}' too."
                    self._faults.append(Fault(where, key, problem, "Name it once."))
                home[name] = place

    def _expect(self, config: ScenarioConfig, federates: Mapping[str, Federate]) -> None:
        known = {f"{name}.{kpi.name}" for name, f in federates.items() for kpi in f.kpis()}
        complete = set(config.federates) <= set(federates)
        for group, names in (("expect", config.expect), ("report.kpis", config.report.kpis)):
            for name in names:
                if name not in known and complete:
                    where = self._where(*group.split("."), name)
                    problem = f"there is no key figure '{name}'."
                    self._faults.append(Fault(where, group, problem, near(name, known)))

    def _cycle_fault(self, cycle: CycleError, links: Iterable[Link]) -> Fault:
        first, *rest = cycle.names
        pairs = list(zip(cycle.names, [*rest, first], strict=True))
        along = [link for link in links if not link.delayed and (link.source, link.target) in pairs]
        closing = next(link for link in along if link.target == first)
        return Fault(
            self._where_link_of(closing),
            "links",
            f"undelayed links form a loop: {cycle}.",
            f"Mark one of them as delayed, for instance {{link: {closing}, delayed: true}}.",
        )

    def _where_link_of(self, link: Link) -> str:
        for index, item in enumerate(self._document.data.get("links", [])):
            text = item if isinstance(item, str) else item.get("link", "")
            if str(_link(text)) == str(link):
                return self._where("links", index)
        return str(self._document.path)


def _link(text: str, delayed: bool = False, initial: float | bool | None = None) -> Link:
    source, target = (end.strip() for end in text.split("->"))
    source_name, source_port = source.split(".")
    target_name, target_port = target.split(".")
    return Link(source_name, source_port, target_name, target_port, delayed, initial)


def _mappings(value: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        for name, block in value.items():
            if isinstance(block, Mapping):
                yield name, block
