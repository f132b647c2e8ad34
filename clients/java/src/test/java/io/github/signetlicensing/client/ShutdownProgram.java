package io.github.signetlicensing.client;

import java.nio.file.Path;

/** Takes a floating seat, frees it when the process is ended, and waits. */
final class ShutdownProgram {
  private ShutdownProgram() {}

  public static void main(String[] arguments) throws Exception {
    Options options =
        new Options()
            .folder(Path.of(arguments[1]))
            .machineId("machine-1")
            .machineName(null)
            .instanceId("worker-1");
    License license = License.open(Conformance.config().withApiUrl(arguments[0]), options);
    Runtime.getRuntime().addShutdownHook(new Thread(license::close));
    license.refresh();
    System.out.println("ready");
    Thread.sleep(60_000);
  }
}
