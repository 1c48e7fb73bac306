#!/usr/bin/env bash
# What run.sh and clean.sh share: where things are, and starting and stopping the demo's own processes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
demo=$root/.demo
# shellcheck disable=SC2034  # for those who source this
id=holdfast-demo
export PATH="$root/.venv/bin:$root/.parts/usr/bin:$root/.parts/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '\n== %s\n' "$*"; }
die() {
    echo "demo: $*" >&2
    exit 1
}

# Pid of one of our processes, nothing when it does not run; a reused pid is somebody else's.
pid_of() {
    local pid
    pid=$(cat "$demo/$1.pid" 2>/dev/null) || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$root/." || return 1
    echo "$pid"
}

# start NAME COMMAND…: in the background, in a session of its own, with NAME.log and NAME.pid.
start() {
    local name=$1
    shift
    rm -f "$demo/$name.pid"
    setsid "$@" >>"$demo/$name.log" 2>&1 </dev/null &
    echo $! >"$demo/$name.pid"
}

wait_for() { # seconds, what, command…
    local seconds=$1 what=$2 tries
    shift 2
    for ((tries = 0; tries < seconds * 10; tries++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    die "$what did not come up; see the logs in .demo/"
}

stop() {
    local pid tries
    pid=$(pid_of "$1") || return 0
    kill -CONT "$pid" 2>/dev/null || true
    kill -TERM "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 300; tries++)); do
        pid_of "$1" >/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

# The Engine that answers, else the demo's own.
use_engine() {
    if pid_of docker >/dev/null || [[ -e $demo/docker ]]; then
        export DOCKER_HOST=unix://$demo/docker.sock
    fi
}

free_port() { # preferred port
    python - "$1" <<'PY'
import socket, sys

for port in (int(sys.argv[1]), 0):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(s.getsockname()[1])
        break
PY
}

answers() { # url: anything answers HTTP there
    python - "$1" <<'PY'
import sys, urllib.error, urllib.request

try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=2)
except urllib.error.HTTPError:
    pass
except OSError:
    sys.exit(1)
PY
}
