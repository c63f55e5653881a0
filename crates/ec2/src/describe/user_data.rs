//! DescribeInstanceAttribute: reads the user-data of instances, one instance in each request.

use crate::client::Ec2;
use crate::describe::each_instance::{AskError, each_instance};
use aws_sdk_ec2::types::InstanceAttributeName;
use cerveza_manners::Result;
use cerveza_record::Record;
use std::collections::HashMap;

impl Ec2 {
    /// Returns the user-data of the instances of these records by id, in base64 as EC2 gives it; `None` where there is
    /// none. `done` is called for each instance.
    pub async fn user_data(&self, instances: &[Record], done: impl Fn()) -> HashMap<String, Result<Option<String>>> {
        each_instance(instances, done, |instance| self.user_data_of(instance)).await
    }

    async fn user_data_of(&self, instance: &Record) -> std::result::Result<Option<String>, AskError> {
        let region = instance.str("region").unwrap_or_default();
        let request = self.client(&region).describe_instance_attribute().set_instance_id(instance.str("instance_id"));
        let request = request.attribute(InstanceAttributeName::UserData);
        match self.call("DescribeInstanceAttribute", &region, 1, || request.clone().send()).await {
            Ok(answer) => Ok(answer.user_data.and_then(|it| it.value).filter(|value| !value.is_empty())),
            Err(error) => Err(AskError::new("DescribeInstanceAttribute", &region, &error)),
        }
    }
}
