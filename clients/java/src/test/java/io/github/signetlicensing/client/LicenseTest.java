package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class LicenseTest {
  private static final String SUSPENDED =
      "{\"code\":\"suspended\",\"detail\":\"x\",\"status\":403}";

  @TempDir Path folder;

  @Test
  void a_callback_that_throws_does_not_disturb_the_operation_nor_other_callbacks()
      throws Exception {
    try (LoopbackServer server = refusing();
        License license = open(server.url())) {
      List<State> states = new CopyOnWriteArrayList<>();
      license.onChange(
          state -> {
            throw new IllegalStateException("of the app");
          });
      license.onChange(
          state -> {
            throw new AssertionError("of the app");
          });
      license.onChange(states::add);
      assertEquals(
          "suspended", assertThrows(LicenseException.class, () -> license.activate("KEY")).code());
      assertEquals(1, states.size());
      assertEquals(State.Kind.REFUSED, states.get(0).kind());
    }
  }

  @Test
  void a_callback_is_not_called_once_the_license_is_closed() throws Exception {
    CountDownLatch received = new CountDownLatch(1);
    List<State> states = new CopyOnWriteArrayList<>();
    CountDownLatch end = new CountDownLatch(1);
    try (LoopbackServer server = hanging(received, end)) {
      License license = open(server.url());
      license.onChange(states::add);
      CompletableFuture<LicenseException> failure = failureOfActivation(license);
      received.await();
      license.close();
      String message = failure.get().getMessage();
      assertTrue(license.state().hasLicenseKey());
      assertEquals(List.of(), states);
      assertEquals("the license key was not activated: the client is closed", message);
      assertTrue(license.diagnose().contains("last failure: none since the start\n"));
    }
    end.countDown();
  }

  @Test
  void the_cause_of_an_error_is_that_of_the_connection() throws Exception {
    LoopbackServer server = refusing();
    server.close();
    try (License license = open(server.url())) {
      LicenseException error =
          assertThrows(LicenseException.class, () -> license.activate("SECRET"));
      assertEquals("unreachable", error.code());
      assertTrue(error.getCause() instanceof IOException, String.valueOf(error.getCause()));
      assertTrue(error.getMessage().contains("ConnectException"), error.getMessage());
      assertFalse(error.getMessage().contains("SECRET"), error.getMessage());
      assertTrue(license.diagnose().contains("ConnectException"), license.diagnose());
    }
  }

  @Test
  void a_deactivation_without_a_token_and_network_says_that_the_seat_was_not_freed()
      throws Exception {
    Files.writeString(folder.resolve("license-key"), "KEY");
    LoopbackServer server = refusing();
    server.close();
    try (License license = open(server.url())) {
      LicenseException error = assertThrows(LicenseException.class, license::deactivate);
      assertEquals("unreachable", error.code());
      assertTrue(
          error.getMessage().startsWith("the seat was not freed: ConnectException"),
          error.getMessage());
      assertEquals(
          "Unactivated (a license key is stored; not_contacted)", license.state().toString());
    }
  }

  @Test
  void a_time_that_is_not_valid_cannot_be_borrowed_until() throws Exception {
    try (License license = open("http://127.0.0.1:9")) {
      for (Instant until : new Instant[] {null, Instant.MIN, Instant.now(), Instant.MAX}) {
        LicenseException error = assertThrows(LicenseException.class, () -> license.borrow(until));
        assertEquals("invalid_value", error.code());
      }
    }
  }

  @Test
  void a_callback_can_use_the_license() throws Exception {
    try (LoopbackServer server = refusing();
        License license = open(server.url())) {
      List<State> states = new CopyOnWriteArrayList<>();
      license.onChange(
          state -> {
            states.add(license.state());
            license.release();
          });
      assertThrows(LicenseException.class, () -> license.activate("KEY"));
      assertEquals(1, states.size());
    }
  }

  @Test
  void the_background_task_activates_with_the_stored_license_key() throws Exception {
    Files.writeString(folder.resolve("license-key"), "KEY");
    try (LoopbackServer server = refusing()) {
      License license = open(server.url());
      CountDownLatch refused = new CountDownLatch(1);
      license.onChange(state -> refused.countDown());
      assertTrue(refused.await(30, TimeUnit.SECONDS));
      assertEquals("suspended", license.state().code().orElseThrow());
      license.close();
    }
  }

  @Test
  void state_does_not_wait_for_a_request_and_close_ends_it() throws Exception {
    CountDownLatch received = new CountDownLatch(1);
    CountDownLatch end = new CountDownLatch(1);
    try (LoopbackServer server = hanging(received, end)) {
      License license = open(server.url());
      CompletableFuture<LicenseException> failure = failureOfActivation(license);
      received.await();
      assertEquals(State.Kind.UNACTIVATED, license.state().kind());
      assertFalse(license.has("export.pdf"));
      assertNotNull(license.diagnose());
      license.close();
      license.close();
      assertEquals("closed", failure.get().code());
      assertEquals(
          "closed", assertThrows(LicenseException.class, () -> license.activate("KEY")).code());
    }
    end.countDown();
  }

  @Test
  void nothing_secret_is_in_texts() throws Exception {
    JsonObject stored = storedFiles();
    store(stored);
    String key = stored.get("license-key").getAsString();
    String token =
        Json.parse(stored.get("token.json").getAsString()).orElseThrow().get("token").getAsString();
    try (LoopbackServer server = refusing();
        License license = open(server.url())) {
      LicenseException error = assertThrows(LicenseException.class, () -> license.activate(key));
      Options options = new Options().folder(folder);
      for (Object object :
          new Object[] {license, license.diagnose(), license.state(), error, options}) {
        assertFalse(object.toString().contains(key), object.toString());
        assertFalse(object.toString().contains(token), object.toString());
      }
    }
  }

  @Test
  void a_process_ends_although_the_background_task_runs() throws Exception {
    Files.writeString(folder.resolve("license-key"), "KEY");
    CountDownLatch received = new CountDownLatch(1);
    CountDownLatch end = new CountDownLatch(1);
    try (LoopbackServer server = hanging(received, end)) {
      Process process = start("ExitProgram", server.url());
      try {
        received.await(); // its background task waits for a response that does not come
        process.getOutputStream().close();
        assertTrue(process.waitFor(10, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue());
      } finally {
        process.destroyForcibly();
      }
    }
    end.countDown();
  }

  @Test
  void a_shutdown_hook_frees_the_seat_of_a_process_that_is_ended() throws Exception {
    JsonObject scenario =
        Conformance.scenario(
            "processes", "a process that starts with a stored license key activates");
    store(scenario.getAsJsonObject("storage"));
    JsonObject response =
        scenario
            .getAsJsonArray("steps")
            .get(2)
            .getAsJsonObject()
            .getAsJsonArray("responses")
            .get(0)
            .getAsJsonObject();
    byte[] body = response.get("body").toString().getBytes(StandardCharsets.UTF_8);
    try (LoopbackServer server =
        new LoopbackServer(
            (connection, head) -> LoopbackServer.respond(connection, "200 OK", "", body))) {
      Process process = start("ShutdownProgram", server.url());
      try {
        byte[] ready = process.getInputStream().readNBytes(5);
        assertEquals("ready", new String(ready, StandardCharsets.UTF_8));
        assertFalse(server.heads.get(server.heads.size() - 1).contains("/deactivate "));
        process.destroy();
        assertTrue(process.waitFor(30, TimeUnit.SECONDS));
        assertTrue(server.heads.get(server.heads.size() - 1).contains("/deactivate "));
      } finally {
        process.destroyForcibly();
      }
    }
  }

  @Test
  void the_version_is_that_of_the_manifest() throws IOException {
    assertTrue(
        Files.readString(Path.of("pom.xml"))
            .contains("<version>" + License.VERSION + "</version>"));
  }

  /** Starts a program of the tests with the folder of the test. */
  private Process start(String program, String url) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            "io.github.signetlicensing.client." + program,
            url,
            folder.toString())
        .redirectError(new File("/dev/stderr"))
        .start();
  }

  private void store(JsonObject files) throws IOException {
    for (Map.Entry<String, JsonElement> file : files.entrySet()) {
      Files.writeString(folder.resolve(file.getKey()), file.getValue().getAsString());
    }
  }

  private License open(String url) throws IOException, LicenseException {
    Options options = new Options().folder(folder).machineId("machine-1").machineName(null);
    return License.open(Conformance.config().withApiUrl(url), options);
  }

  /** Activates in another thread. Returns the error with which that fails. */
  private static CompletableFuture<LicenseException> failureOfActivation(License license) {
    CompletableFuture<LicenseException> failure = new CompletableFuture<>();
    LoopbackServer.startDaemon(
        () ->
            failure.complete(assertThrows(LicenseException.class, () -> license.activate("KEY"))));
    return failure;
  }

  /** Starts a server that receives requests, and answers none until {@code end}. */
  private static LoopbackServer hanging(CountDownLatch received, CountDownLatch end)
      throws IOException {
    return new LoopbackServer(
        (connection, head) -> {
          received.countDown();
          end.await();
        });
  }

  private static LoopbackServer refusing() throws IOException {
    byte[] body = SUSPENDED.getBytes(StandardCharsets.UTF_8);
    String type = "Content-Type: application/problem+json\r\n";
    return new LoopbackServer(
        (connection, head) -> LoopbackServer.respond(connection, "403 Forbidden", type, body));
  }

  private static JsonObject storedFiles() throws IOException {
    return Conformance.scenario("states", "a stored token is active without a request")
        .getAsJsonObject("storage");
  }
}
