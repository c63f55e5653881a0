"""Lists the instances of some regions with boto3, one region after another, as one line of JSON each.

usage: boto.py REGION...
"""

import json
import sys

import boto3

for region in sys.argv[1:]:
    ec2 = boto3.client("ec2", region_name=region)
    for page in ec2.get_paginator("describe_instances").paginate(MaxResults=1000):
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
                print(json.dumps({
                    "host": tags.get("Name"), "instance_id": instance["InstanceId"], "region": region,
                    "zone": instance["Placement"]["AvailabilityZone"], "state": instance["State"]["Name"],
                    "instance_type": instance["InstanceType"], "private_ip": instance.get("PrivateIpAddress"),
                    "launch_time": instance["LaunchTime"].isoformat(), "tags": tags,
                }))
