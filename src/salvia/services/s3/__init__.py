"""Amazon S3: the objects and buckets of `world.parts["object_store"]`."""

from salvia.resources.service import Service
from salvia.services.s3 import (
    acl,
    buckets,
    deleting,
    documents,
    listing,
    locking,
    multipart,
    posting,
    reading,
    tagging,
    writing,
)
from salvia.services.s3.access import bucket_policies

__all__ = ["SERVICE", "bucket_policies"]

SERVICE = Service(
    "s3",
    operations={
        "CreateBucket": buckets.create_bucket,
        "HeadBucket": buckets.head_bucket,
        "ListBuckets": buckets.list_buckets,
        "DeleteBucket": buckets.delete_bucket,
        "GetBucketLocation": buckets.get_bucket_location,
        "GetBucketVersioning": buckets.get_bucket_versioning,
        "PutBucketVersioning": buckets.put_bucket_versioning,
        "PutObject": writing.put_object,
        "PostObject": posting.post_object,
        "CopyObject": writing.copy_object,
        "GetObject": reading.get_object,
        "HeadObject": reading.head_object,
        "GetObjectAttributes": reading.get_object_attributes,
        "DeleteObject": deleting.delete_object,
        "DeleteObjects": deleting.delete_objects,
        "ListObjects": listing.list_objects,
        "ListObjectsV2": listing.list_objects_v2,
        "ListObjectVersions": listing.list_object_versions,
        "CreateMultipartUpload": multipart.create_multipart_upload,
        "UploadPart": multipart.upload_part,
        "UploadPartCopy": multipart.upload_part_copy,
        "ListParts": multipart.list_parts,
        "ListMultipartUploads": multipart.list_multipart_uploads,
        "CompleteMultipartUpload": multipart.complete_multipart_upload,
        "AbortMultipartUpload": multipart.abort_multipart_upload,
        "GetObjectTagging": tagging.get_object_tagging,
        "PutObjectTagging": tagging.put_object_tagging,
        "DeleteObjectTagging": tagging.delete_object_tagging,
        "GetBucketAcl": acl.get_bucket_acl,
        "PutBucketAcl": acl.put_bucket_acl,
        "GetObjectAcl": acl.get_object_acl,
        "PutObjectAcl": acl.put_object_acl,
        "GetObjectRetention": locking.get_object_retention,
        "PutObjectRetention": locking.put_object_retention,
        "GetObjectLegalHold": locking.get_object_legal_hold,
        "PutObjectLegalHold": locking.put_object_legal_hold,
        **documents.operations(),
    },
    recorded=documents.recorded() | {"PutBucketAcl", "GetBucketAcl", "PutObjectAcl", "GetObjectAcl"},
)
