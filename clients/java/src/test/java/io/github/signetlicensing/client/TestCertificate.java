package io.github.signetlicensing.client;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/** A certificate for {@code localhost}, signed by itself, made by keytool of the JDK. */
final class TestCertificate {
  private static final String PASSWORD = "password";

  private final KeyStore store;

  private TestCertificate(KeyStore store) {
    this.store = store;
  }

  static TestCertificate create(Path directory) throws Exception {
    Path file = directory.resolve("server.p12");
    String keytool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
    String command =
        " -genkeypair -alias server -keyalg EC -dname CN=localhost -ext SAN=dns:localhost"
            + " -ext BC=ca:true -validity 36500 -storetype PKCS12 -storepass "
            + PASSWORD
            + " -keystore ";
    Process process =
        new ProcessBuilder((keytool + command + file).split(" ")).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes());
    if (process.waitFor() != 0) throw new IOException(output);
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream stream = Files.newInputStream(file)) {
      store.load(stream, PASSWORD.toCharArray());
    }
    return new TestCertificate(store);
  }

  /** Returns the certificate as an app gives it: read from PEM text. */
  List<Certificate> authorities() throws Exception {
    return new Options().caCertificates(pem()).certificates;
  }

  String pem() throws GeneralSecurityException {
    byte[] der = store.getCertificate("server").getEncoded();
    String base64 = Base64.getMimeEncoder().encodeToString(der);
    return "-----BEGIN CERTIFICATE-----\n" + base64 + "\n-----END CERTIFICATE-----\n";
  }

  SSLContext serverContext() throws GeneralSecurityException {
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, PASSWORD.toCharArray());
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), null, null);
    return context;
  }
}
