/**
 * Licenses an app with Signet. An app uses {@link io.github.signetlicensing.client.License}.
 *
 * <p>The classes that are not public are, in the order in which they build on each other:
 *
 * <ul>
 *   <li>the pure core: {@code Clock}, {@code Json}, {@code Jws}, {@code RsaKeys}, {@code KeySet},
 *       {@code SignedToken}, {@code Token}, {@code LicenseFile}, {@code Refusal}, {@code
 *       RefusalCodes}, {@code TokenRecord}, {@code Stored}, {@code Schedule}, {@code Requests} with
 *       {@code Request}, {@code Redaction}, {@code Reply}, {@code RetryAfter}, {@code Failure};
 *   <li>the client, which reaches the world through ports: {@code Store}, {@code ApiSession},
 *       {@code Client}, {@code Diagnosis};
 *   <li>the ports: {@code FileStorage} with {@code Uninterrupted}, {@code HttpTransport} with
 *       {@code LimitedBody}, {@code Proxies}, {@code ProxyCredentials} and {@code
 *       TrustedCertificates}, {@code MachineId}, {@code SystemHost}, {@code SystemTime}, {@code
 *       BackgroundTask}.
 * </ul>
 *
 * <p>Times are seconds since 1970, unless they are an {@link java.time.Instant}.
 */
package io.github.signetlicensing.client;
