"""The managed policies of AWS that clients attach by ARN, as documents of our own.

Each grants what its name says on the services that exist here, and what SDKs look for before they use a role. They are
not copies of AWS's texts, which speak of many services more.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AwsManaged:
    name: str
    path: str
    description: str
    document: str
    created: float = 1_420_070_400.0  # 2015: they are older than any account

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::aws:policy{self.path}{self.name}"


def _allow(*actions: str, resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def _pass_role(*services: str) -> dict[str, Any]:
    return _allow(
        "iam:PassRole",
        resource="arn:aws:iam::*:role/*",
        Condition={"StringEquals": {"iam:PassedToService": list(services)}},
    )


_READ_VERBS = ("Get", "List", "Describe", "BatchGet")
_SERVICES = (
    "athena",
    "cloudwatch",
    "dynamodb",
    "ecr",
    "events",
    "glue",
    "iam",
    "lambda",
    "logs",
    "s3",
    "sagemaker",
    "sns",
    "sts",
)
_READ = [f"{service}:{verb}*" for service in _SERVICES for verb in _READ_VERBS]
_LOG_WRITE = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
_LOG_READ = ("logs:Describe*", "logs:Get*", "logs:List*", "logs:FilterLogEvents", "logs:StartQuery", "logs:StopQuery")
_ECR_READ = (
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
    "ecr:Describe*",
    "ecr:List*",
    "ecr:GetRepositoryPolicy",
)
_ECR_WRITE = (
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
)
# Buckets that SageMaker may always use: their name, or the object's key, has the word in it.
_SAGEMAKER_OBJECTS = [
    f"arn:aws:s3:::*{word}*" for word in ("SageMaker", "Sagemaker", "sagemaker", "aws-glue", "jumpstart")
]

# SDK v3 simulates these before it lets a job use a role, in a VPC or not.
_NETWORK = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:CreateVpcEndpoint",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
)

_SAGEMAKER_FULL = [
    _allow("sagemaker:*"),
    _allow(
        *_LOG_WRITE,
        *_LOG_READ,
        "logs:DeleteLogStream",
        "logs:PutRetentionPolicy",
        "cloudwatch:PutMetricData",
        "cloudwatch:Get*",
        "cloudwatch:List*",
        "cloudwatch:Describe*",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:DeleteAlarms",
    ),
    _allow(*_ECR_READ, *_ECR_WRITE, "ecr:CreateRepository"),
    _allow("s3:GetBucketLocation", "s3:ListBucket", "s3:ListAllMyBuckets", "s3:CreateBucket", "s3:GetBucketCors"),
    _allow("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", resource=_SAGEMAKER_OBJECTS),
    _allow(
        "s3:GetObject",
        Condition={"StringEqualsIgnoreCase": {"s3:ExistingObjectTag/SageMaker": "true"}},
    ),
    _allow("iam:GetRole", "iam:ListRoles", "iam:SimulatePrincipalPolicy"),
    _allow(*_NETWORK, "kms:DescribeKey", "kms:ListAliases"),
    _allow("glue:*", "athena:*", "events:*", "lambda:ListFunctions"),
    _allow("lambda:InvokeFunction", resource="arn:aws:lambda:*:*:function:*SageMaker*"),
    _allow("application-autoscaling:*", "sns:ListTopics"),
    _allow("sns:Publish", "sns:Subscribe", "sns:CreateTopic", resource="arn:aws:sns:*:*:*SageMaker*"),
    _pass_role("sagemaker.amazonaws.com", "glue.amazonaws.com", "events.amazonaws.com"),
]

_TABLE: tuple[tuple[str, str, str, list[dict[str, Any]]], ...] = (
    ("/", "AdministratorAccess", "Provides full access to all services and resources.", [_allow("*")]),
    (
        "/",
        "PowerUserAccess",
        "Provides full access to all services and resources, but does not allow management of users and groups.",
        [
            {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
            _allow("iam:ListRoles", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole"),
        ],
    ),
    (
        "/",
        "ReadOnlyAccess",
        "Provides read-only access to all services and resources.",
        [
            _allow(*_READ, "logs:FilterLogEvents", "sagemaker:Search", "sagemaker:QueryLineage", "iam:Simulate*"),
        ],
    ),
    ("/", "IAMFullAccess", "Provides full access to IAM.", [_allow("iam:*")]),
    ("/", "IAMReadOnlyAccess", "Provides read-only access to IAM.", [_allow("iam:Get*", "iam:List*", "iam:Simulate*")]),
    ("/", "AmazonS3FullAccess", "Provides full access to all buckets.", [_allow("s3:*", "s3-object-lambda:*")]),
    (
        "/",
        "AmazonS3ReadOnlyAccess",
        "Provides read-only access to all buckets.",
        [_allow("s3:Get*", "s3:List*", "s3:Describe*")],
    ),
    (
        "/",
        "AmazonSageMakerFullAccess",
        "Provides full access to SageMaker and what its jobs need of other services.",
        _SAGEMAKER_FULL,
    ),
    (
        "/",
        "AmazonSageMakerReadOnly",
        "Provides read-only access to SageMaker.",
        [
            _allow(
                "sagemaker:Describe*", "sagemaker:List*", "sagemaker:BatchGet*", "sagemaker:Get*", "sagemaker:Search"
            ),
            _allow("application-autoscaling:Describe*", "cloudwatch:Describe*", "cloudwatch:Get*", "cloudwatch:List*"),
        ],
    ),
    (
        "/",
        "AmazonSageMakerFeatureStoreAccess",
        "Provides the permissions that a feature group's offline store needs.",
        [
            _allow(
                "s3:PutObject",
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketAcl",
                "s3:PutObjectAcl",
                resource=_SAGEMAKER_OBJECTS,
            ),
            _allow("glue:Get*", "glue:CreateTable", "glue:UpdateTable", "glue:CreateDatabase"),
        ],
    ),
    (
        "/",
        "AmazonSageMakerModelRegistryFullAccess",
        "Provides full access to the SageMaker model registry.",
        [
            _allow("sagemaker:*ModelPackage*", "sagemaker:*Tags", "sagemaker:Search"),
            _allow("s3:GetObject", "s3:ListBucket", *_ECR_READ),
            _pass_role("sagemaker.amazonaws.com"),
        ],
    ),
    (
        "/",
        "AmazonSageMakerPipelinesIntegrations",
        "Provides what the Lambda, callback and EMR steps of pipelines need.",
        [
            _allow("lambda:*", resource="arn:aws:lambda:*:*:function:*?age?aker*"),
            _allow(
                "sqs:CreateQueue", "sqs:SendMessage", "sqs:GetQueueAttributes", resource="arn:aws:sqs:*:*:*sagemaker*"
            ),
            _allow(
                "events:PutRule",
                "events:DescribeRule",
                "events:PutTargets",
                "events:DeleteRule",
                "events:RemoveTargets",
            ),
            _pass_role("lambda.amazonaws.com"),
        ],
    ),
    ("/", "CloudWatchFullAccess", "Provides full access to CloudWatch.", [_allow("cloudwatch:*", "logs:*", "sns:*")]),
    ("/", "CloudWatchFullAccessV2", "Provides full access to CloudWatch.", [_allow("cloudwatch:*", "logs:*", "sns:*")]),
    (
        "/",
        "CloudWatchReadOnlyAccess",
        "Provides read-only access to CloudWatch.",
        [_allow("cloudwatch:Describe*", "cloudwatch:Get*", "cloudwatch:List*", *_LOG_READ)],
    ),
    ("/", "CloudWatchLogsFullAccess", "Provides full access to CloudWatch Logs.", [_allow("logs:*")]),
    ("/", "CloudWatchLogsReadOnlyAccess", "Provides read-only access to CloudWatch Logs.", [_allow(*_LOG_READ)]),
    (
        "/",
        "CloudWatchAgentServerPolicy",
        "Provides what an agent on a server needs to write metrics and logs.",
        [_allow("cloudwatch:PutMetricData", *_LOG_WRITE, "logs:DescribeLogStreams", "logs:DescribeLogGroups")],
    ),
    ("/", "AmazonEC2ContainerRegistryFullAccess", "Provides full access to ECR.", [_allow("ecr:*")]),
    ("/", "AmazonEC2ContainerRegistryReadOnly", "Provides read-only access to ECR.", [_allow(*_ECR_READ)]),
    (
        "/",
        "AmazonEC2ContainerRegistryPowerUser",
        "Provides access to ECR without deletion.",
        [_allow(*_ECR_READ, *_ECR_WRITE)],
    ),
    (
        "/",
        "AmazonAthenaFullAccess",
        "Provides full access to Athena.",
        [
            _allow(
                "athena:*", "glue:Get*", "glue:BatchGet*", "glue:CreateTable", "glue:CreateDatabase", "glue:DeleteTable"
            ),
            _allow("s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketLocation", "s3:ListAllMyBuckets"),
        ],
    ),
    ("/", "AmazonDynamoDBFullAccess", "Provides full access to DynamoDB.", [_allow("dynamodb:*")]),
    (
        "/",
        "AmazonDynamoDBReadOnlyAccess",
        "Provides read-only access to DynamoDB.",
        [
            _allow(
                "dynamodb:Get*",
                "dynamodb:BatchGet*",
                "dynamodb:Describe*",
                "dynamodb:List*",
                "dynamodb:Query",
                "dynamodb:Scan",
            ),
        ],
    ),
    ("/", "AmazonSNSFullAccess", "Provides full access to SNS.", [_allow("sns:*")]),
    (
        "/",
        "AmazonEventBridgeFullAccess",
        "Provides full access to EventBridge.",
        [_allow("events:*", "scheduler:*"), _pass_role("events.amazonaws.com", "scheduler.amazonaws.com")],
    ),
    (
        "/",
        "AWSLambda_FullAccess",
        "Provides full access to Lambda.",
        [_allow("lambda:*", "logs:*"), _pass_role("lambda.amazonaws.com")],
    ),
    (
        "/service-role/",
        "AWSLambdaBasicExecutionRole",
        "Provides write access to CloudWatch Logs.",
        [_allow(*_LOG_WRITE)],
    ),
    (
        "/service-role/",
        "AWSGlueServiceRole",
        "Provides what Glue jobs need of other services.",
        [
            _allow(
                "glue:*", "s3:GetBucketLocation", "s3:ListBucket", "s3:ListAllMyBuckets", "s3:GetObject", *_LOG_WRITE
            ),
            _allow("s3:PutObject", "s3:DeleteObject", resource="arn:aws:s3:::aws-glue-*"),
        ],
    ),
)


def _policy(path: str, name: str, description: str, statements: list[dict[str, Any]]) -> AwsManaged:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=4)
    return AwsManaged(name, path, description, document)


AWS_MANAGED: Mapping[str, AwsManaged] = {policy.arn: policy for policy in (_policy(*row) for row in _TABLE)}
