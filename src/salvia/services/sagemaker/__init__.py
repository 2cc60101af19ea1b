"""Amazon SageMaker: its nouns, family by family, and the operations that belong to no noun."""

from salvia.resources.service import Service
from salvia.resources.tags import add_tags, delete_tags, list_tags
from salvia.services.sagemaker.hosting.capacities import update_endpoint_weights_and_capacities, wake
from salvia.services.sagemaker.hosting.component import InferenceComponent, update_runtime_config
from salvia.services.sagemaker.hosting.config import EndpointConfig
from salvia.services.sagemaker.hosting.endpoint import Endpoint
from salvia.services.sagemaker.hosting.model import Model
from salvia.services.sagemaker.processing.job import ProcessingJob
from salvia.services.sagemaker.registry.algorithm import Algorithm
from salvia.services.sagemaker.registry.group import ModelPackageGroup
from salvia.services.sagemaker.registry.package import ModelPackage, batch_describe
from salvia.services.sagemaker.search import search
from salvia.services.sagemaker.training.job import TrainingJob
from salvia.services.sagemaker.transform.job import TransformJob
from salvia.services.sagemaker.tuning.job import HyperParameterTuningJob
from salvia.services.sagemaker.tuning.listing import list_trials

__all__ = ["SERVICE", "wake"]

SERVICE = Service(
    "sagemaker",
    kinds=(
        TrainingJob,
        HyperParameterTuningJob,
        ProcessingJob,
        TransformJob,
        Model,
        EndpointConfig,
        Endpoint,
        InferenceComponent,
        Algorithm,
        ModelPackageGroup,
        ModelPackage,
    ),
    operations={
        "AddTags": add_tags,
        "BatchDescribeModelPackage": batch_describe,
        "DeleteTags": delete_tags,
        "ListTags": list_tags,
        "ListTrainingJobsForHyperParameterTuningJob": list_trials,
        "Search": search,
        "UpdateEndpointWeightsAndCapacities": update_endpoint_weights_and_capacities,
        "UpdateInferenceComponentRuntimeConfig": update_runtime_config,
    },
)
