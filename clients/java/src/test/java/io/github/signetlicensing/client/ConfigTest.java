package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConfigTest {
  @Test
  void api_url_is_by_default_the_issuer() throws Exception {
    JsonObject app = app();
    app.remove("api_url");
    app.addProperty("unknown", 1);
    assertEquals("https://licenses.example.com", Config.parse(app.toString()).apiUrl());
  }

  @Test
  void api_url_must_be_https_or_loopback() throws Exception {
    Config config = Conformance.config();
    for (String url :
        List.of(
            "https://a.example/", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1")) {
      assertEquals(url.replaceAll("/$", ""), config.withApiUrl(url).apiUrl());
    }
    for (String url :
        List.of(
            "http://a.example",
            "http://127.0.0.1.example",
            "ftp://a.example",
            "a.example",
            "https://",
            "https://user@a.example",
            "https://a.example?",
            "https://a.example/#a",
            "::")) {
      assertInvalid(() -> config.withApiUrl(url));
    }
  }

  @Test
  void issuer_product_and_root_keys_are_required() throws Exception {
    for (String name : List.of("issuer", "product", "root_keys")) {
      JsonObject app = app();
      app.remove(name);
      assertInvalid(() -> Config.parse(app.toString()));
    }
    assertInvalid(() -> Config.parse("[]"));
    JsonObject empty = app();
    empty.add("root_keys", new JsonArray());
    assertInvalid(() -> Config.parse(empty.toString()));
  }

  @Test
  void each_root_key_is_an_rsa_public_key() throws Exception {
    for (String name : List.of("kty", "n", "e")) {
      JsonObject app = app();
      app.getAsJsonArray("root_keys").get(0).getAsJsonObject().remove(name);
      assertInvalid(() -> Config.parse(app.toString()));
    }
    for (JsonElement noKey : List.of(new JsonObject(), new JsonPrimitive("key"))) {
      JsonObject app = app();
      app.getAsJsonArray("root_keys").add(noKey);
      assertInvalid(() -> Config.parse(app.toString()));
    }
  }

  @Test
  void a_configuration_is_compiled_into_the_app() throws Exception {
    String rootKey = app().getAsJsonArray("root_keys").get(0).toString();
    Config config = Config.of("https://licenses.example.com", "atlas", List.of(rootKey));
    assertEquals(
        "U3UUb2q0ua_mVg7qNry3-KWe33tz1Y638CzjdrULsyg",
        config.rootKeys().keySet().iterator().next());
  }

  private static JsonObject app() throws IOException {
    return Conformance.read("config.json").getAsJsonObject();
  }

  private static void assertInvalid(org.junit.jupiter.api.function.Executable action) {
    assertEquals("invalid_config", assertThrows(LicenseException.class, action).code());
  }
}
