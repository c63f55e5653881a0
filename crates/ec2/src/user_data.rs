//! DescribeInstanceAttribute: the user-data of instances. EC2 tells it of one instance a request.

use crate::CONCURRENCY;
use crate::client::{Ec2, check_region};
use crate::failure::{code, failure};
use aws_sdk_ec2::types::InstanceAttributeName;
use cerveza_manners::{Failure, Result};
use futures_util::stream::{self, StreamExt};
use std::cell::RefCell;
use std::collections::HashMap;

impl Ec2 {
    /// The user-data of instances (region, id) by id, in base64 as EC2 gives it; `None` where there is none. `done` is
    /// called for each instance.
    pub async fn user_data(
        &self,
        instances: &[(String, String)],
        done: impl Fn(),
    ) -> HashMap<String, Result<Option<String>>> {
        let (silent, done) = (&RefCell::new(HashMap::new()), &done);
        let asked = instances.iter().map(|(region, id)| async move {
            let told = self.user_data_of(region, id, silent).await;
            done();
            (id.clone(), told)
        });
        stream::iter(asked).buffer_unordered(CONCURRENCY).collect().await
    }

    /// A region that has given no answer at all goes into `silent` and is not asked again: each instance would take
    /// as long as all the retries.
    async fn user_data_of(
        &self,
        region: &str,
        id: &str,
        silent: &RefCell<HashMap<String, Failure>>,
    ) -> Result<Option<String>> {
        check_region(region)?;
        if let Some(failure) = silent.borrow().get(region) {
            return Err(failure.clone());
        }
        let request = self.client(region).describe_instance_attribute().instance_id(id);
        let request = request.attribute(InstanceAttributeName::UserData);
        let error = match self.call("DescribeInstanceAttribute", region, 1, || request.clone().send()).await {
            Ok(answer) => return Ok(answer.user_data.and_then(|it| it.value).filter(|value| !value.is_empty())),
            Err(error) => error,
        };
        let failure = failure("DescribeInstanceAttribute", region, &error);
        match code(&error) {
            Some("UnauthorizedOperation") => Err(failure.hint("it takes the permission ec2:DescribeInstanceAttribute")),
            Some(_) => Err(failure),
            None => {
                silent.borrow_mut().insert(region.to_string(), failure.clone());
                Err(failure)
            }
        }
    }
}
