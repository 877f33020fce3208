"""A program in the Terraform language."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from tests.support.components.harness import run
from tests.support.security.terraform import render


def declare() -> None:
    queue = aws.sqs.Queue("letters", sqs_managed_sse_enabled=True, tags={"CostCenter": "forms"})
    aws.sqs.QueuePolicy("letters-policy", queue_url=queue.url, policy=json.dumps({"Statement": [], "Version": "2012"}))
    aws.dynamodb.Table(
        "orders",
        hash_key="id",
        attributes=[{"name": "id", "type": "S"}, {"name": "at", "type": "S"}],
        global_secondary_indexes=[
            {
                "name": "by-time",
                "key_schemas": [{"attribute_name": "at", "key_type": "HASH"}],
                "projection_type": "ALL",
            }
        ],
        point_in_time_recovery={"enabled": True},
    )
    topic = aws.sns.Topic("alarms")
    aws.sns.TopicSubscription("mail", topic=topic.arn, protocol="email", endpoint="a@example.com")
    aws.s3.BucketObjectv2("page", bucket="files", key="index.html", source=pulumi.StringAsset("<p>"))


def test_is_what_a_person_would_write() -> None:
    assert (
        render(run(declare))
        == """\
resource "aws_dynamodb_table" "orders" {
  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "at"
    type = "S"
  }
  global_secondary_index {
    key_schema {
      attribute_name = "at"
      key_type = "HASH"
    }
    name = "by-time"
    projection_type = "ALL"
  }
  hash_key = "id"
  point_in_time_recovery {
    enabled = true
  }
}

resource "aws_s3_object" "page" {
  bucket = "files"
  key = "index.html"
  source = "the file"
}

resource "aws_sns_topic" "alarms" {
}

resource "aws_sns_topic_subscription" "mail" {
  endpoint = "a@example.com"
  protocol = "email"
  topic_arn = aws_sns_topic.alarms.id
}

resource "aws_sqs_queue" "letters" {
  sqs_managed_sse_enabled = true
  tags = {"CostCenter" = "forms"}
}

resource "aws_sqs_queue_policy" "letters-policy" {
  policy = jsonencode({"Statement": [], "Version": "2012"})
  queue_url = aws_sqs_queue.letters.id
}
"""
    )
