#!/usr/bin/env bash
# The demo: desired/ on real containers behind a real proxy. Everything it makes lies below .demo/ or carries the
# controller id holdfast-demo; clean.sh removes it all. Running it again starts from desired/ anew.
. "$(dirname "$0")/lib.sh"
. deploy/demo/engine.sh
. deploy/demo/images.sh

mkdir -p "$demo"
[[ -e $demo/controller.pid ]] && pid_of controller >/dev/null && die "the demo still runs (holdfast run); end it first"

say "Docker Engine, registry and proxy"
ensure_engine

if pid_of registry >/dev/null; then
    registry_port=$(cat "$demo/registry.port")
else
    registry_port=$(free_port 5000)
    echo "$registry_port" >"$demo/registry.port"
    cat >"$demo/registry.yml" <<YAML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: "$demo/registry"}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$registry_port"}
YAML
    start registry docker-registry serve "$demo/registry.yml"
fi
wait_for 20 "the registry" answers "http://127.0.0.1:$registry_port/v2/"
echo "registry on 127.0.0.1:$registry_port"

if pid_of caddy >/dev/null; then
    admin_port=$(cat "$demo/admin.port") http_port=$(cat "$demo/http.port")
else
    admin_port=$(free_port 2019) http_port=$(free_port 8080)
    echo "$admin_port" >"$demo/admin.port"
    echo "$http_port" >"$demo/http.port"
    echo "{\"admin\": {\"listen\": \"127.0.0.1:$admin_port\"}}" >"$demo/caddy.json"
    start caddy env HOME="$demo" XDG_DATA_HOME="$demo" XDG_CONFIG_HOME="$demo" caddy run --config "$demo/caddy.json"
fi
wait_for 20 Caddy answers "http://127.0.0.1:$admin_port/config/"
echo "Caddy on 127.0.0.1:$http_port, its admin API on 127.0.0.1:$admin_port"

# Edits happen in a copy, so that the checkout stays as it is.
rm -rf "$demo/desired.new"
cp -R desired "$demo/desired.new"
sed -i "s/127\.0\.0\.1:5000/127.0.0.1:$registry_port/g" "$demo"/desired.new/*.yaml
rm -rf "$demo/desired"
mv "$demo/desired.new" "$demo/desired"
cat >"$demo/holdfast.yaml" <<YAML
id: $id
domain: localhost
state: {path: ./state}
docker: {host: ${docker_url:-null}, network: $id}
proxy:
  kind: caddy
  admin: http://127.0.0.1:$admin_port
  listen: "127.0.0.1:$http_port"
  address: 127.0.0.1:$http_port
sources:
  - files: {path: ./desired}
limits: {resync: 10s}
api: null
YAML

say "images, built from scratch, pushed to the registry"
push_images

cd "$demo"
run() {
    printf '\n$ %s\n' "$*"
    "$@"
}
fetch_all() {
    local host
    echo
    for host in $(holdfast get -o wide | grep -oE '[a-z0-9][a-z0-9.-]*\.localhost' | sort -u); do
        fetch "$host"
    done
}
fetch() { # through the proxy, as a browser would
    printf '  http://%s:%s/  ->  ' "$1" "$http_port"
    python - "$1" "$http_port" <<'PY'
import http.client, sys

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]), timeout=10)
connection.request("GET", "/", headers={"Host": sys.argv[1]})
answer = connection.getresponse()
print(answer.status, answer.read().decode().strip())
PY
}
replace() { # old tag, new tag
    printf "\n\$ sed -i 's/tag: %s/tag: %s/' .demo/desired/demo.yaml\n" "$1" "$2"
    grep -qE "tag: \"?$1\"?" desired/demo.yaml || die "desired/demo.yaml declares no tag $1"
    sed -i -E "s/tag: \"?$1\"?([^0-9A-Za-z.-]|$)/tag: $2\1/" desired/demo.yaml
}

say "what is declared, and what would happen"
run holdfast validate
run holdfast plan

say "make it so"
run holdfast apply
run holdfast get -o wide
fetch_all

say "replace a tag: 1.2.0 becomes 1.3.0"
replace 1.2.0 1.3.0
run holdfast apply
fetch_all

say "replace it by a tag that never becomes healthy: it is taken back, the old one keeps serving"
replace 1.3.0 1.4.0-broken
if run holdfast apply; then
    die "the broken tag should have made apply end with 1"
else
    code=$?
    [[ $code -eq 1 ]] || die "apply ended with $code"
fi
fetch_all
run holdfast history

say "put it right again"
replace 1.4.0-broken 1.3.0
run holdfast apply
run holdfast get -o wide

if [[ -t 0 && -t 1 ]]; then
    say "now it keeps everything as declared; edit .demo/desired/demo.yaml, or stop a container, and watch"
    echo "Ctrl-C ends it and leaves everything running; make clean-demo removes everything."
    echo $$ >"$demo/controller.pid"
    exec holdfast run
fi
say "done; everything still runs. make clean-demo removes it all"
