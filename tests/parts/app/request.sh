#!/bin/sh
# Answers the one request of a connection: stdin and stdout are the connection.
read -r method target _ || exit 0
length=0
upgrade=
way=
while read -r line; do
    line=${line%?}
    case $line in
    '') break ;;
    [Cc]ontent-[Ll]ength:*) length=${line#*: } ;;
    [Uu]pgrade:*) upgrade=${line#*: } ;;
    [Xx]-[Ff]orwarded-[Ff]or:*) way=" proxy" ;;
    esac
done
[ "$length" -gt 0 ] && head -c "$length" >/dev/null

path=${target%%\?*}
query=
[ "$path" = "$target" ] || query=${target#*\?}

if [ -n "${RECORD:-}" ]; then
    read -r now _ </proc/uptime
    echo "$now $(hostname) $target$way" >>"$RECORD/requests"
fi

answer() { # status, body, further header line
    printf 'HTTP/1.1 %s OK\r\nConnection: close\r\nContent-Type: text/plain\r\n%sContent-Length: %s\r\n\r\n' \
        "$1" "${3:-}" "$((${#2} + 1))"
    [ "$method" = HEAD ] || printf '%s\n' "$2"
}
self="$APP_TAG $(hostname)${MESSAGE:+ $MESSAGE}"
cr=$(printf '\r')

case $path in
/)
    if [ "${REDIRECT:-}" = 1 ]; then
        answer 302 "$self" "Location: /home$cr
"
    else
        answer "${FRONT:-200}" "$self"
    fi
    ;;
/healthz)
    if [ "${BROKEN:-}" = health ] || [ -e /tmp/sick ]; then answer 503 sick; else answer 200 ok; fi
    ;;
/slow)
    sleep "${query:-5}"
    answer 200 "$self"
    ;;
/stream)
    printf 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n'
    for _ in $(seq "${query:-5}"); do
        echo "$self"
        sleep 1
    done
    ;;
/status) answer "${query:-200}" "$self" ;;
/env) answer 200 "$(env)" ;;
/write)
    if echo "$query" >>"${DATA:-/data}/lines"; then answer 200 written; else answer 500 "not writable"; fi
    ;;
/read) answer 200 "$(cat "${DATA:-/data}/lines" 2>/dev/null)" ;;
/socket)
    if [ "$upgrade" = websocket ]; then
        printf 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
        read -r line && echo "echo $line"
    else
        answer 426 "no upgrade asked for"
    fi
    ;;
/sick)
    touch /tmp/sick
    answer 200 sick
    ;;
/well)
    rm -f /tmp/sick
    answer 200 well
    ;;
/crash)
    answer 200 bye
    kill "$PPID"
    ;;
*) answer 200 "$self $path" ;;
esac
