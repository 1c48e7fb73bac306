#!/bin/sh
# PID 1 of the test app: listens, hands each connection to request.sh, ends politely.
if [ "${BROKEN:-}" = exit ]; then
    echo "this image is broken on purpose" >&2
    exit 7
fi
listener=
# shellcheck disable=SC2317,SC2009  # called by the trap; busybox has no pgrep here
stop() {
    [ -n "$listener" ] && kill "$listener" 2>/dev/null
    while ps | grep -q '[r]equest.sh'; do usleep 50000; done
    exit 0
}
if [ "${IGNORE_TERM:-}" = 1 ]; then trap '' TERM; else trap stop TERM INT; fi
if [ -n "${START_DELAY:-}" ]; then
    sleep "$START_DELAY" &
    wait $!
fi
# Each further l is one more place in the queue of connections that wait to be accepted.
nc -llllllllllllllllllllllllllllllllllllllllllllllll -p "${PORT:-8080}" -e /bin/sh /app/request.sh &
listener=$!
echo "$APP_TAG listens on ${PORT:-8080}"
if [ -n "${CRASH_AFTER:-}" ]; then
    sleep "$CRASH_AFTER" &
    wait $!
    echo "crashing on purpose" >&2
    exit 9
fi
wait "$listener"
exit 8
