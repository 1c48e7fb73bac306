#!/usr/bin/env bash
# shellcheck disable=SC2154,SC2013
# Makes sure that an Engine answers: the one that is there, else a private one in this machine's network.
# Sourced by run.sh. The private one writes no firewall rules and makes no docker0, so that nothing stays behind.

ensure_engine() {
    use_engine
    if [[ -z ${DOCKER_HOST:-} || $DOCKER_HOST != "unix://$demo/docker.sock" ]] && docker info >/dev/null 2>&1; then
        echo "using the Docker Engine that answers at ${DOCKER_HOST:-the usual socket}"
        docker_url=${DOCKER_HOST:-}
        return
    fi
    docker_url=unix://$demo/docker.sock
    export DOCKER_HOST=$docker_url
    if pid_of docker >/dev/null && docker info >/dev/null 2>&1; then
        echo "using the demo's own Docker Engine"
        return
    fi
    [[ $EUID -eq 0 ]] || die "no Docker Engine answers; start Docker, or run this as root"
    [[ ${#demo} -le 80 ]] || die "the path of this checkout is too long for a socket; clone it somewhere shorter"
    echo "no Docker Engine answers: starting one of our own below .demo/"
    mkdir -p "$demo/docker"
    local options=()
    if [[ -S /run/containerd/containerd.sock ]]; then
        # not the machine's containerd: what we run in it would be seen, and stay, there
        if ! pid_of containerd >/dev/null; then
            start containerd containerd --root "$demo/containerd" --state "$demo/exec/c" \
                --address "$demo/containerd.sock"
        fi
        wait_for 20 containerd test -S "$demo/containerd.sock"
        options=(--containerd "$demo/containerd.sock")
    fi
    rm -f "$demo/docker.pid"
    # dockerd takes a dead containerd for a living one when its pid lingers as a zombie, and waits for it in vain
    local pid
    pid=$(cat "$demo/exec/containerd/containerd.pid" 2>/dev/null || echo 0)
    grep -qa "$demo/" "/proc/$pid/cmdline" 2>/dev/null || rm -f "$demo/exec/containerd/containerd.pid"
    echo '{}' >"$demo/daemon.json"
    setsid env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy dockerd \
        --config-file "$demo/daemon.json" --data-root "$demo/docker" --exec-root "$demo/exec" \
        --pidfile "$demo/docker.pid" -H "$docker_url" --shutdown-timeout 5 "${options[@]}" \
        --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
        >>"$demo/docker.log" 2>&1 </dev/null &
    wait_for 60 "the Docker Engine" docker info
}
