package io.github.signetlicensing.client;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.cert.Certificate;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Sends requests with the HTTP client of the JDK. Its threads are daemons, and start with the first
 * request.
 */
final class HttpTransport implements Transport {
  private final String apiUrl;
  private final String userAgent;
  private final Proxies proxies;
  private final List<Certificate> extraCertificates;
  private final Duration connectTimeout;
  private final Duration timeout;

  private HttpClient client;
  private CompletableFuture<HttpResponse<byte[]>> pending = CompletableFuture.completedFuture(null);
  private boolean isStopped;

  HttpTransport(
      String apiUrl,
      String userAgent,
      Proxies proxies,
      List<Certificate> extraCertificates,
      Duration connectTimeout,
      Duration timeout) {
    this.apiUrl = apiUrl;
    this.userAgent = userAgent;
    this.proxies = proxies;
    this.extraCertificates = extraCertificates;
    this.connectTimeout = connectTimeout;
    this.timeout = timeout;
  }

  @Override
  public Reply send(String path, Optional<String> body, Optional<Duration> limit)
      throws IOException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(apiUrl + path)).header("User-Agent", userAgent);
    if (body.isPresent()) {
      request
          .header("Content-Type", "application/json")
          .POST(HttpRequest.BodyPublishers.ofString(body.get()));
    }
    HttpResponse<byte[]> response = await(start(request.build()), limit.orElse(timeout));
    return new Reply(
        response.statusCode(),
        response.headers().firstValue("Content-Type").orElse(""),
        response.headers().firstValue("Retry-After").orElse(""),
        new String(response.body(), StandardCharsets.UTF_8));
  }

  /** Ends the present request and refuses later ones, until {@link #resume}. */
  synchronized void stop() {
    isStopped = true;
    pending.cancel(true);
  }

  synchronized void resume() {
    isStopped = false;
  }

  private synchronized CompletableFuture<HttpResponse<byte[]>> start(HttpRequest request)
      throws IOException {
    if (isStopped) throw stopped();
    if (client == null) client = createClient();
    pending = client.sendAsync(request, response -> new LimitedBody());
    return pending;
  }

  private static IOException stopped() {
    return new ClosedException();
  }

  /** Waits for the whole response: the time-out of a request of the JDK ends with the headers. */
  private static HttpResponse<byte[]> await(
      CompletableFuture<HttpResponse<byte[]>> pending, Duration limit) throws IOException {
    try {
      return pending.get(limit.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException error) {
      Throwable cause = error.getCause();
      if (cause instanceof CancellationException) throw stopped();
      throw cause instanceof IOException ? (IOException) cause : new IOException(null, cause);
    } catch (TimeoutException late) {
      pending.cancel(true);
      throw new IOException("no response within " + limit.toMillis() / 1e3 + " s");
    } catch (CancellationException stopped) {
      throw stopped();
    } catch (InterruptedException interrupted) {
      pending.cancel(true);
      Thread.currentThread().interrupt();
      throw new CancelledException("interrupted");
    }
  }

  private HttpClient createClient() throws IOException {
    try {
      HttpClient.Builder builder =
          HttpClient.newBuilder()
              .version(HttpClient.Version.HTTP_1_1)
              .followRedirects(HttpClient.Redirect.NEVER)
              .connectTimeout(connectTimeout)
              .proxy(proxies)
              .sslContext(TrustedCertificates.context(extraCertificates));
      // With an authenticator, a 401 without WWW-Authenticate is an exception, and not a response.
      ProxyCredentials credentials = new ProxyCredentials(proxies, URI.create(apiUrl));
      return (credentials.isPresent() ? builder.authenticator(credentials) : builder).build();
    } catch (GeneralSecurityException error) {
      throw new IOException("TLS is not available", error);
    }
  }
}
