"""The HTTP API of a running controller: on its unix socket, and for reading on a TCP address.

Shows through `interfaces.Reads`, changes through `interfaces.Control`, and imports neither clients nor the manager. The
only home of fastapi and uvicorn.
"""
