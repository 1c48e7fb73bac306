"""`doctor`: checks of this machine, of Docker, the proxy and the sources, and of Nginx Proxy Manager, in that order.

A check returns a `machine.Finding`. Asks the Engine through `interfaces.Diagnosable`.
"""
