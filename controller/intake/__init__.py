"""From the sources to the catalog: reads documents, keeps the last good ones, builds what is declared now.

Imports `core`, `interfaces`, `yaml_text` and `telemetry`, never `clients`: the store and the sources are interfaces.
"""
