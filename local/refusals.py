"""An AWS error as the Lambda API words it on the wire."""

import json
from typing import Self

from aiohttp import web

# https://docs.aws.amazon.com/lambda/latest/dg/durable-invoking.html
UNQUALIFIED_MESSAGE = "You cannot invoke a durable function using an unqualified ARN."


class AwsError(Exception):
    """A request that AWS refuses; the front door answers with it."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message

    @classmethod
    def invalid_parameter(cls, message: str) -> Self:
        return cls("InvalidParameterValueException", 400, message)

    @classmethod
    def not_found(cls, message: str) -> Self:
        return cls("ResourceNotFoundException", 404, message)

    def response(self) -> web.Response:
        return web.Response(
            status=self.status,
            headers={"x-amzn-errortype": self.code},
            content_type="application/json",
            body=json.dumps({"Type": "User", "Message": self.message, "message": self.message}),
        )
