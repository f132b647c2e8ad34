package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.URI;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ProxiesTest {
  private static final URI TARGET = URI.create("https://licenses.example.com/path");

  @Test
  void an_explicit_proxy_wins_over_the_environment() {
    Optional<URI> explicit = Proxies.parse("http://own:1");
    Proxies proxies =
        new Proxies(explicit, Map.of("HTTPS_PROXY", "http://other:2", "NO_PROXY", "*"));
    assertEquals("[HTTP @ own/<unresolved>:1]", proxies.select(TARGET).toString());
  }

  @Test
  void the_environment_is_read_in_both_cases() {
    assertEquals(
        "[HTTP @ proxy/<unresolved>:3128]", select(Map.of("HTTPS_PROXY", "http://proxy:3128")));
    assertEquals("[HTTP @ proxy/<unresolved>:3128]", select(Map.of("https_proxy", "proxy:3128")));
    assertEquals("[HTTP @ proxy/<unresolved>:80]", select(Map.of("https_proxy", "http://proxy")));
    assertEquals("[DIRECT]", select(Map.of("HTTP_PROXY", "http://proxy:3128")));
    assertEquals("[DIRECT]", select(Map.of()));
  }

  @Test
  void hosts_in_no_proxy_are_reached_directly() {
    for (String list :
        new String[] {
          "*", "example.com", ".example.com", "a, *.example.com", "licenses.example.com:443"
        }) {
      assertEquals(
          "[DIRECT]", select(Map.of("HTTPS_PROXY", "http://proxy:3128", "no_proxy", list)), list);
    }
    for (String list : new String[] {"", "ample.com", "other.com", "www.licenses.example.com"}) {
      assertEquals(
          "[HTTP @ proxy/<unresolved>:3128]",
          select(Map.of("HTTPS_PROXY", "http://proxy:3128", "no_proxy", list)),
          list);
    }
  }

  @Test
  void a_loopback_host_is_reached_without_the_proxy_of_the_environment() {
    Proxies proxies = new Proxies(Optional.empty(), Map.of("http_proxy", "http://proxy:3128"));
    assertEquals("[DIRECT]", proxies.select(URI.create("http://127.0.0.1:8080/")).toString());
    assertEquals("[DIRECT]", proxies.select(URI.create("http://[::1]:8080/")).toString());
  }

  private static String select(Map<String, String> environment) {
    return new Proxies(Optional.empty(), environment).select(TARGET).toString();
  }
}
