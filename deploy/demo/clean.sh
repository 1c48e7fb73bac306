#!/usr/bin/env bash
# Removes what the demo made and nothing else: by the controller's id, by the pids it noted, and .demo/ itself.
. "$(dirname "$0")/lib.sh"
. deploy/demo/engine.sh

[[ -e $demo ]] || {
    echo "there is no demo to remove"
    exit 0
}
stop controller
use_engine
# a killed Engine is started once more: only it knows which processes are its containers
if [[ -e $demo/docker ]]; then (ensure_engine >/dev/null) || true; fi
if docker info >/dev/null 2>&1; then
    mapfile -t containers < <(docker ps -aq --no-trunc --filter "label=holdfast.dev/controller=$id")
    if [[ ${#containers[@]} -gt 0 ]]; then
        mapfile -t volumes < <(docker inspect -f \
            '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}' "${containers[@]}" |
            grep . | sort -u || true)
        docker rm -fv "${containers[@]}" >/dev/null
        [[ ${#volumes[@]} -eq 0 ]] || docker volume rm "${volumes[@]}" >/dev/null || true
    fi
    docker network rm "$id" >/dev/null 2>&1 || true
    port=$(cat "$demo/registry.port" 2>/dev/null || echo 5000)
    mapfile -t images < <(docker images -q --no-trunc --filter "reference=127.0.0.1:$port/holdfast-demo/*" | sort -u)
    [[ ${#images[@]} -eq 0 ]] || docker rmi -f "${images[@]}" >/dev/null || true
fi
stop caddy
stop registry
stop docker
stop containerd
# shims of a killed daemon keep their socket below our folder in their command line
for entry in /proc/[0-9]*; do
    if [[ ${entry#/proc/} != "$$" ]] && tr '\0' ' ' 2>/dev/null <"$entry/cmdline" | grep -qF "$demo/exec/"; then
        kill -KILL "${entry#/proc/}" 2>/dev/null || true
    fi
done
sleep 0.2
awk -v below="$demo/" 'index($2, below) == 1 {print $2}' /proc/self/mounts | sort -r | while read -r mount; do
    umount -l "$mount"
done
rm -rf "$demo"
echo "removed: containers, volumes, network and images of $id, its registry, proxy and Engine, .demo/"
