"""Holdfast keeps Docker hosts as declared. Start reading at `reconcile`; `README.md` beside it is the map.

Imports go one way, checked by import-linter: `cli`, `api`, `manager`, `wiring`, `loop`, `reconcile` and
`stage_registry`, then `work`, `intake`, `clients` and `settings` beside each other, then `interfaces`, then `core`.
"""
