"""The program as people run it, on a real Engine, registry and proxy."""
