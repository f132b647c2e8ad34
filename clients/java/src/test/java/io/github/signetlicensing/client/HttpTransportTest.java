package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.cert.Certificate;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import javax.net.ServerSocketFactory;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class HttpTransportTest {
  @TempDir static java.nio.file.Path directory;

  private static TestCertificate certificate;

  @BeforeAll
  static void createCertificate() throws Exception {
    certificate = TestCertificate.create(directory);
  }

  @Test
  void a_request_has_a_user_agent_and_a_json_body() throws IOException {
    try (LoopbackServer server = answering("200 OK", "Retry-After: 7\r\n", "{}")) {
      Reply reply = transport(server.url()).send("/path?a=b", Optional.of("{\"a\":1}"), none());
      assertEquals(200, reply.status);
      assertEquals(7, reply.retryAfter(0));
      String head = server.heads.get(0);
      assertTrue(head.startsWith("POST /path?a=b HTTP/1.1\r\n"), head);
      assertTrue(head.contains("User-Agent: signet-client-java/0.1.0 Atlas/4.2\r\n"), head);
      assertTrue(head.contains("Content-Type: application/json\r\n"), head);
    }
  }

  @Test
  void a_redirect_is_not_followed() throws IOException {
    try (LoopbackServer other = answering("200 OK", "", "{}");
        LoopbackServer server = answering("302 Found", "Location: " + other.url() + "\r\n", "")) {
      assertEquals(302, transport(server.url()).send("/", Optional.empty(), none()).status);
      assertEquals(List.of(), other.heads);
    }
  }

  @Test
  void a_response_of_401_without_a_challenge_is_a_response() throws IOException {
    try (LoopbackServer server = answering("401 Unauthorized", "", "{}")) {
      assertEquals(401, transport(server.url()).send("/", Optional.empty(), none()).status);
    }
  }

  @Test
  void a_body_of_more_than_a_megabyte_is_no_response() throws IOException {
    try (LoopbackServer server = answering("200 OK", "", "x".repeat(1_000_001))) {
      assertNoResponse(transport(server.url()), "the response is too long");
    }
    try (LoopbackServer server = answering("200 OK", "", "x".repeat(1_000_000))) {
      Reply reply = transport(server.url()).send("/", Optional.empty(), none());
      assertEquals(1_000_000, reply.body.length());
    }
  }

  @Test
  void a_body_that_is_cut_off_is_no_response() throws IOException {
    try (LoopbackServer server =
        new LoopbackServer((connection, head) -> write(connection, PARTIAL))) {
      assertNoResponse(transport(server.url()));
    }
  }

  @Test
  void a_server_that_does_not_answer_in_time_is_no_response() throws IOException {
    CountDownLatch end = new CountDownLatch(1);
    try (LoopbackServer server = new LoopbackServer((connection, head) -> end.await())) {
      assertNoResponse(transport(server.url(), SHORT_TIMEOUT), "no response within 0.5 s");
    }
    end.countDown();
  }

  @Test
  void a_body_that_does_not_end_in_time_is_no_response() throws IOException {
    CountDownLatch end = new CountDownLatch(1);
    try (LoopbackServer server =
        new LoopbackServer(
            (connection, head) -> {
              write(connection, PARTIAL);
              end.await();
            })) {
      assertNoResponse(transport(server.url(), SHORT_TIMEOUT), "no response within 0.5 s");
    }
    end.countDown();
  }

  @Test
  void stop_ends_a_request() throws Exception {
    CountDownLatch received = new CountDownLatch(1);
    CountDownLatch end = new CountDownLatch(1);
    try (LoopbackServer server =
        new LoopbackServer(
            (connection, head) -> {
              received.countDown();
              end.await();
            })) {
      HttpTransport transport = transport(server.url(), Duration.ofMinutes(10));
      LoopbackServer.startDaemon(
          () -> {
            received.await();
            transport.stop();
          });
      assertNoResponse(transport, "the client is closed");
      assertNoResponse(transport, "the client is closed");
    }
    end.countDown();
  }

  @Test
  void a_proxy_forwards_http_requests() throws IOException {
    try (LoopbackServer proxy = answering("200 OK", "", "{}")) {
      HttpTransport transport =
          transport("http://127.0.0.1:9", proxies(proxy.url()), List.of(), TIMEOUT);
      assertEquals(200, transport.send("/path", Optional.empty(), none()).status);
      assertTrue(proxy.heads.get(0).startsWith("GET http://127.0.0.1:9/path HTTP/1.1\r\n"));
    }
  }

  @Test
  void a_proxy_tunnels_https_requests_and_an_extra_certificate_is_trusted() throws Exception {
    try (LoopbackServer server = tlsServer();
        LoopbackServer proxy =
            new LoopbackServer((connection, head) -> tunnel(connection, server.port()))) {
      String url = "https://localhost:" + server.port();
      HttpTransport transport =
          transport(url, proxies(proxy.url()), certificate.authorities(), TIMEOUT);
      assertEquals(200, transport.send("/path", Optional.empty(), none()).status);
      assertTrue(proxy.heads.get(0).startsWith("CONNECT localhost:" + server.port()));
      assertTrue(server.heads.get(0).startsWith("GET /path HTTP/1.1\r\n"));
    }
  }

  @Test
  void a_certificate_that_is_not_trusted_or_of_another_host_is_no_response() throws Exception {
    try (LoopbackServer server = tlsServer()) {
      String url = "https://localhost:" + server.port();
      assertNoResponse(
          transport(url, proxies(null), List.of(), TIMEOUT), "SSLHandshakeException: ");
      String other = "https://127.0.0.1:" + server.port();
      assertNoResponse(transport(other, proxies(null), certificate.authorities(), TIMEOUT));
      Reply reply =
          transport(url, proxies(null), certificate.authorities(), TIMEOUT)
              .send("/", Optional.empty(), none());
      assertEquals(200, reply.status);
    }
  }

  @Test
  void a_connection_that_is_refused_or_a_name_that_is_unknown_is_no_response() throws IOException {
    LoopbackServer server = answering("200 OK", "", "{}");
    server.close();
    assertNoResponse(transport(server.url()), "ConnectException");
    assertNoResponse(transport("https://name.invalid"), "ConnectException");
  }

  private static final Duration TIMEOUT = Duration.ofSeconds(30);
  private static final Duration SHORT_TIMEOUT = Duration.ofMillis(500);
  private static final String PARTIAL = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";

  private static Optional<Duration> none() {
    return Optional.empty();
  }

  private static Proxies proxies(String url) {
    return new Proxies(Optional.ofNullable(url).map(URI::create), Map.of());
  }

  private static HttpTransport transport(String url) {
    return transport(url, TIMEOUT);
  }

  private static HttpTransport transport(String url, Duration timeout) {
    return transport(url, proxies(null), List.of(), timeout);
  }

  private static HttpTransport transport(
      String url, Proxies proxies, List<Certificate> authorities, Duration timeout) {
    String userAgent = new Options().userAgentSuffix("Atlas/4.2").userAgent;
    return new HttpTransport(url, userAgent, proxies, authorities, Duration.ofSeconds(10), timeout);
  }

  private static void assertNoResponse(HttpTransport transport) {
    assertNoResponse(transport, "");
  }

  /** Sends a request, and checks what the text of the error says. */
  private static void assertNoResponse(HttpTransport transport, String part) {
    IOException error =
        assertThrows(IOException.class, () -> transport.send("/", Optional.empty(), none()));
    String text = Text.describe(error);
    assertTrue(text.contains(part), text);
  }

  private static LoopbackServer answering(String status, String headers, String body)
      throws IOException {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    return new LoopbackServer(
        (connection, head) -> LoopbackServer.respond(connection, status, headers, bytes));
  }

  private static LoopbackServer tlsServer() throws Exception {
    ServerSocketFactory factory = certificate.serverContext().getServerSocketFactory();
    return new LoopbackServer(
        factory,
        (connection, head) ->
            LoopbackServer.respond(connection, "200 OK", "", new byte[] {'{', '}'}));
  }

  private static void write(Socket connection, String text) throws IOException {
    connection.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
  }

  /** Connects a client of a proxy with a port. */
  private static void tunnel(Socket client, int port) throws IOException {
    try (Socket server = new Socket("127.0.0.1", port)) {
      write(client, "HTTP/1.1 200 Connection established\r\n\r\n");
      LoopbackServer.startDaemon(
          () -> client.getInputStream().transferTo(server.getOutputStream()));
      OutputStream output = client.getOutputStream();
      server.getInputStream().transferTo(output);
    }
  }
}
