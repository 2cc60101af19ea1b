"""SageMaker Runtime: endpoints are asked."""

from salvia.resources.service import Service
from salvia.services.sagemaker_runtime.asynchronous import AsyncInvocation, invoke_endpoint_async
from salvia.services.sagemaker_runtime.invoke import begin_invocation, invoke_endpoint
from salvia.services.sagemaker_runtime.sessions import InferenceSession
from salvia.services.sagemaker_runtime.streaming import invoke_endpoint_with_response_stream

SERVICE = Service(
    "sagemaker-runtime",
    kinds=(AsyncInvocation, InferenceSession),
    operations={
        "InvokeEndpoint": invoke_endpoint,
        "InvokeEndpointAsync": invoke_endpoint_async,
        "InvokeEndpointWithResponseStream": invoke_endpoint_with_response_stream,
    },
    begins={"InvokeEndpoint": begin_invocation},
)
