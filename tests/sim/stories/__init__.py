"""Stories that play a user of the simulated host, by what they are about; `tests/sim/scenarios.py` lists them all."""
