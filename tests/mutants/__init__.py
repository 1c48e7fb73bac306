"""Small random mistakes in the core, and how many of them the tests notice (`make mutants`)."""
