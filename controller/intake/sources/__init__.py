"""Places that documents come from, one module per kind; `factory` makes what the settings name.

A source reads and checks documents and delivers them. It never decides that something is gone: the guard does.
"""
