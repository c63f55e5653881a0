//! One call of the EC2 API: every request of every tool goes through [`Ec2::call`].

use crate::client::Ec2;
use aws_sdk_ec2::error::SdkError;
use std::future::Future;

impl Ec2 {
    /// Makes the call `name` (as `RunInstances`) in `region` for so many `resources`. `send` is called once for each
    /// attempt.
    pub(crate) async fn call<T, E, R, F>(
        &self,
        name: &'static str,
        region: &str,
        resources: usize,
        send: impl Fn() -> F,
    ) -> Result<T, SdkError<E, R>>
    where
        F: Future<Output = Result<T, SdkError<E, R>>>,
    {
        let _ = (name, region, resources);
        send().await
    }
}
