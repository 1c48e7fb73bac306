"""What would happen if nothing failed: `holdfast plan`, and what a saved plan is bound to.

`simulate` runs the real plan of every stage forward with `effects`, which say what each action leaves behind.
`changes` compares the first observation with the last, and `downtime` estimates the gap. `forecast` puts it together.

Imports every other folder of the core; only the manager and the command line import it.
"""
