"""The error tree. Every leaf is also a built-in exception, so callers may catch either.

::

    FeedertwinError
    ├── InputError (ValueError)         bad input, all faults at once
    │   ├── ScenarioError               a scenario file
    │   └── NetworkError                a network file
    ├── UnitError (ValueError)          a name without a unit, or two units that differ
    ├── PluginError (LookupError)       no model, controller or bridge of that name
    ├── MissingExtraError (ImportError) an optional part is not installed
    ├── FrameError (ValueError)         a radio frame that is forged, replayed or broken
    ├── FederateError (RuntimeError)    a federate ended the run
    │   ├── NonFiniteError (ArithmeticError)
    │   ├── BackwardStepError (ValueError)
    │   └── OutputError (TypeError)
    ├── BorderError (RuntimeError)      partitions of a run have lost each other
    ├── SolverError (RuntimeError)      a power flow did not converge
    ├── RunError (LookupError)          no such run, or nothing in it to work on
    └── RecordError (OSError)           the record could not be written
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class FeedertwinError(Exception):
    """Base of every error this project raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input, and what to do about it.

    Parameters
    ----------
    where : str
        ``file:line``, or another place a person can go to, such as ``--set``.
    key : str
        Dotted path of the value, ``federates.island.anchor.s_kva``.
    problem : str
        What is wrong, with the value that was given.
    advice : str
        What is allowed, or the next step.
    """

    where: str
    key: str
    problem: str
    advice: str = ""

    def __str__(self) -> str:
        """Return the fault as one line."""
        place = f"{self.where}: {self.key}" if self.key else self.where
        return f"{place}: {self.problem}" + (f" {self.advice}" if self.advice else "")


class InputError(FeedertwinError, ValueError):
    """An input with one or more faults; all of them are in ``faults``."""

    def __init__(self, title: str, faults: Iterable[Fault]) -> None:
        self.title = title
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        count = len(self.faults)
        super().__init__(f"{title}: {count} fault{'s' if count != 1 else ''}\n{lines}")


class ScenarioError(InputError):
    """A scenario file that cannot be run."""


class NetworkError(InputError):
    """A network that cannot exist or cannot be solved."""


class UnitError(FeedertwinError, ValueError):
    """A public name without a known unit suffix, or two units that do not match."""


class PluginError(FeedertwinError, LookupError):
    """No registered model, controller, bridge or engine has the name given."""


class MissingExtraError(FeedertwinError, ImportError):
    """An optional dependency is not installed; the text is the line that installs it."""

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(f'{needed_for} needs an extra: pip install "feedertwin[{extra}]"')


class FrameError(FeedertwinError, ValueError):
    """A radio frame that is too short, forged, replayed or of an unknown type."""


class BridgeError(FeedertwinError):
    """A port could not do what it was asked.

    Parameters
    ----------
    where : str
        The other end and the point, such as ``192.168.1.20:502 unit 1, 713.SoC``.
    problem : str
        What happened, with what was given.
    advice : str
        The next step.
    """

    def __init__(self, where: str, problem: str, advice: str = "") -> None:
        self.where = where
        self.problem = problem
        self.advice = advice
        super().__init__(f"{where}: {problem}" + (f" {advice}" if advice else ""))


class FederateError(FeedertwinError, RuntimeError):
    """A federate failed; carries its name and the simulated instant.

    Parameters
    ----------
    federate : str
        Name of the federate in the scenario.
    t_us : int
        Simulated instant. [us]
    problem : str
        What happened.
    """

    def __init__(self, federate: str, t_us: int, problem: str) -> None:
        self.federate = federate
        self.t_us = t_us
        self.problem = problem
        super().__init__(f"federate '{federate}' at t = {t_us / 1e6:.6f} s: {problem}")


class NonFiniteError(FederateError, ArithmeticError):
    """A federate sent NaN or infinity."""


class BackwardStepError(FederateError, ValueError):
    """A federate asked for its next step at or before the present instant."""


class OutputError(FederateError, TypeError):
    """A federate sent an undeclared port, a wrong shape or a wrong type."""


class BorderError(FeedertwinError, RuntimeError):
    """The partitions of a run cannot reach each other, or do not belong together."""


class SolverError(FeedertwinError, RuntimeError):
    """A power flow did not converge."""


class RunError(FeedertwinError, LookupError):
    """A run folder that does not exist, or has not what was asked of it."""


class RecordError(FeedertwinError, OSError):
    """The record of a run could not be written."""
