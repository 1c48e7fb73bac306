"""holdfast.yaml and the variables HOLDFAST_*: the settings of a controller.

::

    load          file + variables → Settings, or every mistake at once with its place
    model         Settings, and the rules that plans, catalog and policy take from it
    blocks, proxy the blocks and keys, their defaults and sentences
    base          what all blocks are made of
    values        the kinds of value: durations, addresses, paths, patterns …
    environment   which variable sets which key
    mistakes      what pydantic found → sentences for people
    example       the text that `init` writes, with every key

Imports the core and `yaml_text` only.
"""

from controller.settings.example import init_text
from controller.settings.load import load_settings
from controller.settings.model import Settings

__all__ = ["Settings", "init_text", "load_settings"]
