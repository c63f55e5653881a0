//! Takes the instances out of an answer on its way to the SDK, which signs, sends and judges the call as any other.

use crate::client::Ec2;
use crate::client::call::Arrivals;
use crate::instance::InstanceFacts;
use crate::instance::xml::{BadXml, InstanceXml};
use aws_sdk_ec2::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use cerveza_record::Record;
use http_body::{Body, Frame};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// The instances of one answer. Each call whose instances are wanted gets one as its interceptor.
#[derive(Clone, Debug)]
pub(crate) struct InstancePage {
    region: String,
    /// The profile of the AWS configuration which the account was named by.
    profile: Option<String>,
    arrivals: Arrivals,
    instances: Arc<Mutex<Vec<InstanceFacts>>>,
}

impl Ec2 {
    /// Returns what takes the instances out of an answer of this account.
    pub(crate) fn instance_page(&self, region: &str) -> InstancePage {
        InstancePage::new(region, self.profile(), self.calls.arrivals.clone())
    }
}

impl InstancePage {
    pub fn new(region: &str, profile: Option<&str>, arrivals: Arrivals) -> InstancePage {
        let (region, profile) = (region.to_string(), profile.map(str::to_string));
        InstancePage { region, profile, arrivals, instances: Arc::default() }
    }

    /// Returns the records of the last answer, which must have arrived whole.
    pub fn take_records(&self) -> Vec<Record> {
        self.take_instances().iter().map(|instance| self.record(instance)).collect()
    }

    /// As [`InstancePage::take`], for an answer with many instances.
    pub fn take_instances(&self) -> Vec<InstanceFacts> {
        std::mem::take(&mut *self.lock())
    }

    pub fn record(&self, instance: &InstanceFacts) -> Record {
        instance.record(&self.region, self.profile.as_deref())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<InstanceFacts>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for InstancePage {
    fn name(&self) -> &'static str {
        "InstancePage"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success() {
            // An attempt before may have been cut off.
            self.take_instances();
            let body = InstanceBody {
                body: response.take_body(),
                xml: InstanceXml::new(),
                is_read: false,
                page: self.clone(),
            };
            *response.body_mut() = SdkBody::from_body_1_x(body);
        }
        Ok(())
    }
}

/// An answer without its instances.
struct InstanceBody {
    body: SdkBody,
    xml: InstanceXml,
    /// Whether it has been read to its end.
    is_read: bool,
    page: InstancePage,
}

impl Body for InstanceBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while !self.is_read {
            let kept = match ready!(Pin::new(&mut self.body).poll_frame(context)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.xml.read(&data)?,
                // A frame of trailers.
                Some(Err(_)) => continue,
                None => {
                    self.is_read = true;
                    self.xml.finish()?
                }
            };
            let instances = self.xml.take_instances();
            self.page.arrivals.note_arrival(&self.page.region);
            self.page.lock().extend(instances);
            if !kept.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(kept.into()))));
            }
        }
        Poll::Ready(None)
    }
}

impl fmt::Display for BadXml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadXml {}
