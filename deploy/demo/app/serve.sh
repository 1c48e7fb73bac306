#!/bin/sh
# The demo app: a page that names its tag, /healthz, and an orderly end. PID 1 has to ask for SIGTERM itself.
set -u
mkdir -p /tmp/www
echo "$APP $TAG, answered by container $(hostname)" >/tmp/www/index.html
# The broken tag has no /healthz: its gate is answered 404.
[ "${BROKEN:-}" = 1 ] || echo ok >/tmp/www/healthz
httpd -f -p 8080 -h /tmp/www &
trap 'kill $!; exit 0' TERM INT
echo "$APP $TAG listens on 8080"
wait $!
