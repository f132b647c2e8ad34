package io.github.signetlicensing.client;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Selects the proxy of a request: the one that the app gives; otherwise that of the environment
 * ({@code HTTPS_PROXY}, {@code HTTP_PROXY}, {@code NO_PROXY}); otherwise that of the JVM, which
 * knows those of the system.
 */
final class Proxies extends ProxySelector {
  private static final List<Proxy> DIRECT = List.of(Proxy.NO_PROXY);

  private final Optional<URI> explicit;
  private final Map<String, String> environment;

  /** Creates a selector, of an explicit proxy if one is given. */
  Proxies(Optional<URI> explicit, Map<String, String> environment) {
    this.explicit = explicit;
    this.environment = environment;
  }

  @Override
  public List<Proxy> select(URI target) {
    Optional<URI> proxy = proxyOf(target);
    if (proxy.isPresent()) {
      return List.of(
          new Proxy(
              Proxy.Type.HTTP,
              InetSocketAddress.createUnresolved(proxy.get().getHost(), port(proxy.get()))));
    }
    ProxySelector system = ProxySelector.getDefault();
    return isExcluded(target) || system == null || system == this ? DIRECT : system.select(target);
  }

  /** Returns the explicit proxy, or that of the environment. */
  Optional<URI> proxyOf(URI target) {
    if (explicit.isPresent()) return explicit;
    if (isExcluded(target)) return Optional.empty();
    return variable(target.getScheme().toLowerCase(Locale.ROOT) + "_proxy").flatMap(Proxies::parse);
  }

  /**
   * Returns the URL of a proxy, which can be written without {@code http://}; nothing if it is
   * none.
   */
  static Optional<URI> parse(String text) {
    try {
      URI proxy = URI.create(text.contains("://") ? text : "http://" + text);
      return Optional.of(proxy)
          .filter(url -> "http".equalsIgnoreCase(url.getScheme()) && url.getHost() != null)
          .filter(url -> url.getPort() == -1 || url.getPort() > 0 && url.getPort() <= 65_535);
    } catch (IllegalArgumentException noUrl) {
      return Optional.empty();
    }
  }

  /**
   * Returns whether requests to the host of a URL use no proxy of the environment or of the system.
   */
  private boolean isExcluded(URI target) {
    String host = target.getHost().toLowerCase(Locale.ROOT);
    if (isLoopback(host)) return true;
    for (String entry : variable("no_proxy").orElse("").toLowerCase(Locale.ROOT).split("[,\\s]+")) {
      String name = entry.replaceFirst("^\\*?\\.", "").replaceFirst(":[0-9]+$", "");
      if (name.isEmpty()) continue;
      if (name.equals("*") || host.equals(name) || host.endsWith("." + name)) return true;
    }
    return false;
  }

  static boolean isLoopback(String host) {
    return host.equalsIgnoreCase("localhost")
        || host.equals("[::1]")
        || host.matches("127\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}");
  }

  private Optional<String> variable(String name) {
    String value =
        environment.getOrDefault(name, environment.getOrDefault(name.toUpperCase(Locale.ROOT), ""));
    return Optional.of(value).filter(text -> !text.isEmpty());
  }

  private static int port(URI proxy) {
    return proxy.getPort() == -1 ? 80 : proxy.getPort();
  }

  @Override
  public void connectFailed(URI target, SocketAddress proxy, IOException failure) {
    // The request fails, and is sent again later.
  }
}
