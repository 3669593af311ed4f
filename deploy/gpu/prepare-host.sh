#!/bin/sh
# Prepares a machine for the service: run it as root on the host, at boot. Each step says what it did or why it could not;
# none is needed, all save time (docs/deployment.md).
#   prepare-host.sh [GPU_CLOCK_MHZ]      without a clock the GPUs keep choosing their own
set -u
root=${PREPARE_ROOT:-}

say() { echo "prepare-host: $*"; }

# Pages of 2 MiB where a process asks for them, as the service's heap does.
pages=$root/sys/kernel/mm/transparent_hugepage/enabled
if grep -q '\[never\]' "$pages" 2>/dev/null; then
    if echo madvise 2>/dev/null >"$pages"; then
        say "transparent huge pages: now for processes that ask"
    else
        say "transparent huge pages: off, and this user may not turn them on"
    fi
else
    say "transparent huge pages: left as they are"
fi

if ! command -v nvidia-smi >/dev/null; then
    say "no nvidia-smi: no GPU is prepared"
    exit 0
fi
# Without it the driver unloads with its last user, and the next start waits seconds for it.
if nvidia-smi --persistence-mode=1 >/dev/null 2>&1; then
    say "persistence mode: on"
else
    say "persistence mode: nvidia-smi refused; nvidia-persistenced does the same"
fi
# A fixed clock ends the spread between the first step after a pause and the next.
if [ $# -eq 0 ]; then
    say "clocks: left to the GPUs"
elif nvidia-smi --lock-gpu-clocks="$1" >/dev/null 2>&1; then
    say "clocks: locked at $1 MHz (nvidia-smi --reset-gpu-clocks undoes it)"
else
    say "clocks: nvidia-smi refused $1 MHz; nvidia-smi -q -d SUPPORTED_CLOCKS lists what it takes"
fi
