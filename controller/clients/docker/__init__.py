"""One Docker Engine as a `Runtime`. The only folder that imports docker-py, requests and urllib3.

::

    runtime      the calls that the controller makes, each in a thread of `threads`
    lister       what is there: one list call, with the `cache` of inspected details
    create       the create call, with `create_body`; writer, attach: calls on containers that exist
    handle       looks at one container and posts to it, once `ownership` says that it is ours and unchanged
    pull         pulls and the question for a digest, with `auth` and `stream`; images: what is here
    events       hints; logs: output; inventory: what `doctor` shows; network: the network of the settings
    view         from Docker's documents to `Container`
    engine       one connection; transport: what breaks on it; errors: what refusals mean

It may import `core`, `interfaces` and `telemetry`, and no other client.
"""
