"""Memory and CPU time of processes, from files of /proc and from the real one."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from celery_gossip.worker.process_figures import ProcessFigures, cpu_seconds_without_proc, read_process

PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


def write_stat(
    root: Path, pid: int | str, name: str = "celery", parent: int = 1, pages: int = 5, ticks: int = 0
) -> None:
    """Write a `stat` file whose four CPU times are `ticks` each."""
    after = [*"S", *map(str, [parent, *[0] * 9, *[ticks] * 4, *[0] * 6, pages, *[0] * 20])]
    folder = root / "proc" / str(pid)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stat").write_text(f"77 ({name}) {' '.join(after)}\n")


@pytest.mark.parametrize("name", ["celery", "a b", "a) b", ") S 1 2 (", "größe", ""])
def test_the_figures_come_after_the_name_which_may_contain_anything(tmp_path: Path, name: str) -> None:
    write_stat(tmp_path, 42, name, parent=7, pages=3, ticks=10)
    assert read_process(42, str(tmp_path)) == ProcessFigures(7, 3 * PAGE, 40 / TICKS)


@pytest.mark.parametrize("text", ["", "77", "77 (x)", "77 (x) S 1 2 3", "77 (x) S one" + " x" * 40, "\xff"])
def test_a_file_of_another_form_is_unknown(tmp_path: Path, text: str) -> None:
    (tmp_path / "proc" / "1").mkdir(parents=True)
    (tmp_path / "proc" / "1" / "stat").write_text(text)
    assert read_process(1, str(tmp_path)) is None


def test_a_process_that_does_not_exist_is_unknown(tmp_path: Path) -> None:
    assert read_process(1, str(tmp_path)) is None


@needs_proc
def test_the_real_figures_of_this_process_are_those_of_the_system() -> None:
    burn_until = time.process_time() + 0.05
    while time.process_time() < burn_until:
        pass
    own = read_process("self")
    assert own is not None
    assert own.parent == os.getppid()
    assert own.cpu_seconds == pytest.approx(sum(os.times()[:4]), abs=0.2)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    assert own.rss == pytest.approx(resident, rel=0.1)


@needs_proc
def test_the_time_of_a_child_that_ended_counts() -> None:
    before = read_process("self")
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    after = read_process("self")
    assert before is not None and after is not None
    assert after.cpu_seconds - before.cpu_seconds >= 0.15


def test_without_proc_the_time_of_this_process_is_known() -> None:
    assert cpu_seconds_without_proc() > 0
