"""A request that is right for each operation: what the model cannot say about its members."""

import json
from datetime import UTC, datetime
from typing import Any

ROLE = "arn:aws:iam::000000000000:role/SalviaExecutionRole"
POLICY = "arn:aws:iam::000000000000:policy/drawn-policy"
JOB = "arn:aws:sagemaker:us-west-2:000000000000:training-job/drawn-job"
PACKAGE = "arn:aws:sagemaker:us-west-2:000000000000:model-package/drawn-package"
ALARM = "arn:aws:cloudwatch:us-west-2:000000000000:alarm:drawn-alarm"
TOPIC = "arn:aws:sns:us-west-2:000000000000:drawn"
GROUP = "arn:aws:logs:us-west-2:000000000000:log-group:drawn"
IMAGE = "000000000000.dkr.ecr.us-west-2.amazonaws.com/nothing-like-it:1.0"  # so that no job really runs
SERVES = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
CONTAINER = {"Image": SERVES, "Environment": {"A": "1"}}
VARIANT = {"VariantName": "drawn", "ModelName": "drawn-model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
ROOM = {name: value for name, value in VARIANT.items() if name != "ModelName"}
COMPONENT = {"ModelName": "drawn-model", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128}}
OUTPUT = {"S3OutputPath": "s3://drawn/out"}


def _document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


DOCUMENT = _document(Action="s3:GetObject", Resource="arn:aws:s3:::drawn/*")
TRUST = _document(Action="sts:AssumeRole", Principal={"Service": "sagemaker.amazonaws.com"})
_DESTINATION = {"S3BucketDestination": {"Format": "CSV", "Bucket": "arn:aws:s3:::drawn"}}

# By service: members whose values must exist or have a form of their own. The first is the usual one.
KNOWN: dict[str, dict[str, list[Any]]] = {
    "s3": {
        "Bucket": ["drawn", "drawn", "missing-bucket"],
        "Key": ["key", "big", "a/b//c", "ключ", "../x"],
        "CopySource": ["drawn/key", "/drawn/key", "nowhere", "drawn/key?versionId=x"],
        "ExpectedBucketOwner": ["000000000000", "111111111111"],
        "Policy": [_document(Principal="*", Action="s3:GetObject", Resource="arn:aws:s3:::drawn/*"), "{}", "no JSON"],
    },
    "iam": {
        "UserName": ["drawn-user", "none"],
        "GroupName": ["drawn-group", "none"],
        "RoleName": ["drawn-role", "none"],
        "PolicyName": ["drawn-inline", "none"],
        "PolicyArn": [POLICY, "arn:aws:iam::aws:policy/AmazonS3FullAccess", "arn:aws:iam::000000000000:policy/none"],
        "PermissionsBoundary": [POLICY, "arn:aws:iam::aws:policy/none"],
        "PolicyDocument": [DOCUMENT, "{}", "no JSON", _document(Action="*", Resource=[])],
        "AssumeRolePolicyDocument": [TRUST, "{}", "no JSON"],
        "PolicySourceArn": ["arn:aws:iam::000000000000:role/drawn-role", ROLE],
        "VersionId": ["v1", "v2"],
        "ActionNames": [["s3:GetObject"], ["s3:*"], ["nothing"]],
        "PolicyInputList": [[DOCUMENT]],
        "PermissionsBoundaryPolicyInputList": [[DOCUMENT]],
        "ResourceArns": [["arn:aws:s3:::drawn/key"]],
        "ResourcePolicy": [_document(Principal="*", Action="s3:GetObject", Resource="arn:aws:s3:::drawn/*")],
        "CallerArn": ["arn:aws:iam::000000000000:user/drawn-user"],
        "Path": ["/", "/a/b/"],
        "PathPrefix": ["/"],
        "TagKeys": [["drawn"]],
    },
    "sts": {
        "RoleArn": [ROLE, "arn:aws:iam::000000000000:role/none"],
        "RoleSessionName": ["drawn"],
        "Name": ["drawn"],
        "Policy": [DOCUMENT, "no JSON"],
        "PolicyArns": [[{"arn": "arn:aws:iam::aws:policy/AmazonS3FullAccess"}]],
        "DurationSeconds": [900],
    },
    "logs": {
        "logGroupName": ["drawn", "none"],
        "logGroupIdentifier": ["drawn", GROUP, "none"],
        "logStreamName": ["stream", "none"],
        "resourceArn": [GROUP],
        "logEvents": [[{"timestamp": 0, "message": "drawn"}]],
        "retentionInDays": [7],
        "filterPattern": ["drawn", "{ $.a = 1 }", "[a, b]", "%a+%", "?x ?y", '"', "{ ", "%(%"],
        "tagKeys": [["drawn"]],
        "tags": [{"drawn": "1"}],
    },
    "cloudwatch": {
        "Namespace": ["Drawn", "/aws/sagemaker/TrainingJobs"],
        "MetricName": ["loss", "none"],
        "StartTime": [datetime(2024, 1, 1, tzinfo=UTC)],
        "EndTime": [datetime(2024, 1, 1, 1, tzinfo=UTC)],
        "Period": [60, 1, 3600],
        "Statistics": [["Average"]],
        "Stat": ["Average", "p99", "TM(10%:90%)", "none"],
        "Expression": ["a * 2", "SEARCH('loss', 'Average')", "((((", "a / 0", "FILL(a, 0)"],
        "Id": ["a", "A"],
        "MetricDataQueries": [[
            {"Id": "a", "MetricStat": {"Metric": {"Namespace": "Drawn", "MetricName": "loss"}, "Period": 60, "Stat": "Average"}},
            {"Id": "b", "Expression": "a * 2"},
        ]],
        "MetricData": [[{"MetricName": "loss", "Value": 1.0}]],
        "AlarmName": ["drawn-alarm", "none"],
        "AlarmNames": [["drawn-alarm"], ["none"]],
        "ResourceARN": [ALARM, ALARM + "-none"],
        "TagKeys": [["drawn"]],
        "AlarmActions": [[TOPIC], ["arn:aws:lambda:us-west-2:000000000000:function:f"]],
        "EvaluationPeriods": [1, 3],
        "Threshold": [1.0],
        "TreatMissingData": ["breaching", "maybe"],
    },
    "application-autoscaling": {
        "ServiceNamespace": ["sagemaker", "ecs"],
        "ResourceId": ["endpoint/drawn-endpoint/variant/drawn", "endpoint/none/variant/drawn", "service/x",
            "inference-component/drawn-component"],
        "ScalableDimension": ["sagemaker:variant:DesiredInstanceCount", "sagemaker:variant:DesiredProvisionedConcurrency",
            "sagemaker:inference-component:DesiredCopyCount"],
        "Schedule": ["rate(1 day)", "cron(0 8 * * ? *)", "at(2030-01-01T00:00:00)", "cron(* * * * * *)", "rate(0 days)"],
        "Timezone": ["UTC", "Europe/Berlin", "../etc", "Middle/Earth"],
        "ResourceARN": ["arn:aws:application-autoscaling:us-west-2:000000000000:scalable-target/none"],
        "MaxResults": [10],
        "PolicyType": ["StepScaling", "TargetTrackingScaling", "PredictiveScaling"],
    },
    "sns": {
        "Name": ["drawn", "drawn.fifo"],
        "TopicArn": [TOPIC, TOPIC + "-none"],
        "TargetArn": [TOPIC],
        "ResourceArn": [TOPIC, TOPIC + "-none"],
        "Protocol": ["http", "https", "sqs"],
        "Endpoint": ["http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://[", "http://a:b/"],
        "Attributes": [{"DisplayName": "drawn"}, {"RawMessageDelivery": "true"}],
        "AttributeName": ["DisplayName", "RawMessageDelivery", "Policy"],
        "AttributeValue": ["true", "drawn"],
        "MessageStructure": ["json"],
        "Message": ['{"default": "drawn"}', "drawn", "{"],
        "MessageAttributes": [{"kind": {"DataType": "String", "StringValue": "v"}}],
        "TagKeys": [["drawn"]],
    },
    "sagemaker": {
        "TrainingJobName": ["drawn-job", "none"],
        "ProcessingJobName": ["drawn-job", "none"],
        "TransformJobName": ["drawn-job", "none"],
        "InputFilter": ["$", "$[1:]", "$.a['b','c']", "$["],
        "OutputFilter": ["$", "$[0,-1]", "a"],
        "SplitType": ["Line", "None"],
        "AppSpecification": [{"ImageUri": IMAGE}],
        "ImageUri": [IMAGE],
        "LocalPath": ["/opt/ml/processing/in", "/opt/ml/processing/in/deep", "/etc"],
        "S3InputMode": ["File", "Pipe"],
        "HyperParameterTuningJobName": ["drawn-tuning", "none"],
        "Strategy": ["Random", "Grid", "Bayesian", "Hyperband"],
        "MinValue": ["1", "0", "-1", "x"],
        "MaxValue": ["9", "0.5", "1e999"],
        "ResourceArn": [JOB, JOB + "-none"],
        "RoleArn": [ROLE],
        "S3Uri": ["s3://drawn/key", "s3://drawn/", "s3://none/x"],
        "S3OutputPath": ["s3://drawn/out"],
        "TrainingImage": [IMAGE],
        "TrainingInputMode": ["File", "Pipe"],
        "InstanceType": ["ml.m5.large"],
        "InstanceCount": [1, 2],
        "VolumeSizeInGB": [1],
        "AlgorithmSpecification": [{"TrainingImage": IMAGE, "TrainingInputMode": "File"}],
        "ResourceConfig": [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}],
        "StoppingCondition": [{"MaxRuntimeInSeconds": 60}],
        "Resource": ["TrainingJob"],
        "ModelName": ["drawn-model", "none"],
        "AlgorithmName": ["drawn-algorithm", "none"],
        "ModelPackageName": ["drawn-package", PACKAGE, "none"],
        "ModelPackageGroupName": ["drawn-group", "none"],
        "ModelPackageArn": [PACKAGE, PACKAGE + "-none"],
        "ModelPackageArnList": [[PACKAGE]],
        "EndpointConfigName": ["drawn-config", "none"],
        "EndpointName": ["drawn-endpoint", "none"],
        "InferenceComponentName": ["drawn-component", "none"],
        "ExecutionRoleArn": [ROLE],
        "Image": [SERVES, IMAGE],
        "PrimaryContainer": [CONTAINER],
        "Containers": [[CONTAINER, CONTAINER]],
        "ModelDataUrl": ["s3://drawn/key", "s3://none/x", "https://s3.us-west-2.amazonaws.com/drawn/key"],
        "ProductionVariants": [[VARIANT]],
        "ShadowProductionVariants": [[VARIANT | {"VariantName": "shadow"}]],
        "VariantName": ["drawn", "none"],
        "Specification": [COMPONENT, COMPONENT | {"Container": {"Image": SERVES}}],
        "CopyCount": [0, 1],
        "SearchExpression": [{"Filters": [{"Name": "TrainingJobName", "Operator": "Contains", "Value": "drawn"}]}],
    },
    "sagemaker-runtime": {
        "EndpointName": ["drawn-endpoint", "none"],
        "ContentType": ["text/csv", "application/json"],
        "InputLocation": ["s3://drawn/key", "s3://none/x"],
    },
}  # fmt: skip

# Members that hold a language of their own: what is put together by chance.
LANGUAGES: dict[str, list[str]] = {
    "filterPattern": [
        "{ ", " }", "[", "]", "(", ")", "$.a", "$.a[0]", "$.*", "...", ", ", " = ", " != ", " > ", " && ", " || ", '"', "%", "a", "b c", " NOT EXISTS", " IS TRUE",
        "1", "1e999", "-", "?", "{99999999}", "|", "\\", "[a-z]", "()", "(a)", "(?=a)", "*", "+", "\u00e9", " ",
    ],
    "Expression": [
        "a", "b", "1", "0", "1e308", "(", ")", " + ", " - ", " * ", " / ", " ^ ", " == ", " < ", " AND ", "AND(", "IF(", "FILL(", "METRICS()", 'METRICS("a")', "SUM(",
        "AVG(", "STDDEV(", "LOG(", "RATE(", "REPEAT", "REPEAT(", "[", "]", ", ", "'x'", "SEARCH(", "SELECT ", " ",
    ],
    "Stat": ["p", "tm", "TC", "pr", "iqm", "(", ")", ":", "%", "10", "90", "99.9", "-5", "1000", ".", "Average"],
    "ExtendedStatistics": ["p", "tm", "(", ":", "%", "10", "90", ")"],
    "Policy": ['{"Version":"2012-10-17",', '"Statement":', "[", "{", '"Effect":"Allow"', ",", '"Action":"*"', '"Resource":"*"', "}", "]", "null"],
}  # fmt: skip

# By operation: what is right although the model does not ask for it, or what it asks for in another form.
RIGHT: dict[tuple[str, str], dict[str, Any]] = {
    ("s3", "CreateBucket"): {"Bucket": "drawn-made", "CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}},
    ("s3", "DeleteBucket"): {"Bucket": "drawn-made"},
    ("s3", "PutObject"): {"Key": "put", "Body": b"data", "Metadata": {"drawn": "1"}, "ContentType": "text/plain"},
    ("s3", "CopyObject"): {"Key": "copied"},
    ("s3", "UploadPart"): {"Key": "big", "Body": b"data"},
    ("s3", "UploadPartCopy"): {"Key": "big"},
    ("s3", "ListParts"): {"Key": "big"},
    ("s3", "AbortMultipartUpload"): {"Key": "big"},
    ("s3", "CompleteMultipartUpload"): {"Key": "big", "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "PART"}]}},
    ("s3", "DeleteObjects"): {"Delete": {"Objects": [{"Key": "gone"}]}},
    ("s3", "PutObjectTagging"): {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
    ("s3", "PutBucketTagging"): {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
    ("s3", "PutBucketVersioning"): {"VersioningConfiguration": {"Status": "Enabled"}},
    ("s3", "PutBucketAcl"): {"ACL": "private"},
    ("s3", "PutObjectAcl"): {"ACL": "private"},
    ("s3", "PutBucketCors"): {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}},
    ("s3", "PutBucketAccelerateConfiguration"): {"AccelerateConfiguration": {"Status": "Enabled"}},
    ("s3", "PutBucketEncryption"): {"ServerSideEncryptionConfiguration": {
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}},
    ("s3", "PutBucketLifecycleConfiguration"): {"LifecycleConfiguration": {
        "Rules": [{"ID": "a", "Filter": {"Prefix": "x/"}, "Status": "Enabled", "Expiration": {"Days": 1}}]}},
    ("s3", "PutBucketOwnershipControls"): {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
    ("s3", "PutBucketRequestPayment"): {"RequestPaymentConfiguration": {"Payer": "BucketOwner"}},
    ("s3", "PutBucketWebsite"): {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}},
    ("s3", "PutPublicAccessBlock"): {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}},
    ("s3", "PutBucketAnalyticsConfiguration"): {"AnalyticsConfiguration": {"Id": "a", "StorageClassAnalysis": {}}},
    ("s3", "PutBucketIntelligentTieringConfiguration"): {"IntelligentTieringConfiguration": {
        "Id": "a", "Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]}},
    ("s3", "PutBucketInventoryConfiguration"): {"InventoryConfiguration": {
        "Id": "a", "IsEnabled": True, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
        "Destination": _DESTINATION}},
    ("s3", "PutBucketMetricsConfiguration"): {"MetricsConfiguration": {"Id": "a"}},
    ("s3", "PutObjectLegalHold"): {"Bucket": "drawn-locked", "LegalHold": {"Status": "OFF"}},
    ("s3", "GetObjectLegalHold"): {"Bucket": "drawn-locked"},
    ("s3", "PutObjectRetention"): {"Bucket": "drawn-locked", "Retention": {
        "Mode": "GOVERNANCE", "RetainUntilDate": datetime(2099, 1, 1, tzinfo=UTC)}},
    ("s3", "GetObjectRetention"): {"Bucket": "drawn-locked"},
    ("s3", "GetObjectLockConfiguration"): {"Bucket": "drawn-locked"},
    ("s3", "PutObjectLockConfiguration"): {"Bucket": "drawn-locked", "ObjectLockConfiguration": {
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}},
    ("iam", "CreateUser"): {"UserName": "drawn-made"},
    ("iam", "CreateGroup"): {"GroupName": "drawn-made"},
    ("iam", "CreateRole"): {"RoleName": "drawn-made"},
    ("iam", "CreatePolicy"): {"PolicyName": "drawn-made"},
    ("iam", "CreateAccessKey"): {"UserName": "drawn-user"},
    ("iam", "DeleteUser"): {"UserName": "drawn-made"},
    ("iam", "DeleteGroup"): {"GroupName": "drawn-made"},
    ("iam", "DeleteRole"): {"RoleName": "drawn-made"},
    ("iam", "DeletePolicy"): {"PolicyArn": "arn:aws:iam::000000000000:policy/drawn-made"},
    ("iam", "DeleteAccessKey"): {"UserName": "drawn-user"},
    ("iam", "UpdateAccessKey"): {"UserName": "drawn-user"},
    ("iam", "UpdateAssumeRolePolicy"): {"PolicyDocument": TRUST},
    ("iam", "GetUser"): {"UserName": "drawn-user"},
    ("iam", "ListAccessKeys"): {"UserName": "drawn-user"},
    ("logs", "CreateLogGroup"): {"logGroupName": "drawn-made"},
    ("logs", "DeleteLogGroup"): {"logGroupName": "drawn-made"},
    ("logs", "CreateLogStream"): {"logStreamName": "drawn-made"},
    ("logs", "DeleteLogStream"): {"logStreamName": "drawn-made"},
    ("logs", "PutLogGroupDeletionProtection"): {"deletionProtectionEnabled": False},
    ("logs", "DescribeLogStreams"): {"logGroupName": "drawn"},
    ("logs", "GetLogEvents"): {"logGroupName": "drawn"},
    ("logs", "FilterLogEvents"): {"logGroupName": "drawn"},
    ("logs", "UntagLogGroup"): {"tags": ["drawn"]},
    ("cloudwatch", "PutMetricAlarm"): {
        "Namespace": "Drawn",
        "MetricName": "loss",
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    },
    ("sns", "Subscribe"): {"Endpoint": "http://127.0.0.1:1/"},
    ("sns", "Publish"): {"TopicArn": TOPIC},
    ("sns", "SetSubscriptionAttributes"): {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"},
    ("sns", "SetTopicAttributes"): {"AttributeName": "DisplayName", "AttributeValue": "drawn"},
    ("cloudwatch", "GetMetricStatistics"): {"Statistics": ["Average"]},
    ("cloudwatch", "PutMetricData"): {"MetricData": [{"MetricName": "loss", "Value": 1.0}]},
    ("sagemaker", "CreateModel"): {"ModelName": "drawn-made", "PrimaryContainer": CONTAINER, "ExecutionRoleArn": ROLE},
    ("sagemaker", "DeleteModel"): {"ModelName": "drawn-made"},
    ("sagemaker", "CreateAlgorithm"): {
        "AlgorithmName": "drawn-made",
        "TrainingSpecification": {
            "TrainingImage": SERVES, "SupportedTrainingInstanceTypes": ["ml.m5.large"],
            "SupportedHyperParameters": [{"Name": "rate", "Type": "Continuous", "IsTunable": True, "DefaultValue": "0.5",
                "Range": {"ContinuousParameterRangeSpecification": {"MinValue": "0", "MaxValue": "1"}}}],
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
            "TrainingChannels": [{"Name": "train", "SupportedContentTypes": ["text/csv"], "SupportedInputModes": ["File"]}]}},
    ("sagemaker", "DeleteAlgorithm"): {"AlgorithmName": "drawn-made"},
    ("sagemaker", "CreateModelPackage"): {
        "ModelPackageName": "drawn-made", "InferenceSpecification": {"Containers": [CONTAINER]}},
    ("sagemaker", "DeleteModelPackage"): {"ModelPackageName": "drawn-made"},
    ("sagemaker", "CreateModelPackageGroup"): {"ModelPackageGroupName": "drawn-made"},
    ("sagemaker", "DeleteModelPackageGroup"): {"ModelPackageGroupName": "drawn-made"},
    ("sagemaker", "CreateEndpointConfig"): {"EndpointConfigName": "drawn-made", "ProductionVariants": [VARIANT]},
    ("sagemaker", "DeleteEndpointConfig"): {"EndpointConfigName": "drawn-made"},
    ("sagemaker", "CreateEndpoint"): {"EndpointName": "drawn-made"},
    ("sagemaker", "DeleteEndpoint"): {"EndpointName": "drawn-made"},
    ("sagemaker", "CreateInferenceComponent"): {
        "InferenceComponentName": "drawn-made", "EndpointName": "drawn-room", "VariantName": "drawn",
        "Specification": COMPONENT, "RuntimeConfig": {"CopyCount": 0}},
    ("sagemaker", "UpdateInferenceComponent"): {"InferenceComponentName": "drawn-component", "Specification": COMPONENT},
    ("sagemaker", "DeleteInferenceComponent"): {"InferenceComponentName": "drawn-made"},
    ("sagemaker", "DeleteProcessingJob"): {"ProcessingJobName": "drawn-made"},
    ("sagemaker", "CreateProcessingJob"): {
        "ProcessingJobName": "drawn-made", "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["a"]},
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "ProcessingInputs": [{"InputName": "in", "S3Input": {"S3DataType": "S3Prefix", "S3InputMode": "File",
            "S3Uri": "s3://drawn/key", "LocalPath": "/opt/ml/processing/in"}}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": {"S3UploadMode": "EndOfJob",
            "S3Uri": "s3://drawn/out", "LocalPath": "/opt/ml/processing/out"}}]},
        "Environment": {"A": "1"}, "Tags": [{"Key": "a", "Value": "b"}]},
    ("sagemaker", "DeleteHyperParameterTuningJob"): {"HyperParameterTuningJobName": "drawn-made"},
    ("sagemaker", "CreateHyperParameterTuningJob"): {
        "HyperParameterTuningJobName": "drawn-made",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random", "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1},
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0", "MaxValue": "1"}]}},
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE, "TrainingInputMode": "File", "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}]},
            "RoleArn": ROLE, "OutputDataConfig": OUTPUT,
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60}}},
    ("sagemaker", "CreateTransformJob"): {
        "TransformJobName": "drawn-made", "ModelName": "drawn-model",
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://drawn/key"}},
            "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": "s3://drawn/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        "DataProcessing": {"InputFilter": "$[1:]", "JoinSource": "Input"}, "Environment": {"A": "1"}},
    ("sagemaker", "DeleteTrainingJob"): {"TrainingJobName": "drawn-made"},
    ("sagemaker", "CreateTrainingJob"): {
        "TrainingJobName": "drawn-made", "OutputDataConfig": OUTPUT,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://drawn/key"}}}],
        "HyperParameters": {"a": "1"}, "Environment": {"A": "1"}, "Tags": [{"Key": "a", "Value": "b"}]},
}  # fmt: skip
