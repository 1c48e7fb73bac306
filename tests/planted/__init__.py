"""Known mistakes as textual edits of a copy of the package; each must turn a named test red."""
