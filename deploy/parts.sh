#!/usr/bin/env bash
# Gets the real parts that are missing: Docker Engine, docker-registry, Caddy and a static busybox, all from Debian.
#
# The three small ones are unpacked into .parts/ and not installed. The Engine is installed, as root, only where none
# answers and none is installed. Without a way to get a part this says what to install and ends with 69.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.parts/usr/bin:$PWD/.parts/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"

has_engine() {
    command -v dockerd >/dev/null && command -v docker >/dev/null && command -v iptables >/dev/null && return 0
    docker info >/dev/null 2>&1
}

has_busybox() {
    local program
    program=$(command -v busybox) || return 1
    ! ldd "$program" 2>/dev/null | grep -q '=>'
}

missing() {
    command -v docker-registry >/dev/null || echo docker-registry
    command -v caddy >/dev/null || echo caddy
    has_busybox || echo busybox-static
}

give_up() {
    echo "setup: missing: $*" >&2
    echo "setup: on Debian install them as root: apt-get install $*" >&2
    exit 69
}

if ! has_engine; then
    packages=(docker.io iptables)
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then give_up "${packages[@]}"; fi
    deploy/apt.sh "${packages[@]}"
    # from Debian 13 on the client is a package of its own
    command -v docker >/dev/null || deploy/apt.sh docker-cli
fi

mapfile -t packages < <(missing)
[[ ${#packages[@]} -eq 0 ]] && exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then give_up "${packages[@]}"; fi

echo "setup: unpacking ${packages[*]} into .parts/" >&2
mkdir -p .parts
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
download() { (cd "$folder" && apt-get download -qq -o APT::Sandbox::User=root "${packages[@]}" >/dev/null 2>&1); }
if ! download; then
    [[ $EUID -eq 0 ]] && apt-get update -qq </dev/null
    download || give_up "${packages[@]}"
fi
for file in "$folder"/*.deb; do
    dpkg-deb -x "$file" .parts
done
mapfile -t packages < <(missing)
[[ ${#packages[@]} -eq 0 ]] || give_up "${packages[@]}"
