"""holdfast.yaml and the variables HOLDFAST_*: everything that is said about a controller itself.

::

    load          file + variables → Settings, or every mistake at once with its place
    model         the blocks and keys, their defaults and sentences
    values        the kinds of value: durations, addresses, paths, patterns …
    environment   which variable stands for which key
    mistakes      what pydantic found → what a person reads
    example       the text that `init` writes, with every key
"""

from controller.settings.example import init_text
from controller.settings.load import load_settings
from controller.settings.model import Settings

__all__ = ["Settings", "init_text", "load_settings"]
