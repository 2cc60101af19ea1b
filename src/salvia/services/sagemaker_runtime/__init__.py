"""SageMaker Runtime: endpoints are asked."""

from salvia.resources.service import Service
from salvia.services.sagemaker_runtime.invoke import invoke_endpoint
from salvia.services.sagemaker_runtime.streaming import invoke_endpoint_with_response_stream

SERVICE = Service(
    "sagemaker-runtime",
    operations={
        "InvokeEndpoint": invoke_endpoint,
        "InvokeEndpointWithResponseStream": invoke_endpoint_with_response_stream,
    },
)
