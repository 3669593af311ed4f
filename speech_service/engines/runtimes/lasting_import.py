"""Native modules that keep the thread which loads them for their main thread."""

import importlib
import sys
import threading
from concurrent.futures import Future
from types import ModuleType

_lock = threading.Lock()


def lasting_import(name: str) -> ModuleType:
    """Import a native module on a thread that lasts as long as the process. May be called from any thread.

    For a module with a library inside that ties its state to the thread that loads it. The threads that load models
    end, and the system gives their ids to new threads.

    Raises:
        ImportError: the module is not installed, or does not load.
    """
    with _lock:
        if name not in sys.modules:
            loaded: Future[None] = Future()
            threading.Thread(
                target=_load_and_stay, args=(name, loaded), name=f"loaded-{name}", daemon=True
            ).start()
            loaded.result()
    return sys.modules[name]


def _load_and_stay(name: str, loaded: Future[None]) -> None:
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
        loaded.set_exception(error)
        return
    loaded.set_result(None)
    threading.Event().wait()
