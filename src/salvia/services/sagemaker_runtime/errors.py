"""What goes wrong with an invocation, in AWS's words."""

from salvia.base.arn import partition_of
from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.serving import ModelAnswer
from salvia.resources.fleet import Route

_LONGEST = 1024
WHICH_COMPONENT = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. Please include "
    "Inference Component Name header or consider using SageMaker models."
)
NO_COMPONENTS = (
    "Inference Component Name header is not allowed for endpoints to which you dont plan to deploy inference components. Please "
    "remove the Inference Component Name header and try again."
)
NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if configured) or "
    "try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)


class InvocationInvalid(AwsError):
    code = "ValidationError"


class Unavailable(AwsError):
    """Clients try again by themselves."""

    code = "ServiceUnavailable"
    http_status = 503


class Throttled(AwsError):
    code = "ThrottlingException"
    http_status = 429


def not_found(call: Call, name: str) -> AwsError:
    return InvocationInvalid(f"Endpoint {name} of account {call.account} not found.")


def too_long(limit: int) -> AwsError:
    """AWS names no code for it, so clients show the status."""
    return AwsError(f"HTTP content length exceeded {limit} bytes.", code="413", http_status=413)


def model_error(route: Route, label: str, status: int, message: str) -> AwsError:
    """`status` is the container's own, 0 when it did not answer in time."""
    account, region, _ = route.key
    component = route.component
    group = f"/aws/sagemaker/{f'InferenceComponents/{component}' if component else f'Endpoints/{route.name}'}"
    whose = "client" if 400 <= status < 500 else "server"
    page = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
    return AwsError(
        f'Received {whose} error ({status}) from {label} with message "{message}". '
        f"See {page} in account {account} for more information.",
        code="ModelError",
        http_status=424,
        members={
            "OriginalStatusCode": status,
            "OriginalMessage": message,
            "LogStreamArn": f"arn:{partition_of(region)}:logs:{region}:{account}:log-group:{group}",
        },
    )


def refused(route: Route, label: str, answer: ModelAnswer) -> AwsError:
    """The container answered, with an error of its own."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    return model_error(route, label, answer.status, body[:_LONGEST].decode("utf-8", "replace"))


def timed_out(route: Route, label: str) -> AwsError:
    return model_error(
        route,
        label,
        0,
        f"Your invocation timed out while waiting for a response from container {label}. Review the latency metrics for "
        "each container in Amazon CloudWatch, resolve the issue, and try again.",
    )
