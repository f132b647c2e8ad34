package io.github.signetlicensing.client;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/**
 * The certificates that TLS connections trust: those of the JVM, those of the system, and extra
 * ones of the app.
 */
final class TrustedCertificates {
  /** Key stores of Windows and macOS. On Linux, packages of the JDK use the store of the system. */
  private static final List<String> SYSTEM_STORES =
      List.of("Windows-ROOT", "KeychainStore-ROOT", "KeychainStore");

  private TrustedCertificates() {}

  /** Reads certificates in the PEM format. */
  static List<Certificate> parse(String pem) throws GeneralSecurityException {
    byte[] bytes = pem.getBytes(StandardCharsets.US_ASCII);
    return List.copyOf(
        CertificateFactory.getInstance("X.509")
            .generateCertificates(new ByteArrayInputStream(bytes)));
  }

  /** Returns the TLS settings for connections that also trust the extra certificates. */
  static SSLContext context(List<Certificate> extra) throws GeneralSecurityException, IOException {
    List<Certificate> added = new ArrayList<>(extra);
    for (String type : SYSTEM_STORES) added.addAll(readSystemStore(type));
    if (added.isEmpty()) return SSLContext.getDefault();
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null, null);
    added.addAll(defaultCertificates());
    for (Certificate certificate : added)
      trusted.setCertificateEntry("ca-" + trusted.size(), certificate);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trustManagers(trusted), null);
    return context;
  }

  private static List<Certificate> defaultCertificates() throws GeneralSecurityException {
    List<Certificate> certificates = new ArrayList<>();
    for (TrustManager manager : trustManagers(null)) {
      if (!(manager instanceof X509TrustManager)) continue;
      for (X509Certificate issuer : ((X509TrustManager) manager).getAcceptedIssuers())
        certificates.add(issuer);
    }
    return certificates;
  }

  /** Returns trust managers of a key store; null is that of the JVM. */
  private static TrustManager[] trustManagers(KeyStore store) throws GeneralSecurityException {
    TrustManagerFactory factory =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(store);
    return factory.getTrustManagers();
  }

  /** Returns the certificates of a store that this system may not have. */
  private static List<Certificate> readSystemStore(String type) {
    List<Certificate> certificates = new ArrayList<>();
    try {
      KeyStore store = KeyStore.getInstance(type);
      store.load(null, null);
      for (String alias : Collections.list(store.aliases())) {
        if (store.isCertificateEntry(alias)) certificates.add(store.getCertificate(alias));
      }
    } catch (GeneralSecurityException | IOException absent) {
      // Only Windows and macOS have these stores.
    }
    return certificates;
  }
}
