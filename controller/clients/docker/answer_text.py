"""The Engine's words without the names in them, so that no name is taken for a cause."""

import re

from controller.core.model.policy import split_reference

_QUOTED = re.compile(
    r"""
    "(?:[^"\\]|\\.)*"                     # references, URLs, commands, bodies
    | https?://[^\s"]*[^\s":,]            # URLs: host, repository and tag
    """,
    re.VERBOSE,
)
_OTHERS = re.compile(
    r"""
    \[[^\]\s]*(?:\ [^\]\s]*)?\]           # in brackets: a manifest's tag, an IPv6 address
    | sha256:[0-9a-f]+
    | \b\d+\.\d+\.\d+\.\d+(?::\d+)?       # addresses with their port
    | (?<=\blookup\ )\S+                  # a registry's host
    """,
    re.VERBOSE,
)
_VERSION = r"[:@][\w.:+-]+"


def without_names(text: str, image: str = "", name: str = "") -> str:
    """Lower-case text without quoted parts, addresses, the image's own name in any spelling and the container's."""
    text = _QUOTED.sub(" ", text.lower())
    if image:
        text = _without_image(text, image.lower())
    if name:
        text = text.replace(name.lower(), " ")
    return _OTHERS.sub(" ", text)


def _without_image(text: str, image: str) -> str:
    registry, path = split_reference(image)
    short = path.removeprefix("library/")
    for spelling in (f"{registry}/{path}", f"{registry}/{short}", path, short):
        if "/" in spelling:
            text = re.sub(rf"(?<![\w/.-]){re.escape(spelling)}(?![\w/-])(?:{_VERSION})?", " ", text)
    if "/" not in short:  # one word, such as `layer`: only where Docker names an image
        word = rf"(?<![\w/.-]){re.escape(short)}"
        text = re.sub(word + _VERSION, " ", text)
        text = re.sub(rf"((?:\bfor|\brepository|\bimage:?) ){word}(?![\w/-])", r"\1", text)
    return re.sub(rf"(?<![\w.-]){re.escape(registry)}(?![\w.-])", " ", text)
