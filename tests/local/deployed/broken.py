"""A durable function that cannot even be imported."""

import no_such_package  # type: ignore[import-not-found]

handler = no_such_package.handler
