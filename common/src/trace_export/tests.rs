use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// An exporter, the sender of its queue, and a listener that acts as the collector.
async fn exporter() -> (Exporter, mpsc::Sender<SpanData>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap()).parse().unwrap();
    let (queue, ended) = mpsc::channel(16);
    let exporter = Exporter {
        http: http_client(),
        endpoint,
        headers: HeaderMap::from_iter([("x-tenant".parse().unwrap(), "shop".parse().unwrap())]),
        resources: ResourceConfig { service_name: None },
        ended,
        counters: SpanCounters::default(),
        outage: OutageLog::default(),
        stop: CancellationToken::new(),
    };
    (exporter, queue, listener)
}

fn span() -> SpanData {
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let span = opentelemetry::trace::Tracer::start(&provider.tracer("rates"), "request");
    span.exported_data().unwrap()
}

/// Accepts one request and responds with `status`. Returns the number of spans in the request.
async fn answer(listener: &TcpListener, status: &str) -> usize {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0);
        let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(received[..end].to_vec()).unwrap();
        let header = |name: &str| head.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
        let length: usize = header("content-length:").unwrap().parse().unwrap();
        if received.len() < end + 4 + length {
            continue;
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert_eq!(header("content-type:").as_deref(), Some("application/x-protobuf"));
        assert_eq!(header("x-tenant:").as_deref(), Some("shop"));
        let response = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(response.as_bytes()).await.unwrap();
        let request = ExportTraceServiceRequest::decode(&received[end + 4..]).unwrap();
        let scopes = request.resource_spans.iter().flat_map(|service| &service.scope_spans);
        return scopes.map(|scope| scope.spans.len()).sum();
    }
}

#[tokio::test]
async fn refused_spans_are_dropped_and_later_spans_are_sent() {
    let (exporter, queue, listener) = exporter().await;
    let counters = exporter.counters.clone();
    let task = tokio::spawn(exporter.run());
    queue.send(span()).await.unwrap();
    assert_eq!(answer(&listener, "400 Bad Request").await, 1);
    queue.send(span()).await.unwrap();
    queue.send(span()).await.unwrap();
    assert_eq!(answer(&listener, "200 OK").await, 2);
    drop(queue);
    task.await.unwrap();
    assert_eq!((counters.exported.get(), counters.dropped.get()), (2, 1));
}

#[tokio::test]
async fn same_spans_are_sent_again_while_the_collector_is_overloaded() {
    let (exporter, queue, listener) = exporter().await;
    let counters = exporter.counters.clone();
    let task = tokio::spawn(exporter.run());
    queue.send(span()).await.unwrap();
    drop(queue);
    for status in ["503 Service Unavailable", "429 Too Many Requests", "200 OK"] {
        assert_eq!(answer(&listener, status).await, 1);
    }
    task.await.unwrap();
    assert_eq!((counters.exported.get(), counters.dropped.get()), (1, 0));
}

#[tokio::test]
async fn waiting_spans_are_sent_when_the_process_stops() {
    let (exporter, queue, listener) = exporter().await;
    let stop = exporter.stop.clone();
    let task = tokio::spawn(exporter.run());
    for _ in 0..3 {
        queue.send(span()).await.unwrap();
    }
    stop.cancel();
    assert_eq!(answer(&listener, "200 OK").await, 3);
    task.await.unwrap();
}

#[tokio::test]
async fn spans_for_an_unreachable_collector_are_dropped_at_the_stop() {
    let (exporter, queue, listener) = exporter().await;
    drop(listener);
    let (counters, stop) = (exporter.counters.clone(), exporter.stop.clone());
    let task = tokio::spawn(exporter.run());
    queue.send(span()).await.unwrap();
    TraceExport { task: Some(task), stop }.stop().await;
    assert_eq!((counters.exported.get(), counters.dropped.get()), (0, 1));
}
