"""Everything that checks Holdfast; tests/README.md is the map."""
