"""Real parts for tests: an Engine, a registry, a Caddy, images with chosen behaviour, and a sandbox around them."""
