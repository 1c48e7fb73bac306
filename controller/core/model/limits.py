"""How much of everything a document may hold. All limits of documents stand here; `LIMITS` lists them.

They keep one file from costing the controller more than a moment, and are far above what a real project needs.
"""

from typing import NamedTuple

MAX_FILE_BYTES = 1024 * 1024
MAX_FILES = 2_000
MAX_ENTRIES = 20_000
MAX_DOCUMENTS = 1_000
MAX_NODES = 20_000
MAX_DEPTH = 32
MAX_DIAGNOSTICS = 100
MAX_EXCERPT = 120
MAX_MESSAGE = 500

MAX_STAGES = 32
MAX_INSTANCES = 64
MAX_ENV = 256
MAX_ENV_VALUE = 32_768
MAX_ENV_TOTAL = 128 * 1024
MAX_DOMAINS = 64
MAX_VOLUMES = 32
MAX_ARGS = 128
MAX_LABELS = 64

MIN_MEMORY = 6 * 1024 * 1024
MIN_CPUS = 0.01
MAX_CPUS = 1024.0
MAX_USER = 2**31 - 1
MIN_PAUSE = 0.001
MAX_DURATION = 366 * 86_400.0


class Limit(NamedTuple):
    """One limit as a person reads it."""

    what: str
    value: float
    unit: str


LIMITS: tuple[Limit, ...] = (
    Limit("size of a file", MAX_FILE_BYTES, "bytes"),
    Limit("files of a folder", MAX_FILES, "files"),
    Limit("entries of a folder, of whatever kind", MAX_ENTRIES, "entries"),
    Limit("documents of a file", MAX_DOCUMENTS, "documents"),
    Limit("values of a file", MAX_NODES, "values"),
    Limit("depth of nesting", MAX_DEPTH, "levels"),
    Limit("mistakes shown of a file", MAX_DIAGNOSTICS, "mistakes"),
    Limit("characters shown of a line", MAX_EXCERPT, "characters"),
    Limit("length of a message", MAX_MESSAGE, "characters"),
    Limit("stages of a project", MAX_STAGES, "stages"),
    Limit("instances of a stage", MAX_INSTANCES, "instances"),
    Limit("environment variables of a list", MAX_ENV, "variables"),
    Limit("one text value", MAX_ENV_VALUE, "characters"),
    Limit("all environment variables of a list together", MAX_ENV_TOTAL, "bytes"),
    Limit("domains of a stage", MAX_DOMAINS, "hostnames"),
    Limit("volumes of a project", MAX_VOLUMES, "volumes"),
    Limit("words of a command", MAX_ARGS, "words"),
    Limit("labels", MAX_LABELS, "labels"),
    Limit("memory at least (Docker's own floor)", MIN_MEMORY, "bytes"),
    Limit("processors at least (the kernel's own floor)", MIN_CPUS, "processors"),
    Limit("processors at most", MAX_CPUS, "processors"),
    Limit("number of a user or group", MAX_USER, "at most"),
    Limit("interval and timeout of a probe at least", MIN_PAUSE, "seconds"),
    Limit("any duration at most", MAX_DURATION, "seconds"),
)
"""Every limit, for the reference."""
