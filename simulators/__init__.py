"""What obeys physics or an enemy: power flow, inverters, devices, radio, firmware, weather."""

from contextlib import suppress
from pathlib import Path


def _drop_stale_kernels(package: Path) -> None:
    """Delete compiled kernels that are older than any source of the package.

    Numba keeps a cached kernel while its own file is unchanged, although a function it
    calls may live in another file that has changed (numba issue 1833). Editing physics
    and running the old one unknowingly is worse than compiling once more.
    """
    newest = max(source.stat().st_mtime for source in package.rglob("*.py"))
    for kernel in package.rglob("*.nb[ci]"):
        with suppress(OSError):  # another process was faster, or the folder is read-only
            if kernel.stat().st_mtime < newest:
                kernel.unlink()


_drop_stale_kernels(Path(__file__).parent)
