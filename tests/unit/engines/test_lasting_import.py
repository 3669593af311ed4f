"""The thread that imports a native module outlasts the thread that asks for it."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from speech_service.engines.runtimes.lasting_import import lasting_import

SOURCE = "import threading\nimported_by = threading.current_thread()\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that tells which thread imported it."""
    name = "tells_its_thread"
    (tmp_path / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, name, ModuleType(name))  # what comes instead is taken away
    del sys.modules[name]
    return name


def on_threads(count: int, work: Callable[[], None]) -> None:
    """Run it on so many threads at once, which have ended afterwards."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_importing_thread_stays_when_those_that_asked_have_ended(module: str) -> None:
    before = set(threading.enumerate())
    found: list[ModuleType] = []
    on_threads(4, lambda: found.append(lasting_import(module)))
    assert len(found) == 4
    assert len({id(one) for one in found}) == 1
    importer = found[0].imported_by
    importer.join(timeout=0.05)
    assert importer.is_alive()
    assert importer.daemon, "the process could not end"
    assert set(threading.enumerate()) - before == {importer}


def test_a_module_that_does_not_load_leaves_no_thread(tmp_path: Path, module: str) -> None:
    before = set(threading.enumerate())
    (tmp_path / f"{module}.py").write_text("import no_such_package_at_all\n", encoding="utf-8")
    with pytest.raises(ImportError, match="no_such_package_at_all"):
        lasting_import(module)
    on_threads(1, lambda: None)
    for left in set(threading.enumerate()) - before:
        left.join(timeout=60)
        assert not left.is_alive()
    (tmp_path / f"{module}.py").write_text(SOURCE + "x = 1\n", encoding="utf-8")
    assert lasting_import(module).imported_by.is_alive()
