"""What DescribeEndpoint shows of a record: its status, its variants with counts and weights, and a deployment under way."""

from collections.abc import Mapping
from typing import Any

from salvia.ports.table import Record
from salvia.services.sagemaker.hosting import plan as plans
from salvia.services.sagemaker.hosting.instances import seats_of


def status_of(endpoint: Record) -> str:
    """A wish shows at once, whenever the loop gets to it."""
    if endpoint.wanted == "deleted":
        return "Deleting"
    wished = endpoint.spec.get("_changes", 0) != endpoint.status.get("_changed", 0) or _deploys(endpoint)
    return "Updating" if wished and endpoint.state == "InService" else endpoint.state


def _deploys(endpoint: Record) -> bool:
    served = {endpoint.status.get("_plan", {}).get("generation"), endpoint.status.get("_refused")}
    return endpoint.spec["_wish"]["generation"] not in served


def shown_of(endpoint: Record) -> dict[str, Any]:
    status, wish, live = status_of(endpoint), endpoint.spec["_wish"], endpoint.status.get("_plan")
    shown: dict[str, Any] = {"EndpointStatus": status, "_status": status}
    config = (live or wish)["config"]
    shown["EndpointConfigName"] = config["EndpointConfigName"]
    shown["DataCaptureConfig"] = _capture(config)
    for member in ("AsyncInferenceConfig", "MetricsConfig", "CrossRegionTrafficConfig"):
        shown[member] = config.get(member)
    if live:
        shown |= _variants(endpoint, live, {})
        shown["LastDeploymentConfig"] = live.get("deployment")
    if _deploys(endpoint) and endpoint.state in {"Creating", "InService", "Updating", "RollingBack"}:
        state = {"Status": "Creating", "StatusMessage": endpoint.status.get("_message") or "Starting the containers"}
        shown["PendingDeploymentSummary"] = {
            "EndpointConfigName": wish["config"]["EndpointConfigName"],
            "StartTime": endpoint.status.get("_began", endpoint.modified),
            **_variants(endpoint, wish, state),
        }
    return shown


def _variants(endpoint: Record, plan: Mapping[str, Any], state: Mapping[str, str]) -> dict[str, Any]:
    healthy = [seat.variant.name for seat in seats_of(endpoint, plan) if seat.note["healthy"]]
    there = healthy if state else [seat.variant.name for seat in seats_of(endpoint, plan)]
    found: dict[str, list[dict[str, Any]]] = {"ProductionVariants": [], "ShadowProductionVariants": []}
    for variant in plans.variants_of(plan):
        weight = plans.weight_of(endpoint, plan, variant)
        member = "ShadowProductionVariants" if variant.shadow else "ProductionVariants"
        one: dict[str, Any] = {
            "VariantName": variant.name,
            "DeployedImages": [
                {
                    "SpecifiedImage": container["Image"],
                    "ResolvedImage": container["Image"],
                    "ResolutionTime": endpoint.created,
                }
                for container in variant.containers
            ]
            or None,
            "CurrentWeight": weight,
            "DesiredWeight": weight,
            "VariantStatus": [dict(state)] if state else None,
            "ManagedInstanceScaling": variant.config.get("ManagedInstanceScaling"),
            "RoutingConfig": variant.config.get("RoutingConfig"),
        }
        if variant.serverless:
            desired = plans.serverless_of(endpoint, plan, variant)
            awake = (
                {"ProvisionedConcurrency": healthy.count(variant.name)} if "ProvisionedConcurrency" in desired else {}
            )
            one |= {"CurrentServerlessConfig": desired | awake, "DesiredServerlessConfig": desired}
        else:
            one |= {
                "CurrentInstanceCount": there.count(variant.name)
                if not variant.many_models
                else plans.count_of(endpoint, plan, variant),
                "DesiredInstanceCount": plans.count_of(endpoint, plan, variant),
                "InstanceType": variant.config["InstanceType"],
            }
        found[member].append(one)
    return {name: variants for name, variants in found.items() if variants}


def _capture(config: Mapping[str, Any]) -> dict[str, Any] | None:
    capture = config.get("DataCaptureConfig")
    if not capture:
        return None
    return {
        "EnableCapture": capture["EnableCapture"],
        "CaptureStatus": "Started" if capture["EnableCapture"] else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", ""),
    }
