#!/usr/bin/env bash
# Installs Debian packages as root; services that come with them are neither started nor enabled.
set -euo pipefail
[[ $# -gt 0 ]] || exit 0
export DEBIAN_FRONTEND=noninteractive

policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "setup: apt-get install $*" >&2
options=(-y -qq --no-install-recommends -o Dpkg::Use-Pty=0)
if ! apt-get install "${options[@]}" "$@" >/dev/null 2>&1 </dev/null; then
    apt-get update -qq </dev/null
    apt-get install "${options[@]}" "$@" >/dev/null </dev/null
fi

if [[ -d /run/systemd/system ]]; then
    for package in "$@"; do
        while read -r unit; do
            systemctl disable --quiet "$(basename "$unit")" 2>/dev/null || true
        done < <(dpkg -L "$package" 2>/dev/null | grep -E '/systemd/system/[^/@]+\.(service|socket)$' || true)
    done
fi
