"""Documents of all sources merged into what each stage should be, and what of a change must be confirmed first.

`build` makes the catalog, `safeguards` decides what of it is acted on. Imports `core.documents` and `core.model`.
"""
