"""Progress without a terminal: a line now and then."""

from __future__ import annotations

from cosim.cli.progress import RunProgress

HOUR_US = 3_600_000_000


def test_a_log_gets_a_line_at_the_start_and_each_tenth(capsys):
    with RunProgress("street", quiet=False) as progress:
        for minute in range(0, 601, 5):
            progress(minute * HOUR_US // 60, 10 * HOUR_US)
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in said] == [f"{hour}:00" for hour in range(11)]


def test_a_second_run_in_its_place_is_told_from_its_own_start(capsys):
    with RunProgress("street", quiet=False) as progress:
        for name in ("inside", "outside"):
            progress.begin(name)
            for hour in range(11):
                progress(hour * HOUR_US, 10 * HOUR_US)
    said = [line.split()[:2] for line in capsys.readouterr().err.splitlines()]
    assert said == [[name, f"{h}:00"] for name in ("inside", "outside") for h in range(11)]


def test_a_quiet_one_says_nothing(capsys):
    with RunProgress("street", quiet=True) as progress:
        progress(0, HOUR_US)
    assert capsys.readouterr().err == ""
