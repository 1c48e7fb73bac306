"""The command line, one file per verb or family of verbs; `main` lists them all.

Only `main`, `output`, `keys` and the verbs' signatures are loaded for --help: everything heavier is imported inside the
commands. Shows through `interfaces.Reads`. The only home of typer and rich.
"""
