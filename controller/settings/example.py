"""The text of a settings file with every key, its default and what it is for. `init` writes it."""

import json
import re
from pathlib import Path

from controller.settings.load import parse

_TEXT = """\
# Settings of Holdfast. Only id and domain are required; everything else stands here with its default.
# Relative paths are this file's. A variable such as HOLDFAST_PROXY__ADMIN beats proxy.admin here.

id: @ID@          # ownership mark of this controller on its Engine; keep it while anything runs
domain: @DOMAIN@  # hostnames are made below it

hostnames:
  default: "stage-{stage}-{project}"          # of a stage's default route
  instance: "stage-{stage}-{project}-{tag}"   # of each tag's own route

state:
  path: ./.holdfast               # history, memory, socket; made with mode 0700, of this controller alone
  history:
    maxAge: 90d                   # older rollouts and their log lines are forgotten
    maxCount: 1000                # and the oldest beyond so many

docker:
  host: null                      # unix:///PATH or tcp://HOST:PORT; null: DOCKER_HOST, else Docker's own socket
  network: holdfast               # all containers of this controller join it; made when missing
  config: null                    # folder of Docker's config.json with registry credentials; null: as docker itself

proxy:                            # started by somebody else, because it must outlive us
  kind: caddy
  admin: http://127.0.0.1:2019    # Caddy's admin API, or unix:///PATH
  listen: ":80"                   # where the proxy serves our hostnames
  address: 127.0.0.1:80           # where a new route is asked for, to see that it answers
  reach: ip                       # how the proxy reaches containers: ip, name (same network) or published (127.0.0.1)
  tls:
    mode: "off"                   # "off" (in quotes), internal (Caddy's own authority) or acme (Let's Encrypt)
#   email: admin@example.com      # with mode acme, and only then
# proxy:                          # or a Nginx Proxy Manager that you have already; deploy/npm.md says how
#   kind: npm
#   url: http://127.0.0.1:81      # its interface
#   identity: holdfast@example.com              # a user of it, with the permission to manage proxy hosts
#   secret: {file: npm-password}  # that user's password: file: below policy.secretRoots, or env: HOLDFAST_SECRET_…
#   address: 127.0.0.1:80         # where routes without a certificate are asked for
#   tlsAddress: 127.0.0.1:443     # where routes with one are
#   reach: name                   # it is in docker.network; ip or published where it is not in a container
#   certificate: null             # name, hostname such as "*.example.com" or id; letsencrypt: one per hostname
#   forceTLS: false               # redirect plain HTTP of routes with a certificate
#   accessList: null              # name or id
#   websockets: true

sources:                          # where documents come from, merged in this order
  - files:
      path: ./desired             # a file, or a folder that is read with everything below it

notifications: []                 # who is told when a rollout ends, by a signed webhook
# - url: https://hooks.example.com/holdfast   # or {env: HOLDFAST_SECRET_HOOK} where the URL itself is a secret
#   secret: {file: hook-key}                  # signs it: file: below policy.secretRoots, or env: HOLDFAST_SECRET_…
#   events: [success, failure, rollback]      # the default

policy:                           # what documents may ask for
  registries: []                  # where images may come from, such as [ghcr.io/example]; []: anywhere
  bindRoots: []                   # folders of this host below which hostPath may lie
  capabilities: []                # allowed beyond Docker's defaults; NET_RAW is kept only where it is listed
  secretRoots: [./secrets, /run/secrets]      # folders below which secret files may lie

limits:
  starts: auto                    # container starts in flight; auto: twice the cores
  pulls: 2                        # image pulls in flight
  surge: 1                        # replacements of one stage at a time
  resync: 30s                     # everything is looked at this often, even when nothing seems to happen
  guardPercent: 25                # losing more than one instance and more than this share waits for `holdfast confirm`
  imageHistory: 3                 # unused images kept per repository
  digestInterval: 1h              # the registry is asked this often what a tag points to
  trackInterval: 5m               # the same for tags that are followed (trackDigest)

api:                              # reads only: /healthz, /readyz, /api/v1/status; `api: null` switches it off
  listen: 127.0.0.1:8420
"""

_PLAIN = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def init_text(id: str, domain: str) -> str:
    """The settings of a new controller. Raises `InvalidInput` for an id or a domain that cannot be used."""
    text = _TEXT.replace("@ID@", _written(id)).replace("@DOMAIN@", _written(domain))
    parse(text, Path("holdfast.yaml"), {})
    return text


def _written(value: str) -> str:
    return value if _PLAIN.fullmatch(value) and value not in _WORDS else json.dumps(value)
