"""Our lines in a proxy host's advanced configuration: pure text, and everything around them is somebody else's.

They make the proof of a route. A header cannot be added to the host's own answers: NPM's generated `location /` has an
`add_header` of its own, and nginx then inherits none from the server around it. So there is one more location, at a
path that nobody can guess, which asks the application for `/`, or for the path of its health check, and adds the marker
to whatever comes back, be it nginx's own 502. It answers HEAD only, and so gives away nothing that an access list
protects.
"""

import re

from controller.clients.route_mark import HEADER

FOLDER = "/.well-known/holdfast/"

_BEGIN = "# >>> Holdfast: written anew whenever it differs; edit above or below"
_END = "# <<< Holdfast"
_LINES = """\
proxy_hide_header {header};
location = {folder}{token} {{
  add_header {header} {marker} always;
  auth_basic off;
  auth_request off;
  allow all;
  limit_except HEAD {{ deny all; }}
  proxy_method GET;
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_pass $forward_scheme://$server:$port{path};
}}"""
_OUR_LINE = re.compile(
    "|".join(
        re.escape(line)
        for line in _LINES.format(header=HEADER, folder=FOLDER, token="@", marker="@", path="!").split("\n")
    )
    .replace("@", "[0-9a-f]+")
    .replace("!", "/[^;]*")
)
_PROOF = re.compile(rf"location = {FOLDER}([0-9a-f]+) {{\s*add_header {HEADER} ([0-9a-f]+) always;")


def spliced(text: str, token: str, marker: str, path: str = "/") -> str:
    """The text with our lines for this token, in the place where they are, else at the end; all else is untouched.

    `path`: what the application is asked for.
    """
    before, ours, after = _parts(text)
    lines = _LINES.format(header=HEADER, folder=FOLDER, token=token, marker=marker, path=path)
    if not ours and before and not before.endswith("\n"):
        before += "\n"
    return f"{before}{_BEGIN}\n{lines}\n{_END}\n{after}"


def proof(text: str) -> tuple[str, str]:
    """The path to ask for the proof, and the marker that is to come back; empty without our lines."""
    _, ours, _ = _parts(text)
    match = _PROOF.search(ours)
    return (f"{FOLDER}{match[1]}", match[2]) if match else ("", "")


def _parts(text: str) -> tuple[str, str, str]:
    """What stands before our lines, they themselves, and what stands after; copies of them are dropped.

    Where somebody cut the end off, only those lines count as ours that we would write.
    """
    before, begin, rest = text.partition(_BEGIN)
    if not begin:
        return before, "", ""
    ours, end, after = rest.partition(_END)
    if end:
        after = after.removeprefix("\r").removeprefix("\n")
    else:
        lines = rest.splitlines(keepends=True)
        size = next((n for n, line in enumerate(lines) if n and not _OUR_LINE.fullmatch(line.rstrip())), len(lines))
        ours, after = "".join(lines[:size]), "".join(lines[size:])
    copy_before, _, copy_after = _parts(after)
    return before, f"{begin}{ours}{end}", copy_before + copy_after
