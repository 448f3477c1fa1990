"""The transforms that a job may name.

To add one: write a module like `as_is.py` beside this one, and name its transform here.
"""

from collections.abc import Mapping

from functions.pipelines.processor import Transform
from functions.pipelines.transforms.as_is import AS_IS
from functions.pipelines.transforms.normalize_products import NORMALIZE_PRODUCTS
from functions.shared.errors import PermanentError

TRANSFORMS: Mapping[str, Transform] = {
    transform.name: transform
    for transform in (
        AS_IS,
        NORMALIZE_PRODUCTS,
    )
}


class UnknownTransformError(PermanentError):
    """No transform has the name that the payload gives."""


def transform_named(name: str) -> Transform:
    """The transform of the registry.

    Raises:
        UnknownTransformError: There is none of this name.
    """
    try:
        return TRANSFORMS[name]
    except KeyError:
        raise UnknownTransformError(f"transform must be one of {', '.join(TRANSFORMS)}") from None
