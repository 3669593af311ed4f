"""Compares grpcio versions by the cost of one echoed message on a bidirectional grpc.aio stream.

python benchmarks/grpcio_versions.py 5 1.75.0 1.80.0      (5 repeats, two versions)
Each version gets a temporary environment, and a server and a client process on loopback. No generated code takes
part. Repeats are interleaved; the CPU time per message is the figure to compare, the rate also shows other load.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from typing import Any

FIGURES = ("messages_per_s", "server_cpu_us", "client_cpu_us")
Figures = dict[str, dict[str, float]]  # case -> figure -> value
CASES: dict[str, tuple[int, int, int, bool]] = {  # streams, bytes, messages each, one at a time
    "1 x 640 B": (1, 640, 4000, False),
    "1 x 3200 B": (1, 3200, 4000, False),
    "1 x 640 B, one at a time": (1, 640, 2000, True),
    "50 x 640 B": (50, 640, 160, False),
    "50 x 3200 B": (50, 3200, 160, False),
}


async def serve() -> None:
    """Serves Echo (bidi) and Cpu (unary, seconds used so far) until standard input closes; prints the port."""
    import grpc.aio

    async def echo(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
        async for message in requests:
            yield message

    async def cpu(_request: bytes, _context: object) -> bytes:
        return repr(time.process_time()).encode()

    server = grpc.aio.server()
    methods = {
        "Echo": grpc.stream_stream_rpc_method_handler(echo),
        "Cpu": grpc.unary_unary_rpc_method_handler(cpu),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


async def converse(call: Any, payload: bytes, count: int, paced: bool) -> None:
    """Sends and receives `count` messages: each after the one before came back, or freely."""

    async def write() -> None:
        for _ in range(count):
            await call.write(payload)

    writer = asyncio.create_task(write()) if not paced else None
    for _ in range(count):
        if paced:
            await call.write(payload)
        await call.read()
    if writer:
        await writer
    await call.done_writing()


async def drive(port: int) -> Figures:
    """Runs every case against a server; gives messages per second and CPU microseconds per message."""
    import grpc.aio

    results: Figures = {}
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        echo = channel.stream_stream("/bench.Echo/Echo")
        cpu = channel.unary_unary("/bench.Echo/Cpu")
        await converse(echo(), b"warm", 500, paced=False)
        for name, (streams, size, count, paced) in CASES.items():
            server_cpu, client_cpu = float(await cpu(b"")), time.process_time()
            start = time.perf_counter()
            await asyncio.gather(
                *(converse(echo(), bytes(size), count, paced) for _ in range(streams))
            )
            wall, messages = time.perf_counter() - start, streams * count
            client_cpu = time.process_time() - client_cpu
            server_cpu = float(await cpu(b"")) - server_cpu
            cost = server_cpu / messages * 1e6, client_cpu / messages * 1e6
            results[name] = dict(zip(FIGURES, (messages / wall, *cost), strict=True))
    return results


def measure(python: Path) -> Figures:
    """Starts a server process and a client process with one interpreter; gives the client's results."""
    command, pipe = [str(python), __file__], subprocess.PIPE
    with subprocess.Popen([*command, "serve"], stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdout
        client = [*command, "drive", server.stdout.readline().strip()]
        results = subprocess.check_output(client, text=True, timeout=300)
    return json.loads(results)


def install(folder: Path, version: str) -> Path:
    """Makes a virtual environment with one grpcio version; gives its interpreter."""
    venv.create(folder / version, with_pip=True)
    python = folder / version / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, f"grpcio=={version}", "protobuf~=6.33.0"], check=True)
    return python


def compare(versions: list[str], repeats: int) -> dict[str, list[Figures]]:
    """Measures each version `repeats` times, interleaved; gives every run of each version."""
    runs: dict[str, list[Figures]] = {version: [] for version in versions}
    with tempfile.TemporaryDirectory() as name:
        pythons = {version: install(Path(name), version) for version in versions}
        for repeat in range(repeats):
            # Every other round goes backwards, so that a drift of the machine favours no version.
            for version in versions[:: 1 if repeat % 2 == 0 else -1]:
                runs[version].append(measure(pythons[version]))
    return runs


def print_table(runs: dict[str, list[Figures]]) -> None:
    """Prints the median of each figure as a Markdown table, one column per version."""
    print("| case | figure |", *(f"{version} |" for version in runs))
    print("| --- | --- |", *("--- |" for _ in runs))
    for case in CASES:
        for figure in FIGURES:
            medians = [median(run[case][figure] for run in taken) for taken in runs.values()]
            print(f"| {case} | {figure} |", *(f"{value:.0f} |" for value in medians))


def main() -> None:
    """Runs the role that the command line names."""
    match sys.argv[1:]:
        case ["serve"]:
            asyncio.run(serve())
        case ["drive", port]:
            print(json.dumps(asyncio.run(drive(int(port)))))
        case [repeats, *versions] if repeats.isdigit() and versions:
            print_table(compare(versions, int(repeats)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
