//! Configurations of nginx, HAProxy and Envoy.

use std::net::SocketAddr;
use std::path::Path;

/// The large buffers: what Ringway's own grow to.
pub(crate) const LARGE_BYTES: usize = 256 * 1024;

/// nginx.conf; `buffer` is the size of its buffers, or its defaults.
pub(crate) fn nginx(
    folder: &Path,
    listen: SocketAddr,
    upstream: SocketAddr,
    buffer: Option<usize>,
) -> String {
    let folder = folder.display();
    let buffers = buffer.map_or_else(String::new, |bytes| {
        let busy = 2 * bytes;
        format!(
            "proxy_buffer_size {bytes}; proxy_buffers 4 {bytes}; proxy_busy_buffers_size {busy};
      client_body_buffer_size {bytes};"
        )
    });
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log crit;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream function {{
    server {upstream};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
  }}
  server {{
    listen {listen} backlog=4096;
    location / {{
      proxy_pass http://function;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
      proxy_request_buffering off;
      {buffers}
    }}
  }}
}}
"
    )
}

/// haproxy.cfg; `buffer` is the size of its buffers, or its default.
pub(crate) fn haproxy(listen: SocketAddr, upstream: SocketAddr, buffer: Option<usize>) -> String {
    let buffers = buffer.map_or_else(String::new, |bytes| format!("  tune.bufsize {bytes}\n"));
    format!(
        "global
  nbthread 1
  maxconn 8000
{buffers}defaults
  mode http
  no log
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
frontend front
  bind {listen} backlog 4096
  default_backend function
backend function
  server function {upstream} pool-max-conn 1024
"
    )
}

/// envoy.yaml.
pub(crate) fn envoy(listen: SocketAddr, upstream: SocketAddr) -> String {
    let address = |place: SocketAddr| {
        format!(
            "{{ socket_address: {{ address: {}, port_value: {} }} }}",
            place.ip(),
            place.port()
        )
    };
    format!(
        "static_resources:
  listeners:
  - address: {}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager\
.v3.HttpConnectionManager
          stat_prefix: bench
          generate_request_id: false
          stream_idle_timeout: 0s
          common_http_protocol_options: {{ idle_timeout: 3600s }}
          route_config:
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes:
              - match: {{ prefix: \"/\" }}
                route: {{ cluster: function, timeout: 0s }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
              suppress_envoy_headers: true
  clusters:
  - name: function
    type: STATIC
    circuit_breakers:
      thresholds:
      - {{ max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 }}
    load_assignment:
      cluster_name: function
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {} }}
",
        address(listen),
        address(upstream)
    )
}
