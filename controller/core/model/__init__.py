"""The data that all of Holdfast speaks in: desired, observed, memory, actions, status; their names, keys and hashes.

Pure; it imports nothing of the other floors, and every other one may import it.
"""
