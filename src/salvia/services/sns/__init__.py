"""SNS: topics, and messages to HTTP and HTTPS subscribers."""

from salvia.resources.service import Service
from salvia.services.sns import subscriptions, topics
from salvia.services.sns.delivery import Delivery
from salvia.services.sns.publishing import publish, publish_message
from salvia.services.sns.signing import get_signing_certificate

__all__ = ["SERVICE", "publish"]

SERVICE = Service(
    "sns",
    kinds=(topics.Topic, subscriptions.Subscription, Delivery),
    operations={
        "CreateTopic": topics.create_topic,
        "DeleteTopic": topics.delete_topic,
        "ListTopics": topics.list_topics,
        "GetTopicAttributes": topics.get_topic_attributes,
        "SetTopicAttributes": topics.set_topic_attributes,
        "Subscribe": subscriptions.subscribe,
        "ConfirmSubscription": subscriptions.confirm_subscription,
        "Unsubscribe": subscriptions.unsubscribe,
        "ListSubscriptions": subscriptions.list_subscriptions,
        "ListSubscriptionsByTopic": subscriptions.list_subscriptions_by_topic,
        "GetSubscriptionAttributes": subscriptions.get_subscription_attributes,
        "SetSubscriptionAttributes": subscriptions.set_subscription_attributes,
        "Publish": publish_message,
        "GetSigningCertificate": get_signing_certificate,
        "TagResource": topics.tag_resource,
        "UntagResource": topics.untag_resource,
        "ListTagsForResource": topics.list_tags,
    },
)
