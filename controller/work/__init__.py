"""Carries out a plan: quick calls, operations beside the passes, and what those need of each other.

`apply` takes one action, `operations` runs the long ones, and `perform` says what each of them does, with `gate`,
`liveness` and `predeploy` for those that are loops. `route_writer` is the only writer of the proxy. `queue` says which
stage has its pass next, `container_snapshot` and `wakeups` spare looks at Docker, `housekeeping` cleans up images.

Imports `core`, `interfaces` and `telemetry`; never `clients`, which it knows only through the interfaces.
"""
