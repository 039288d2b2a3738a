"""Parts: the federates of a scenario, built as far as they can be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cosim import registry
from cosim.events import EVENTS
from cosim.scenario.document import Document
from cosim.scenario.salvage import Salvage
from cosim.scenario.schema import ScenarioConfig
from gridmodel.errors import Fault, InputError, PluginError
from gridmodel.federate import BuildContext, Federate, ProgramFactory
from gridmodel.ingest.neighbourhood_file import read_neighbourhood
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import Path as KeyPath
from gridmodel.settings import Settings, faults_of, parse
from gridmodel.units import microseconds

#: What looks like the name of a file.
_FILE = re.compile(r"[^\s:]+\.[A-Za-z]\w{1,7}")


class Parts:
    """Builds the federates of a scenario, and keeps what is wrong with them.

    Parameters
    ----------
    document : Document
        The file.
    program : ProgramFactory
        Makes the programs of nodes.
    """

    def __init__(self, document: Document, program: ProgramFactory) -> None:
        self._document = document
        self._program = program
        self.faults: list[Fault] = []
        #: Class of each federate whose model is known, right settings or not.
        self.classes: dict[str, type[Federate]] = {}
        self.settings: dict[str, Settings] = {}

    def check(self, blocks: Any) -> None:
        """Check the federates' blocks; what is none is left out."""
        for name, block in _mappings(blocks):
            if name == EVENTS or not name.isidentifier():
                problem = f"'{name}' cannot be the name of a federate."
                self.faults.append(Fault(self._where("federates", name), "federates", problem))
                continue
            settings = self._block(name, block)
            if settings is not None:
                self.settings[name] = settings

    def build(self, config: ScenarioConfig, salvage: Salvage) -> dict[str, Federate]:
        """Return the federates of all blocks that nothing is wrong with."""
        network = self._network(config)
        lost = network is None and (config.network is not None or "network" in salvage.doubtful)
        built: dict[str, Federate] = {}
        for name, block in self.settings.items():
            cls = self.classes[name]
            if cls.needs_network and network is None:
                self.faults += self._missing_files(name, config) if lost else self._no_network(name)
                continue
            try:
                built[name] = cls.build(block, self._context(name, config, network))
            except InputError as error:
                self.faults += [
                    self._place(name, fault, config)
                    for fault in error.faults
                    if not _follows(fault, name, salvage, lost)
                ]
            except PluginError as error:
                where = self._where("federates", name)
                self.faults.append(Fault(where, f"federates.{name}", str(error)))
        return built

    def _where(self, *path: str | int) -> str:
        return self._document.where(path)

    def _block(self, name: str, block: Mapping[str, Any]) -> Settings | None:
        """Check one federate's block and note its class; return its settings."""
        model = block.get("model")
        path: KeyPath = ("federates", name)
        if not isinstance(model, str):
            self.faults.append(self._no_model(name, model))
            return None
        try:
            cls: type[Federate] = registry.load(registry.FEDERATES, model)
        except PluginError as error:
            where = self._where(*path, "model")
            self.faults.append(Fault(where, f"federates.{name}.model", str(error)))
            return None
        self.classes[name] = cls
        rest = {key: value for key, value in block.items() if key != "model"}
        try:
            return parse(cls.Config, rest)
        except ValidationError as error:
            self.faults += faults_of(error, cls.Config, self._document.where_value, path)
            return None

    def _no_model(self, name: str, given: Any) -> Fault:
        problem = "is missing." if given is None else f"{given!r} was given."
        advice = f"Known are {', '.join(registry.names(registry.FEDERATES))}."
        blocks = _mappings(self._document.data.get("federates"))
        others = [other for other, one in blocks if "model" in one]
        close = get_close_matches(name, others, n=1) if given is None else []
        if close:  # a mistyped --set makes a part of its own
            advice = f"Did you mean the part '{close[0]}'? {advice}"
        return Fault(self._where("federates", name), f"federates.{name}.model", problem, advice)

    def _network(self, config: ScenarioConfig) -> Neighbourhood | None:
        if config.network is None:
            return None
        path = self._document.file(("network",), config.network)
        try:
            return read_neighbourhood(path)
        except InputError as error:
            self.faults += [self._by_override(fault, ("network",), path) for fault in error.faults]
            return None

    def _no_network(self, name: str) -> list[Fault]:
        problem, advice = "needs a network.", "Name its file: 'network: network.json'."
        return [Fault(self._where("federates", name), f"federates.{name}", problem, advice)]

    def _missing_files(self, name: str, config: ScenarioConfig) -> Iterator[Fault]:
        """Yield the files that are named, and are not there, of a part that cannot be built."""
        for key, path in self._files(name, config):
            if not path.exists():
                place = self._document.where(("federates", name, key))
                yield Fault(place, f"federates.{name}.{key}", f"there is no file '{path}'.")

    def _files(self, name: str, config: ScenarioConfig) -> Iterator[tuple[str, Path]]:
        for key, value in config.federates[name].items():
            if isinstance(value, str) and _FILE.fullmatch(value):
                yield key, self._document.file(("federates", name, key), value)

    def _context(
        self, name: str, config: ScenarioConfig, network: Neighbourhood | None
    ) -> BuildContext:
        block = config.federates[name]
        return BuildContext(
            name,
            config.seed,
            {key: self._document.file(("federates", name, key), "") for key in block},
            network,
            microseconds(3600.0 * config.duration_h),
            config.start_utc_s,
            self._program,
        )

    def _place(self, name: str, fault: Fault, config: ScenarioConfig) -> Fault:
        """Return a federate's own fault with its place in the scenario."""
        if fault.where != name:  # it names a file of its own
            for key, path in self._files(name, config):
                fault = self._by_override(fault, ("federates", name, key), path)
            return fault
        keys: list[str | int] = []
        for part in fault.key.split("."):
            stem, _, index = part.partition("[")
            keys += [stem, int(index[:-1])] if index else [stem]
        place = self._document.where_value(("federates", name, *keys))
        key = f"federates.{name}.{fault.key}"
        return Fault(place, key, fault.problem, fault.advice)

    def _by_override(self, fault: Fault, key: KeyPath, path: Path) -> Fault:
        """Return the fault of a file; if an override named the file, with that."""
        given = self._document.overridden.get(key)
        if given is None or not fault.where.startswith(str(path)):
            return fault
        return Fault(f"{given}: {fault.where}", fault.key, fault.problem, fault.advice)


def _follows(fault: Fault, name: str, salvage: Salvage, lost: bool) -> bool:
    """Return whether a fault may only follow from one at the top level that has been told."""
    if lost:
        return fault.where == name  # it might be right on a network
    return "start" in salvage.doubtful and fault.where != name


def _mappings(value: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        for name, block in value.items():
            if isinstance(block, Mapping):
                yield name, block
