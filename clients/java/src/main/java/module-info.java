/** The Java client of Signet: activation, offline verification and heartbeats of a license. */
module io.github.signetlicensing.client {
  requires com.google.gson;
  requires java.net.http;

  exports io.github.signetlicensing.client;
}
