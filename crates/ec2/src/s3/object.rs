//! Reads and removes objects, in whatever region their bucket is.

use crate::client::Ec2;
use crate::client::call::Answer;
use crate::client::failure::failure;
use crate::config::region_name::check_region;
use crate::s3::error::{S3Error, bucket_region};
use crate::s3::request::{S3Request, next_part};
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use cerveza_manners::Result;
use std::cell::{Cell, RefCell};

impl Ec2 {
    /// Reads an object, and calls `receive` with each part of it. After a lost connection the rest is asked for, so no byte
    /// comes twice. `region` is where to look for the bucket first.
    pub async fn get_object(&self, region: &str, bucket: &str, key: &str, receive: impl FnMut(&[u8])) -> Result<()> {
        let (received, receive) = (Cell::new(0), RefCell::new(receive));
        let get = async |region: &str| {
            let request = S3Request { method: "GET", bucket, key, first_byte: received.get() };
            let mut answer = self.send_to_s3(region, request).await?;
            let mut body = answer.take_body();
            while let Some(part) = next_part(&mut body).await {
                let part = match part {
                    Ok(part) => part,
                    Err(error) => return Err(SdkError::response_error(error, answer)),
                };
                self.calls.arrivals.note_arrival(region);
                received.set(received.get() + part.len() as u64);
                (*receive.borrow_mut())(&part);
            }
            Ok(())
        };
        self.call_s3("GetObject", region, bucket, get).await
    }

    /// Removes an object. It is not an error if there is none.
    pub async fn delete_object(&self, region: &str, bucket: &str, key: &str) -> Result<()> {
        let delete = async |region: &str| {
            let request = S3Request { method: "DELETE", bucket, key, first_byte: 0 };
            self.send_to_s3(region, request).await.map(drop)
        };
        self.call_s3("DeleteObject", region, bucket, delete).await
    }

    /// Makes a call in the region of the bucket. If S3 says that this is another one, the call is made again there.
    async fn call_s3(
        &self,
        call: &'static str,
        region: &str,
        bucket: &str,
        send: impl AsyncFn(&str) -> Answer<(), S3Error>,
    ) -> Result<()> {
        let mut region = self.bucket_region(bucket).unwrap_or(region.to_string());
        check_region(&region)?;
        let mut error = match self.call(call, &region, 1, async || send(&region).await).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if let Some(other) = other_region(&error, &region) {
            self.note_bucket_region(bucket, &other);
            region = other;
            error = match self.call(call, &region, 1, async || send(&region).await).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
        }
        Err(failure(call, &region, &error))
    }
}

/// Returns the region of the bucket, if S3 says that it is another one.
fn other_region(error: &SdkError<S3Error, HttpResponse>, region: &str) -> Option<String> {
    let other = bucket_region(error).filter(|other| *other != region && check_region(other).is_ok());
    other.map(str::to_string)
}
