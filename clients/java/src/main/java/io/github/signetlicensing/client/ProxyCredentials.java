package io.github.signetlicensing.client;

import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.util.Optional;

/** Answers a proxy that asks for credentials with those in its URL. */
final class ProxyCredentials extends Authenticator {
  private final Proxies proxies;
  private final URI target;

  ProxyCredentials(Proxies proxies, URI target) {
    this.proxies = proxies;
    this.target = target;
  }

  /** Returns whether the URL of the proxy has credentials. */
  boolean isPresent() {
    return userInfo().isPresent();
  }

  private Optional<String> userInfo() {
    return proxies.proxyOf(target).map(URI::getUserInfo);
  }

  @Override
  protected PasswordAuthentication getPasswordAuthentication() {
    Optional<String> userInfo = userInfo();
    if (getRequestorType() != RequestorType.PROXY || userInfo.isEmpty()) return null;
    String[] parts = userInfo.get().split(":", 2);
    return new PasswordAuthentication(parts[0], (parts.length == 2 ? parts[1] : "").toCharArray());
  }
}
