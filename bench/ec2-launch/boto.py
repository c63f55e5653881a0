"""Launches each host that has no live instance with boto3, ten at a time, and waits until all run.

usage: boto.py IMAGE TYPE HOST...
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

image, instance_type, *hosts = sys.argv[1:]
# boto3's own handling of throttling: a rate limit in the client, and many attempts.
ec2 = boto3.client("ec2", config=Config(retries={"mode": "adaptive", "max_attempts": 20}))


def pages():
    live = {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
    # A call accepts 200 values, including the states.
    for at in range(0, len(hosts), 100):
        some = {"Name": "tag:Name", "Values": hosts[at:at + 100]}
        yield from ec2.get_paginator("describe_instances").paginate(Filters=[some, live])


def launch(host: str) -> str:
    tags = [{"Key": "Name", "Value": host}, {"Key": "profile", "Value": "Web"}]
    specifications = [{"ResourceType": resource, "Tags": tags} for resource in ("instance", "volume")]
    launched = ec2.run_instances(ImageId=image, InstanceType=instance_type, MinCount=1, MaxCount=1,
                                 TagSpecifications=specifications)
    return launched["Instances"][0]["InstanceId"]


there = {tag["Value"] for page in pages() for reservation in page["Reservations"]
         for instance in reservation["Instances"] for tag in instance["Tags"] if tag["Key"] == "Name"}
with ThreadPoolExecutor(10) as pool:
    ids = list(pool.map(launch, [host for host in hosts if host not in there]))
for at in range(0, len(ids), 100):
    ec2.get_waiter("instance_running").wait(InstanceIds=ids[at:at + 100])
print("\n".join(ids))
